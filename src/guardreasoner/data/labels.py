"""From any labelled file to `Sample`s by the usual names of its columns: what a floor is trained on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from guardreasoner.data.files import file_samples
from guardreasoner.data.raw import read_raw
from guardreasoner.data.tally import Tally
from guardreasoner.errors import InputError
from guardreasoner.jsonl import open_binary
from guardreasoner.recipe import FileSource
from guardreasoner.run import read_records
from guardreasoner.types import Sample, Task

NAMES = {
    Task.PROMPT_HARMFULNESS: ("prompt_harmfulness", "prompt_harm", "prompt_harm_label"),
    Task.RESPONSE_REFUSAL: ("response_refusal", "response_refusal_label"),
    Task.RESPONSE_HARMFULNESS: ("response_harmfulness", "response_harm", "response_harm_label"),
}


def labelled_rows(path: Path, tally: Tally) -> Iterator[Sample]:
    """Every row that has at least one label; what is left out is counted in `tally`.

    Raises:
        InputError: there is no column `prompt`, or none of the labels'; or a line holds no row.
    """
    open_binary(path).close()
    columns: dict[str, None] = {}
    for record in read_raw(path):
        if record.value is None or record.error is not None:
            raise InputError(f"{path}, line {record.line}: {record.error or 'no row'}")
        columns |= dict.fromkeys(record.value)
    if {"exchange", "labels"} <= columns.keys():  # samples as a run keeps them
        yield from _with_labels(_counted(path, tally), tally)
        return
    named = {task.value: next((name for name in NAMES[task] if name in columns), None) for task in Task}
    if "prompt" not in columns or not any(named.values()):
        wanted = "prompt and one of prompt_harmfulness, response_refusal, response_harmfulness"
        raise InputError(f"{path}: found the columns {', '.join(columns) or 'of no row'}, expected {wanted}")
    source = FileSource.model_validate(
        {"path": path, "prompt": "prompt", "response": "response" if "response" in columns else None}
        | {task: column for task, column in named.items() if column is not None}
    )
    yield from _with_labels((found.sample for found in file_samples(source, tally)), tally)


def _counted(path: Path, tally: Tally) -> Iterator[Sample]:
    for sample in read_records(path, Sample):
        tally.rows += 1
        tally.taken += 1
        yield sample


def _with_labels(samples: Iterable[Sample], tally: Tally) -> Iterator[Sample]:
    for sample in samples:
        if sample.labels.tasks:
            yield sample
        else:
            tally.taken -= 1
            tally.left_out["without a label"] += 1
