"""Calibration: against scikit-learn, at the edges of bins, and where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from guardreasoner.metrics import Bin, ece, reliability


def test_bins_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    scores = rng.random(500)
    gold = rng.random(500) < scores**2
    shares, means = calibration_curve(gold, scores, n_bins=10)
    found = reliability(gold, scores)
    assert [each.share_positive for each in found] == pytest.approx(list(shares), abs=1e-12)
    assert [each.mean_score for each in found] == pytest.approx(list(means), abs=1e-12)


def test_a_bin() -> None:
    assert reliability(np.array([True, False]), np.array([0.62, 0.68])) == [
        Bin(low=0.6, high=0.7, mean_score=0.65, share_positive=0.5, count=2)
    ]


def test_error_of_two_bins_is_weighted_by_their_rows() -> None:
    gold, scores = np.array([True, True, True, False]), np.array([0.9, 0.9, 0.9, 0.4])
    assert ece(gold, scores) == pytest.approx(3 / 4 * 0.1 + 1 / 4 * 0.4)


@pytest.mark.parametrize(("score", "low"), [(0.0, 0.0), (0.1, 0.1), (0.3, 0.3), (0.6, 0.6), (0.7, 0.7), (1.0, 0.9)])
def test_a_score_on_an_edge_belongs_to_the_bin_above_and_one_to_the_last(score: float, low: float) -> None:
    assert [each.low for each in reliability(np.array([True]), np.array([score]))] == [low]


def test_a_score_that_says_the_share_has_no_error() -> None:
    assert ece(np.array([True, False]), np.array([0.5, 0.5])) == 0.0


def test_without_positives_the_error_is_the_mean_score() -> None:
    assert ece(np.array([False, False]), np.array([0.25, 0.25])) == 0.25


def test_no_rows_have_no_error() -> None:
    assert (ece(np.zeros(0, dtype=np.bool_), np.zeros(0)), reliability(np.zeros(0, dtype=np.bool_), np.zeros(0))) == (
        None,
        [],
    )


@pytest.mark.parametrize("score", [-0.1, 1.1, np.nan, np.inf])
def test_a_score_that_is_no_probability_is_an_error(score: float) -> None:
    with pytest.raises(ValueError, match="a score lies outside 0 to 1"):
        ece(np.array([True]), np.array([score]))
