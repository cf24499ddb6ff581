"""From paired predictions to how two guards differ, cell by cell and in the mean of each task."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from guardreasoner.metrics import (
    McNemar,
    PairedDifference,
    Prediction,
    Protocol,
    holm,
    mcnemar,
    outcomes,
    paired_bootstrap,
    paired_difference,
    total,
)
from guardreasoner.report.means import Part, mean_of
from guardreasoner.report.pairing import Pair, Paired
from guardreasoner.types import Mode, Record, Task


class ComparedCell(Record):
    """Two guards on the rows of one benchmark and task that both judged. The difference is F1 of B minus F1 of A.

    `only_a` and `only_b` are rows that only one side has; they are in no figure. `p_holm`: the p of `mcnemar`, and
    `difference_p_holm` that of `difference`, corrected over all cells of the comparison.
    """

    benchmark: str
    task: Task
    mode_a: Mode | None
    mode_b: Mode | None
    n: int
    only_a: int
    only_b: int
    unanswered_a: int
    unanswered_b: int
    f1_a: float | None
    f1_b: float | None
    difference: PairedDifference
    difference_p_holm: float | None = None
    mcnemar: McNemar
    p_holm: float | None = None


class ComparedMean(Record):
    """Over the cells of one task, weighted by the published sizes."""

    task: Task
    mode_a: Mode | None
    mode_b: Mode | None
    cells: tuple[str, ...]
    missing: tuple[str, ...]
    f1_a: float | None
    f1_b: float | None
    difference: PairedDifference


class Comparison(Record):
    """All of it. Figures are fractions; `cells_only_a` and `cells_only_b` have no counterpart."""

    a: str
    b: str
    protocol: Protocol
    cells: tuple[ComparedCell, ...]
    means: tuple[ComparedMean, ...]
    cells_only_a: tuple[str, ...]
    cells_only_b: tuple[str, ...]


class _Compared(NamedTuple):
    cell: ComparedCell
    samples: NDArray[np.float64]


def compare(
    a: str, b: str, paired: Paired, sizes: Mapping[Task, Mapping[str, int]], protocol: Protocol = "strict"
) -> Comparison:
    """The figures of guard `a` and guard `b`. `sizes`: rows of each benchmark as published, which weight the means."""
    compared = [_compare(pair, protocol) for pair in sorted(paired.pairs, key=lambda pair: _place(pair, sizes))]
    corrected = holm([each.cell.mcnemar.p for each in compared])
    differences = holm([each.cell.difference.p for each in compared])
    cells = [
        each.cell.model_copy(update={"p_holm": p, "difference_p_holm": other})
        for each, p, other in zip(compared, corrected, differences, strict=True)
    ]
    groups: dict[tuple[Task, Mode | None, Mode | None], list[_Compared]] = {}
    for each in compared:
        groups.setdefault((each.cell.task, each.cell.mode_a, each.cell.mode_b), []).append(each)
    means = (_mean(group, sizes[task]) for (task, _, _), group in groups.items())
    return Comparison(
        a=a,
        b=b,
        protocol=protocol,
        cells=tuple(cells),
        means=tuple(mean for mean in means if mean is not None),
        cells_only_a=paired.only_a,
        cells_only_b=paired.only_b,
    )


def _compare(pair: Pair, protocol: Protocol) -> _Compared:
    a, b = outcomes(pair.a, pair.task, protocol), outcomes(pair.b, pair.task, protocol)
    # seeded by the cell's name, so that cells are drawn independently of each other
    rng = np.random.default_rng(zlib.crc32(f"{pair.task.value}/{pair.benchmark}".encode()))
    samples = paired_bootstrap(a, b, rng)
    f1_a, f1_b = total(a).f1, total(b).f1
    cell = ComparedCell(
        benchmark=pair.benchmark,
        task=pair.task,
        mode_a=pair.modes[0],
        mode_b=pair.modes[1],
        n=len(pair.a),
        only_a=pair.only_a,
        only_b=pair.only_b,
        unanswered_a=sum(row.predicted is None for row in pair.a),
        unanswered_b=sum(row.predicted is None for row in pair.b),
        f1_a=f1_a,
        f1_b=f1_b,
        difference=paired_difference(_minus(f1_b, f1_a), samples[1] - samples[0]),
        mcnemar=mcnemar(_right(pair.a), _right(pair.b)),
    )
    return _Compared(cell, samples)


def _mean(group: Sequence[_Compared], sizes: Mapping[str, int]) -> ComparedMean | None:
    """None if none of the cells is a published benchmark."""
    first = group[0].cell
    a = mean_of([Part(each.cell.benchmark, each.cell.f1_a, each.samples[0]) for each in group], sizes)
    b = mean_of([Part(each.cell.benchmark, each.cell.f1_b, each.samples[1]) for each in group], sizes)
    if a is None or b is None:
        return None
    known = [each for each in group if each.cell.benchmark in sizes]
    differences = np.stack([each.samples[1] - each.samples[0] for each in known])
    samples = np.average(differences, axis=0, weights=[sizes[each.cell.benchmark] for each in known])
    return ComparedMean(
        task=first.task,
        mode_a=first.mode_a,
        mode_b=first.mode_b,
        cells=a.cells,
        missing=a.missing,
        f1_a=a.f1,
        f1_b=b.f1,
        difference=paired_difference(_minus(b.f1, a.f1), samples),
    )


def _right(predictions: Sequence[Prediction]) -> NDArray[np.bool_]:
    """Whether each answer is the gold label; a row without one is wrong."""
    return np.array([row.predicted == row.gold for row in predictions], dtype=np.bool_)


def _minus(b: float | None, a: float | None) -> float | None:
    return None if a is None or b is None else b - a


def _place(pair: Pair, sizes: Mapping[Task, Mapping[str, int]]) -> tuple[int, int, str]:
    names = list(sizes[pair.task])
    rank = names.index(pair.benchmark) if pair.benchmark in names else len(names)
    return list(Task).index(pair.task), rank, pair.benchmark
