"""From cells of predictions to figures with intervals and to weighted means per task, beside the paper's."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from guardreasoner.metrics import Protocol, Score, bootstrap, outcomes, score, weighted_mean
from guardreasoner.report.means import Mean, Part, mean_of
from guardreasoner.report.predictions import CellPredictions
from guardreasoner.report.reasoning import Quality
from guardreasoner.types import Record, Task

_SIZE = re.compile(r"(?<![0-9.])([138]B)(?![a-z0-9])", re.IGNORECASE)


class Cell(Record):
    """One model on one benchmark. `paper_f1`: the paper's figure for the model of that size, where it has one."""

    model: str
    task: Task
    benchmark: str
    file: str
    score: Score
    paper_f1: float | None
    reasoning: Quality | None = None


class ModelMean(Mean):
    """The mean of one model. `paper_f1`: of the paper's model of that size, over the same cells."""

    model: str
    paper_f1: float | None


class Report(Record):
    """All cells and means. Figures are fractions."""

    protocol: Protocol
    cells: tuple[Cell, ...]
    means: tuple[ModelMean, ...]


class Reference(NamedTuple):
    """What the paper published: F1 by (size, task, benchmark), and the sizes that weight the means."""

    f1: Mapping[tuple[str, Task, str], float]
    sizes: Mapping[Task, Mapping[str, int]]


class _Scored(NamedTuple):
    cell: Cell
    samples: NDArray[np.float64]


def report(cells: Sequence[CellPredictions], protocol: Protocol, reference: Reference) -> Report:
    """Score every cell: by model, then by task and benchmark in the paper's order."""
    scored = [_score(cell, protocol, reference) for cell in cells]
    scored.sort(key=lambda each: _place(each.cell, reference))
    groups: dict[tuple[str, Task], list[_Scored]] = {}
    for each in scored:
        groups.setdefault((each.cell.model, each.cell.task), []).append(each)
    means = (_mean(model, task, group, reference) for (model, task), group in groups.items())
    return Report(
        protocol=protocol,
        cells=tuple(each.cell for each in scored),
        means=tuple(mean for mean in means if mean is not None),
    )


def paper_size(model: str) -> str | None:
    """`1B`, `3B` or `8B`, if the model's name has one of them."""
    found = _SIZE.search(model)
    return None if found is None else found[1].upper()


def _score(cell: CellPredictions, protocol: Protocol, reference: Reference) -> _Scored:
    # seeded by the cell's name: its interval is the same alone and among others, and cells stay independent
    seed = zlib.crc32(f"{cell.model}/{cell.task.value}/{cell.benchmark}".encode())
    samples = bootstrap(outcomes(cell.predictions, cell.task, protocol), np.random.default_rng(seed))
    scored = Cell(
        model=cell.model,
        task=cell.task,
        benchmark=cell.benchmark,
        file=str(cell.path),
        score=score(cell.predictions, cell.task, protocol, samples),
        paper_f1=reference.f1.get((paper_size(cell.model) or "", cell.task, cell.benchmark)),
    )
    return _Scored(scored, samples)


def _place(cell: Cell, reference: Reference) -> tuple[str, int, int, str]:
    benchmarks = list(reference.sizes[cell.task])
    known = cell.benchmark in benchmarks
    rank = benchmarks.index(cell.benchmark) if known else len(benchmarks)
    return cell.model, list(Task).index(cell.task), rank, cell.benchmark


def _mean(model: str, task: Task, group: Sequence[_Scored], reference: Reference) -> ModelMean | None:
    sizes = reference.sizes[task]
    mean = mean_of([Part(each.cell.benchmark, each.cell.score.f1, each.samples) for each in group], sizes)
    if mean is None:
        return None
    known = [each.cell for each in group if each.cell.benchmark in sizes]
    paper = weighted_mean([cell.paper_f1 for cell in known], [sizes[cell.benchmark] for cell in known])
    return ModelMean(model=model, task=task, paper_f1=paper, **mean._asdict())
