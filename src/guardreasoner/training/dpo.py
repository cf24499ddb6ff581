"""From preference pairs and an R-SFT model to a guard trained by HS-DPO (section 4.3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import torch

from guardreasoner.engines.hf_tokens import TextTokens
from guardreasoner.errors import InputError
from guardreasoner.formats import Format
from guardreasoner.formats.paper_llama3 import OPENING, PaperLlama3Format, in_template
from guardreasoner.processes import is_first
from guardreasoner.recipe import DPOSection, Recipe
from guardreasoner.run import RunFolder, read_records, write_whole
from guardreasoner.training.adapters import merged, open_trainable
from guardreasoner.training.bases import end_token, kept, open_tokens, prefix_ends, save
from guardreasoner.training.checkpoints import newest_whole
from guardreasoner.training.lessons import chunks, format_of, prefix
from guardreasoner.training.pairs import PairRow, PreferenceObjective, pair_row
from guardreasoner.training.reference import model_digest, with_reference
from guardreasoner.training.trainer import train
from guardreasoner.types import PreferencePair

M = TypeVar("M", bound=torch.nn.Module)


def train_dpo(recipe: Recipe, section: DPOSection, folder: RunFolder) -> None:
    """Train sft/model on pairs.jsonl; dpo/model is there whole when it is done. Called again, it goes on.

    The reference is sft/model: what it says to each pair is computed first and kept in dpo/reference-*.jsonl.

    Raises:
        InputError: no model, no pairs that fit, or dpo/ holds checkpoints of a training on others.
    """
    start = folder.sft / "model"
    if not start.is_dir():
        raise InputError(f"{start}: not there; the stage `sft` makes it")
    form = format_of(recipe)
    tokens = open_tokens(str(start))
    end = end_token(tokens, form, str(start))
    left_out = Counter[str]()
    pairs = read_records(folder.pairs, PreferencePair)
    rows = list(encoded_pairs(pairs, tokens, form, end, section.cutoff, left_out, prefix_ends(str(start))))
    figures: dict[str, object] = {
        "pairs": len(rows),
        f"left out, longer than {section.cutoff} tokens": dict(sorted(left_out.items())),
        "tokens": sum(len(row.ids) for row in rows),
        "chosen tokens": sum(row.chosen for row in rows),
        "rejected tokens": sum(len(row.learnt) - row.chosen for row in rows),
    }
    folder.note("dpo", figures)
    if not rows:
        found = f"{left_out.total()} longer ones" if left_out else "none"
        raise InputError(
            f"{folder.pairs}: found {found}, expected a pair of at most `dpo.cutoff` = {section.cutoff} tokens"
        )
    model = open_trainable(str(start), section, section.lora)  # new adapters change nothing: it is the reference too
    referred = with_reference(model, rows, folder.dpo, model_digest(start), section)
    _same(folder.dpo, referred.digest)
    folder.note("dpo", figures | {"references computed in this run": referred.computed})
    objective, policy = PreferenceObjective(section.beta, section.sft_weight), without_dropout(model)
    model = train(policy, referred.rows, folder.dpo, section, epochs=section.epochs, objective=objective)
    if is_first():  # the others may have none of the trained weights
        save(kept(merged(model), recipe, section), tokens, form, end, folder.dpo / "model")


def without_dropout(model: M) -> M:
    """The same model: a margin compares it with a reference that has no dropout (so do TRL and LLaMA-Factory)."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model


def encoded_pairs(
    pairs: Iterable[PreferencePair],
    tokens: TextTokens,
    form: Format,
    end: int,
    cutoff: int,
    left_out: Counter[str],
    ends: frozenset[int] = frozenset(),
) -> Iterator[PairRow]:
    """Each pair as a row, unless the prompt with either answer has more than `cutoff` tokens: counted per source."""
    for some in chunks(pairs, 1000):
        prompts = tokens.prompts([_given(pair.prompt, form) for pair in some])
        chosen = tokens.continuations([pair.chosen for pair in some])
        rejected = tokens.continuations([pair.rejected for pair in some])
        for pair, prompt, (right, _), (wrong, _) in zip(some, prompts, chosen, rejected, strict=True):
            right, wrong = (ids if ids[-1:] == [end] else [*ids, end] for ids in (right, wrong))
            if len(prompt) + max(len(right), len(wrong)) > cutoff:
                left_out[pair.source] += 1
            else:
                yield pair_row(prompt, right, wrong, pair.weight, prefix(prompt, ends))


def _given(prompt: str, form: Format) -> str:
    """The prompt in the template in which the guard is asked."""
    inside = isinstance(form, PaperLlama3Format) and not prompt.startswith(OPENING)
    return in_template(prompt) if inside else prompt


def _same(folder: Path, digest: str) -> None:
    """InputError if the checkpoints in `folder` are of a training from another model or on other pairs."""
    if not is_first():
        return
    path = folder / "inputs.sha256"
    begun = newest_whole(folder)[0] is not None
    if begun and path.is_file() and path.read_text(encoding="utf-8").strip() != digest:
        raise InputError(
            f"{folder}: found checkpoints of a training from another sft/model or on another pairs.jsonl, "
            "expected the same; remove the folder to train anew"
        )
    write_whole(path, digest + "\n")
