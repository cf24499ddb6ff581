"""From the cells of one task to their mean, weighted as the paper weights it and unweighted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from guardreasoner.metrics import Interval, interval, weighted_mean
from guardreasoner.types import Record, Task


class Mean(Record):
    """F1 over the cells of one task; `missing` are the published benchmarks that have no cell here.

    `f1` is weighted by the published sizes, `unweighted_f1` lets a set of 100 rows speak as loudly as one of 3,000.
    """

    task: Task
    cells: tuple[str, ...]
    missing: tuple[str, ...]
    f1: float | None
    f1_interval: Interval | None
    unweighted_f1: float | None
    unweighted_f1_interval: Interval | None


class Part(NamedTuple):
    """One cell of a mean; `samples` is the bootstrap of its figure, drawn independently of the other cells'."""

    benchmark: str
    value: float | None
    samples: NDArray[np.float64]


class MeanFigures(NamedTuple):
    """What `mean_of` finds: the fields of `Mean` but its task."""

    cells: tuple[str, ...]
    missing: tuple[str, ...]
    f1: float | None
    f1_interval: Interval | None
    unweighted_f1: float | None
    unweighted_f1_interval: Interval | None


def mean_of(parts: Sequence[Part], sizes: Mapping[str, int]) -> MeanFigures | None:
    """None if none of the cells is a published benchmark: there is no weight to give it."""
    known = [part for part in parts if part.benchmark in sizes]
    if not known:
        return None
    names = tuple(part.benchmark for part in known)
    values, samples = [part.value for part in known], np.stack([part.samples for part in known])
    weights, equal = [sizes[name] for name in names], [1] * len(names)
    return MeanFigures(
        cells=names,
        missing=tuple(name for name in sizes if name not in names),
        f1=weighted_mean(values, weights),
        f1_interval=interval(np.average(samples, axis=0, weights=weights)),
        unweighted_f1=weighted_mean(values, equal),
        unweighted_f1_interval=interval(np.average(samples, axis=0, weights=equal)),
    )
