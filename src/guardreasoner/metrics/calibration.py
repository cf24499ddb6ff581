"""From gold and scores to how far P(positive) can be taken at its word."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from guardreasoner.types import Record


class Bin(Record):
    """The rows with `low` <= score < `high`; the last bin includes 1."""

    low: float
    high: float
    mean_score: float
    share_positive: float
    count: int


def reliability(gold: NDArray[np.bool_], scores: NDArray[np.float64], bins: int = 10) -> list[Bin]:
    """Bins of equal width in rising order; those that hold no row are left out."""
    if len(gold) != len(scores):
        raise ValueError(f"{len(gold)} labels and {len(scores)} scores, expected as many of both")
    if not np.all((scores >= 0) & (scores <= 1)):  # also false for NaN
        raise ValueError("a score lies outside 0 to 1, expected P(positive) for every row")
    edges = np.arange(bins + 1) / bins
    index = np.minimum(np.searchsorted(edges, scores, side="right") - 1, bins - 1)
    counts = np.bincount(index, minlength=bins)
    means = np.bincount(index, weights=scores, minlength=bins) / np.maximum(counts, 1)
    shares = np.bincount(index, weights=gold, minlength=bins) / np.maximum(counts, 1)
    return [
        Bin(
            low=float(edges[each]),
            high=float(edges[each + 1]),
            mean_score=float(means[each]),
            share_positive=float(shares[each]),
            count=int(counts[each]),
        )
        for each in np.flatnonzero(counts)
    ]


def ece(gold: NDArray[np.bool_], scores: NDArray[np.float64], bins: int = 10) -> float | None:
    """Expected calibration error of P(positive): the bins' gap of mean score and share, weighted by count.

    None without rows. It is the error of the score, not of the confidence in the label given.
    """
    found = reliability(gold, scores, bins)
    if not found:
        return None
    return sum(each.count * abs(each.share_positive - each.mean_score) for each in found) / len(gold)
