"""From gold and scores to the precision-recall curve, its area, and the recall that a false-positive rate allows.

A row is flagged where its score is at or above the threshold, so rows of equal score are flagged together: their order
in the file changes no figure. An infinite score is a rank like any other; NaN is none.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Curve(NamedTuple):
    """One point per distinct score, from the highest to the lowest: recall never falls along it."""

    thresholds: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]


class Ranking(NamedTuple):
    """Rows by falling score. `ends`: index of the last row of each group of equal scores."""

    order: NDArray[np.intp]
    gold: NDArray[np.bool_]
    ends: NDArray[np.intp]


def rank(gold: NDArray[np.bool_], scores: NDArray[np.float64]) -> Ranking:
    """Sort once; every figure and every draw of a bootstrap is read off the result."""
    if len(gold) != len(scores):
        raise ValueError(f"{len(gold)} labels and {len(scores)} scores, expected as many of both")
    if np.isnan(scores).any():
        raise ValueError("a score is NaN, expected a number for every row")
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) if len(ranked) else np.zeros(0, dtype=np.intp)
    return Ranking(order, gold[order], ends)


def precision_recall(gold: NDArray[np.bool_], scores: NDArray[np.float64]) -> Curve:
    """The whole curve; empty without positives, where recall is undefined."""
    ranking = rank(gold, scores)
    caught = np.cumsum(ranking.gold)[ranking.ends]
    if len(caught) == 0 or caught[-1] == 0:
        nothing = np.zeros(0)
        return Curve(nothing, nothing, nothing)
    return Curve(scores[ranking.order][ranking.ends], caught / (ranking.ends + 1), caught / caught[-1])


def auprc(gold: NDArray[np.bool_], scores: NDArray[np.float64]) -> float | None:
    """Average precision: the sum of precision times the step in recall. None without positives."""
    curve = precision_recall(gold, scores)
    if len(curve.recall) == 0:
        return None
    return float(np.sum(np.diff(curve.recall, prepend=0.0) * curve.precision))


def tpr_at_fpr(gold: NDArray[np.bool_], scores: NDArray[np.float64], fpr: float) -> float | None:
    """The highest recall of any threshold whose false-positive rate is at most `fpr`; nothing is interpolated.

    0 where even the highest score raises too many false alarms; None without positives or without negatives.
    """
    if not 0 <= fpr <= 1:
        raise ValueError(f"a false-positive rate of {fpr}, expected one from 0 to 1")
    ranking = rank(gold, scores)
    positives = int(np.count_nonzero(gold))
    negatives = len(gold) - positives
    if not positives or not negatives:
        return None
    caught = np.cumsum(ranking.gold)[ranking.ends]
    alarms = ranking.ends + 1 - caught
    allowed = np.searchsorted(alarms, most_alarms(negatives, fpr), side="right")
    return float(caught[allowed - 1] / positives) if allowed else 0.0


def most_alarms(negatives: int, fpr: float) -> int:
    """The largest count whose share of `negatives` is at most `fpr`; divided, because a product may round down."""
    count = int(fpr * negatives)
    return count + 1 if (count + 1) / negatives <= fpr else count
