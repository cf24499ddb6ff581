"""What a page is made of: the figures, the rows behind them with their texts, and the paper's figures beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from guardreasoner.report.cells import Cell, Evaluation
from guardreasoner.report.judged import Judged
from guardreasoner.types import Mode, Task

Key = tuple[str, Task, Mode]
"""Benchmark, task and mode: one cell."""
PaperRow = tuple[Task, str, str | None, str, float]
"""Task, method, size, benchmark or `weighted_average`, F1: one figure of the paper's tables."""
Outcome = Literal["right", "missed", "false alarm", "unreadable", "refused"]


@dataclass(frozen=True)
class Content:
    """One evaluation with its rows, and the paper's tables."""

    evaluation: Evaluation
    rows: Mapping[Key, Sequence[Judged]]
    paper: Sequence[PaperRow] = ()
    sizes: Mapping[Task, Mapping[str, int]] = field(default_factory=dict[Task, Mapping[str, int]])
    """Samples per benchmark as published, in the paper's order."""

    @property
    def modes(self) -> tuple[Mode, ...]:
        return tuple(dict.fromkeys(cell.mode for cell in self.evaluation.cells))

    @property
    def sets(self) -> tuple[tuple[str, Task], ...]:
        """Benchmark and task of every cell, once each, by task."""
        found = dict.fromkeys((cell.benchmark, cell.task) for cell in self.evaluation.cells)
        return tuple(sorted(found, key=lambda each: list(Task).index(each[1])))

    def annotated(self, cell: Cell) -> list[Judged]:
        """The rows that the cell's figures are about."""
        rows = self.rows.get((cell.benchmark, cell.task, cell.mode), ())
        return [row for row in rows if row.gold.get(cell.task) is not None]


def outcome(row: Judged, task: Task) -> Outcome:
    """What became of one row that is annotated for `task`."""
    said, gold = None if row.labels is None else row.labels.get(task), row.gold.get(task)
    if said is None:
        return "refused" if row.declined else "unreadable"
    return "right" if said == gold else "missed" if gold == task.positive else "false alarm"


def score_of(row: Judged, task: Task) -> float | None:
    """P(positive), where the guard gave it."""
    return None if row.scores is None else row.scores.get(task)
