"""From two guards' answers to the same rows to the difference between them: bootstrap of F1, McNemar, Holm."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from guardreasoner.metrics.counts import RESAMPLES, Interval, f1_of, interval
from guardreasoner.types import Record


class PairedDifference(Record):
    """F1 of B minus F1 of A on the same rows. `p`: two-sided, of no difference."""

    difference: float | None
    interval: Interval | None
    p: float | None


class McNemar(Record):
    """Rows that one guard alone answered rightly, and the two-sided mid-p value of as many on either side."""

    only_a: int
    only_b: int
    p: float


def paired_bootstrap(
    a: NDArray[np.int64], b: NDArray[np.int64], rng: np.random.Generator, resamples: int = RESAMPLES
) -> NDArray[np.float64]:
    """F1 of A and of B on the same `resamples` draws of rows; shape [2, resamples], NaN where undefined.

    `a` and `b` are outcomes, row by row of the same samples. Rows of the same kind are interchangeable, so one
    multinomial draw over the kinds of pairs replaces drawing every row.
    """
    if len(a) != len(b):
        raise ValueError(f"{len(a)} rows and {len(b)} rows, expected outcomes of the same samples")
    if len(a) == 0:
        return np.full((2, resamples), np.nan)
    kinds, sizes = np.unique(np.hstack([a, b]), axis=0, return_counts=True)
    drawn = rng.multinomial(len(a), sizes / len(a), size=resamples) @ kinds
    return np.stack([f1_of(drawn[:, :4]), f1_of(drawn[:, 4:])])


def paired_difference(difference: float | None, samples: NDArray[np.float64]) -> PairedDifference:
    """The difference with its percentile interval and p. `samples`: the difference in each draw."""
    defined = samples[~np.isnan(samples)]
    if difference is None or len(defined) == 0:
        return PairedDifference(difference=difference, interval=None, p=None)
    # one is added to both counts: no finite number of draws shows that something is impossible
    tail = 1 + min(int(np.sum(defined <= 0)), int(np.sum(defined >= 0)))
    p = min(1.0, 2 * tail / (len(defined) + 1))
    return PairedDifference(difference=difference, interval=interval(defined), p=p)


def mcnemar(right_a: NDArray[np.bool_], right_b: NDArray[np.bool_]) -> McNemar:
    """Mid-p McNemar: right at any count, where chi-square needs many and the exact test is too careful.

    Fagerland, Lydersen and Laake, The McNemar test for binary matched-pairs data, BMC Medical Research Methodology
    13:91 (2013).
    """
    only_a, only_b = int(np.sum(right_a & ~right_b)), int(np.sum(right_b & ~right_a))
    return McNemar(only_a=only_a, only_b=only_b, p=mid_p(only_a, only_b))


def mid_p(a: int, b: int) -> float:
    """Two-sided mid-p value of `a` heads and `b` tails of a fair coin."""
    n, few = a + b, min(a, b)
    at = _share(n, few)
    if a == b:
        return 1 - at / 2 if n else 1.0
    below = math.fsum(_share(n, k) for k in range(few))
    return min(1.0, 2 * below + at)


def holm(values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction for as many tests as have a value; None stays None."""
    known = sorted((value, index) for index, value in enumerate(values) if value is not None)
    corrected: list[float | None] = [None] * len(values)
    highest = 0.0
    for rank, (value, index) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * value))
        corrected[index] = highest
    return corrected


def _share(n: int, k: int) -> float:
    """P(k heads of n); in logarithms, because 2**n overflows."""
    return math.exp(math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2))
