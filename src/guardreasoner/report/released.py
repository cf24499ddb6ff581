"""From predictions in the authors' form to the figures of their reasoning."""

from __future__ import annotations

from collections.abc import Iterator

from guardreasoner.formats.paper import PaperFormat
from guardreasoner.report.pairing import ReadPrompt
from guardreasoner.report.predictions import CellPredictions
from guardreasoner.report.reasoning import FindLeak, Quality, Thought, quality
from guardreasoner.report.scores import Report
from guardreasoner.types import Malformed, Task

_FORMAT = PaperFormat()


def with_reasoning(
    report: Report, cells: list[CellPredictions], read_prompt: ReadPrompt, find_leak: FindLeak
) -> Report:
    """The report with the figures of reasoning in each cell."""
    found = {(cell.model, cell.task, cell.benchmark): quality(thoughts(cell, read_prompt), find_leak) for cell in cells}
    known = [
        cell.model_copy(update={"reasoning": found[cell.model, cell.task, cell.benchmark]}) for cell in report.cells
    ]
    return report.model_copy(update={"cells": tuple(known)})


def rows_of(report: Report) -> list[tuple[str, Task, Quality]]:
    """The figures of the cells that have some, under model and benchmark."""
    return [
        (f"{cell.model} {cell.benchmark}", cell.task, cell.reasoning)
        for cell in report.cells
        if cell.reasoning is not None
    ]


def thoughts(cell: CellPredictions, read_prompt: ReadPrompt) -> Iterator[Thought | None]:
    """A text without a readable answer is reasoning all the way; one that opens with its answers has none."""
    for prompt, text in zip(cell.prompts, cell.texts, strict=True):
        exchange = None if prompt is None else read_prompt(prompt, cell.task)
        if exchange is None:
            yield Thought(None, text, None)
            continue
        verdict = _FORMAT.read(text, exchange)
        if isinstance(verdict, Malformed):
            yield Thought(exchange, text, None)
        else:
            yield None if verdict.reasoning is None else Thought(exchange, verdict.reasoning, verdict.labels)
