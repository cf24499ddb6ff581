"""From ranked rows to the bootstrap of AUPRC and of recall at a false-positive rate.

The rows are sorted once. A draw with replacement is then a weight per row, and a figure of that draw is read off two
running sums over the sorted weights; many draws at once as long as they fit a core's cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from guardreasoner.metrics.counts import RESAMPLES
from guardreasoner.metrics.curves import Ranking, most_alarms, rank

_AT_ONCE = 1 << 17  # weights; 1 MB each of draws, counts and two sums


class CurveSamples(NamedTuple):
    """A figure per draw, NaN where it is undefined. `tpr`: shape [rates, draws]."""

    auprc: NDArray[np.float64]
    tpr: NDArray[np.float64]


def bootstrap_curves(
    gold: NDArray[np.bool_],
    scores: NDArray[np.float64],
    rates: Sequence[float],
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
    times: NDArray[np.int64] | None = None,
) -> CurveSamples:
    """Average precision and recall at each of `rates` in `resamples` draws of the rows.

    `times`: how often a row counts when it is drawn; None = once.
    """
    ranking = rank(gold, scores)
    weights = None if times is None or (times == 1).all() else times[ranking.order]
    samples = CurveSamples(np.full(resamples, np.nan), np.full((len(rates), resamples), np.nan))
    rows = len(gold)
    step = max(1, _AT_ONCE // max(1, rows))
    for start in range(0, resamples if rows else 0, step):
        draws = min(step, resamples - start)
        drawn = _draw(rows, draws, rng)
        areas, tprs = _figures(ranking, drawn if weights is None else drawn * weights, rates)
        samples.auprc[start : start + draws] = areas
        samples.tpr[:, start : start + draws] = tprs
    return samples


def _draw(rows: int, draws: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """How often each row is in each draw; shape [draws, rows]. Rows are exchangeable, so sorted ones may be drawn."""
    index = rng.integers(0, rows, size=(draws, rows))
    index += rows * np.arange(draws)[:, None]
    return np.bincount(index.ravel(), minlength=draws * rows).reshape(draws, rows)


def _figures(
    ranking: Ranking, drawn: NDArray[np.int64], rates: Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    hits = drawn * ranking.gold
    flagged, caught = np.cumsum(drawn, axis=1), np.cumsum(hits, axis=1)
    if len(ranking.ends) < drawn.shape[1]:  # rows of equal score are flagged together
        flagged, caught = flagged[:, ranking.ends], caught[:, ranking.ends]
        hits = np.diff(caught, axis=1, prepend=0)
    positives = caught[:, -1]
    negatives = flagged[:, -1] - positives
    # where a step catches nothing its precision has no weight, and where none is flagged yet none is caught
    steps = np.einsum("ij,ij->i", hits, caught / np.maximum(flagged, 1))
    areas = np.divide(steps, positives, out=np.full(len(drawn), np.nan), where=positives > 0)
    tprs = np.full((len(rates), len(drawn)), np.nan)
    for draw in np.flatnonzero((positives > 0) & (negatives > 0)):
        alarms = flagged[draw] - caught[draw]
        limits = [most_alarms(int(negatives[draw]), rate) for rate in rates]
        allowed = np.searchsorted(alarms, limits, side="right")
        tprs[:, draw] = np.where(allowed > 0, caught[draw][allowed - 1], 0) / positives[draw]
    return areas, tprs
