"""From examples with reasoning and a base to one trained guard: R-SFT, of the main model or of an ensemble's member."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from guardreasoner.errors import InputError
from guardreasoner.processes import is_first
from guardreasoner.recipe import Recipe, SFTSection
from guardreasoner.run import RunFolder, read_records, write_whole
from guardreasoner.training.adapters import merged, open_trainable
from guardreasoner.training.bases import end_token, kept, open_tokens, prefix_ends, save, start_of
from guardreasoner.training.lessons import Count, encoded, format_of, lessons
from guardreasoner.training.packing import Row, pack
from guardreasoner.training.trainer import train
from guardreasoner.types import SFTExample


def train_sft(recipe: Recipe, folder: RunFolder, into: Path, leave_out: Sequence[str] = ()) -> None:
    """Train on reasoning.jsonl without the sources `leave_out`; `into`/model is there whole when it is done.

    What was read and what was left out, and why, stands in `into`.json. Called again, it goes on where it stopped.

    Raises:
        InputError: the base cannot be had, a source to leave out is not there, or no example is left.
    """
    done = into / "model"
    if done.is_dir():
        return
    start, form = start_of(recipe, folder), format_of(recipe)
    tokens = open_tokens(start)
    end = end_token(tokens, form, start)
    count = Count()
    sources: dict[str, int] = {}
    examples = _without(read_records(folder.reasoning, SFTExample), leave_out, sources)
    section = recipe.sft
    fitting = encoded(lessons(examples, form, section, count), tokens, end, section.cutoff, count, prefix_ends(start))
    rows = list(pack(fitting, _longest_row(section), section.average))
    if absent := [source for source in leave_out if source not in sources]:
        raise InputError(f"{folder.reasoning}: no example of the source {absent[0]!r}, which is to be left out")
    into.parent.mkdir(parents=True, exist_ok=True)
    figures = {"base": recipe.model.base, "format": form.name} | _figures(count, rows)
    if leave_out:
        figures["sources left out"] = {source: sources[source] for source in leave_out}
    write_whole(into.with_name(into.name + ".json"), json.dumps(figures, indent=2) + "\n")
    if not rows:
        why = into.with_name(into.name + ".json")
        raise InputError(f"{folder.reasoning}: no example of at most {section.cutoff} tokens is left; {why} says why")
    model = train(open_trainable(start, section, section.lora), rows, into, section, epochs=section.epochs)
    if is_first():  # the others may have none of the trained weights
        save(kept(merged(model), recipe, section), tokens, form, end, done)


def _longest_row(section: SFTSection) -> int:
    """0 = a row of its own for every example, so that `batch_size` counts examples."""
    if section.batch_size is None:
        return max(section.cutoff, section.row_tokens)
    if section.row_tokens:
        raise InputError(
            f"`sft.row_tokens` = {section.row_tokens} packs examples into rows and `sft.batch_size` counts them, "
            "expected one of the two"
        )
    return 0


def _without(examples: Iterator[SFTExample], leave_out: Sequence[str], sources: dict[str, int]) -> Iterator[SFTExample]:
    """Examples of other sources; `sources` gets the number of all."""
    for example in examples:
        sources[example.source] = sources.get(example.source, 0) + 1
        if example.source not in leave_out:
            yield example


def _figures(count: Count, rows: Sequence[Row]) -> dict[str, Any]:
    return {
        "examples": count.examples,
        "left out": {why: dict(sorted(sources.items())) for why, sources in count.left_out.items()},
        "tokens": count.tokens,
        "completion tokens": count.completion_tokens,
        "of them not learnt, unannotated": count.masked_tokens,
        "rows": len(rows),
        "tokens in rows": sum(len(row.ids) for row in rows),
    }
