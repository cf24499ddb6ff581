"""From the cells of one row to a labelled sample, or to the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from guardreasoner.data.tally import cell, exchange_of
from guardreasoner.jsonl import Json
from guardreasoner.types import Labels, Sample, Task

Converter = Callable[[Json, int], Sample | str]
"""From a row and its number, counted from 1, to a sample, or to the reason why it is left out."""


def labelled(source: str, id: str, prompt: object, response: object, **labels: Any) -> Sample | str:
    """`labels`: a task's name and the word for it. An empty cell is not annotated, nor is what lacks a response."""
    exchange = exchange_of(cell(prompt), cell(response))
    if isinstance(exchange, str):
        return exchange
    given: dict[str, object] = {}
    for task in Task:
        label = cell(labels.get(task.value))
        if label is not None and label not in task.labels:
            return f"unknown {task.value} label {str(label)[:40]!r}"
        given[task.value] = label if task in exchange.tasks else None
    return Sample(id=id, source=source, exchange=exchange, labels=Labels.model_validate(given))


def flag(value: object) -> bool | None:
    """Yes or no, as JSON, CSV and Parquet write it; None for anything else."""
    match str(value).strip().lower():
        case "true" | "1" | "1.0":
            return True
        case "false" | "0" | "0.0":
            return False
        case _:
            return None
