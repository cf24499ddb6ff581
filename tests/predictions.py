"""Prediction files of our own writing, for the tests of scoring."""

from __future__ import annotations

import json
from pathlib import Path

from guardreasoner.data.published import benchmark_sizes, guardreasoner_f1
from guardreasoner.metrics import Protocol
from guardreasoner.report.predictions import FILE_NAME, read_cells
from guardreasoner.report.scores import Reference, Report, report
from guardreasoner.types import Task

REFERENCE = Reference(guardreasoner_f1(), benchmark_sizes())


def answer(request: str = "unharmful", completion: str = "None", response: str = "None") -> str:
    return f"A thought.\n\nAnswers: \nRequest: {request}\nCompletion: {completion}\nResponse: {response}"


def write(folder: Path, rows: list[tuple[str, str]]) -> Path:
    folder.mkdir(parents=True)
    path = folder / FILE_NAME
    records = [{"prompt": "Hello?", "label": label, "predict": predict} for label, predict in rows]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def scored(path: Path, protocol: Protocol = "strict", task: Task | None = None) -> Report:
    return report(read_cells([path], protocol, task), protocol, REFERENCE)


def write_aegis(folder: Path) -> Path:
    """Two hits, one miss, one true negative, one unreadable of each label."""
    rows = [
        *[("harmful", answer("harmful"))] * 2,
        ("harmful", answer("unharmful")),
        ("unharmful", answer("unharmful")),
        ("harmful", "A thought without an end"),
        ("unharmful", "A thought without an end"),
    ]
    return write(folder / "1B" / "AegisSafetyTest", rows)
