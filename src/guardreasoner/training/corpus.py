"""From a run folder, or from the paper's figures, to how many tokens an epoch has. No tokenizer is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from guardreasoner.errors import InputError
from guardreasoner.recipe import Recipe
from guardreasoner.run import RunFolder, read_records
from guardreasoner.training.needs import Tokens
from guardreasoner.types import PreferencePair, SFTExample

CHARACTERS_PER_TOKEN = 4  # OpenAI's rule of thumb for English
PAPER_ROWS = 127_544
PAPER_ROW = 372e6 / PAPER_ROWS / CHARACTERS_PER_TOKEN
"""Tokens of one row: the released GuardReasonerTrain has 372 MB (its dataset card) in 127,544 rows."""
PAPER_ANSWER = 257
"""Tokens of one answer: 254 (1B) to 260 (8B) per query (table 6)."""
PAPER_PAIRS = {"meta-llama/Llama-3.2-1B": 23_000, "meta-llama/Llama-3.2-3B": 14_000, "meta-llama/Llama-3.1-8B": 15_000}


def sft_tokens(recipe: Recipe, folder: RunFolder) -> Tokens:
    """Counted in sft.json; else from reasoning.jsonl's characters; else the paper's, for as many rows as are asked."""
    said = _figures(folder.root / "sft.json")
    if said is not None and {"tokens", "completion tokens", "examples"} <= said.keys():
        return Tokens(said["examples"], said["tokens"], said["completion tokens"], "sft.json")
    if folder.reasoning.is_file():
        examples = read = learnt = 0
        for example in read_records(folder.reasoning, SFTExample):
            examples += 1
            read += (len(example.prompt) + len(example.completion)) // CHARACTERS_PER_TOKEN
            learnt += len(example.completion) // CHARACTERS_PER_TOKEN
        return Tokens(examples, read, learnt, "reasoning.jsonl, four characters to a token")
    rows = sum(recipe.data.seeds.values())
    if rows == 0:
        raise InputError(
            f"{folder.reasoning}: not there, and the recipe takes none of the paper's sets (`data.seeds`), "
            "expected one of them to count tokens"
        )
    return Tokens(rows, round(rows * PAPER_ROW), rows * PAPER_ANSWER, "the paper's mean row")


def member_tokens(recipe: Recipe, whole: Tokens) -> dict[str, Tokens]:
    """Per member of the ensemble: what is left without its sources, by the recipe's rows."""
    rows = recipe.data.seeds
    every = sum(rows.values())
    found: dict[str, Tokens] = {}
    for name, sources in recipe.ensemble.leave_out.items():
        share = 1 - sum(rows.get(source, 0) for source in sources) / every if every else 1.0
        found[name] = Tokens(
            round(whole.examples * share), round(whole.read * share), round(whole.learnt * share), whole.source
        )
    return found


def dpo_tokens(recipe: Recipe, folder: RunFolder, whole: Tokens) -> Tokens | None:
    """Of one epoch of pairs: the prompt once, both answers. None: neither pairs.jsonl nor the paper tells how many."""
    if folder.pairs.is_file():
        pairs = read = learnt = 0
        for pair in read_records(folder.pairs, PreferencePair):
            pairs += 1
            answers = (len(pair.chosen) + len(pair.rejected)) // CHARACTERS_PER_TOKEN
            read, learnt = read + len(pair.prompt) // CHARACTERS_PER_TOKEN + answers, learnt + answers
        return Tokens(pairs, read, learnt, "pairs.jsonl, four characters to a token")
    count = PAPER_PAIRS.get(recipe.model.base or "")
    if count is None:
        return None
    answer = whole.learnt / max(1, whole.examples)
    row = whole.read / max(1, whole.examples) + answer
    return Tokens(count, round(count * row), round(count * 2 * answer), "the paper's number of pairs")


def _figures(path: Path) -> dict[str, Any] | None:
    try:
        found: object = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return cast(dict[str, Any], found) if isinstance(found, dict) else None
