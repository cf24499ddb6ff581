"""Curves: against scikit-learn, and where they have no answer."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_curve

from guardreasoner.metrics import auprc, precision_recall, tpr_at_fpr


def drawn(seed: int, n: int = 400, decimals: int = 2) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Scores that say something about gold, with many ties."""
    rng = np.random.default_rng(seed)
    gold = rng.random(n) < 0.3
    return gold, np.round(np.clip(rng.normal(0.4 + 0.2 * gold, 0.2), 0, 1), decimals)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("decimals", [1, 2, 12])
def test_area_agrees_with_scikit_learn(seed: int, decimals: int) -> None:
    gold, scores = drawn(seed, decimals=decimals)
    assert auprc(gold, scores) == pytest.approx(average_precision_score(gold, scores), abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_curve_agrees_with_scikit_learn(seed: int) -> None:
    gold, scores = drawn(seed)
    curve = precision_recall(gold, scores)
    precision, recall, thresholds = precision_recall_curve(gold, scores)  # rising thresholds, one point too many
    assert np.allclose(curve.thresholds[::-1], thresholds, atol=0)
    assert np.allclose(curve.precision[::-1], precision[:-1], atol=1e-15)
    assert np.allclose(curve.recall[::-1], recall[:-1], atol=1e-15)


@pytest.mark.parametrize("fpr", [0.0, 0.01, 0.05, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_recall_at_a_false_positive_rate_agrees_with_scikit_learn(seed: int, fpr: float) -> None:
    gold, scores = drawn(seed)
    fprs, tprs, _ = roc_curve(gold, scores, drop_intermediate=False)
    assert tpr_at_fpr(gold, scores, fpr) == pytest.approx(tprs[fprs <= fpr].max(), abs=1e-15)


def test_a_small_curve() -> None:
    curve = precision_recall(np.array([True, False, True, False]), np.array([0.9, 0.8, 0.8, 0.1]))
    assert [list(each) for each in curve] == [[0.9, 0.8, 0.1], [1.0, 2 / 3, 0.5], [0.5, 1.0, 1.0]]


def test_the_order_of_rows_with_equal_scores_changes_nothing() -> None:
    scores = np.full(4, 0.5)
    assert auprc(np.array([True, False, False, False]), scores) == auprc(np.array([False] * 3 + [True]), scores) == 0.25


def test_nothing_is_caught_at_a_low_rate_where_all_scores_are_equal() -> None:
    assert tpr_at_fpr(np.array([True, False]), np.array([0.5, 0.5]), 0.05) == 0.0


def test_a_rate_is_allowed_up_to_its_last_false_alarm() -> None:
    gold = np.arange(101) == 1  # 100 negatives, one of them above the positive
    assert tpr_at_fpr(gold, -np.arange(101.0), 0.01) == 1.0
    assert tpr_at_fpr(gold, -np.arange(101.0), 0.009) == 0.0


@pytest.mark.parametrize("negatives", [29, 100, 700, 2900, 4300])
def test_a_share_that_is_exactly_the_rate_is_allowed(negatives: int) -> None:
    alarms = 7 * negatives // 100
    gold = np.arange(negatives + 1) == alarms  # so many negatives come before the one positive
    assert tpr_at_fpr(gold, -np.arange(negatives + 1.0), alarms / negatives) == 1.0


def test_without_positives_there_is_no_figure() -> None:
    gold, scores = np.zeros(3, dtype=np.bool_), np.array([0.1, 0.2, 0.3])
    curve = precision_recall(gold, scores)
    assert (auprc(gold, scores), tpr_at_fpr(gold, scores, 0.05), len(curve.recall)) == (None, None, 0)


def test_without_negatives_precision_is_one_and_no_rate_exists() -> None:
    gold, scores = np.ones(3, dtype=np.bool_), np.array([0.1, 0.2, 0.3])
    assert (auprc(gold, scores), tpr_at_fpr(gold, scores, 0.05)) == (1.0, None)


def test_no_rows_have_no_curve() -> None:
    nothing = np.zeros(0)
    assert (auprc(nothing.astype(np.bool_), nothing), tpr_at_fpr(nothing.astype(np.bool_), nothing, 0.01)) == (
        None,
        None,
    )


def test_an_infinite_score_is_a_rank() -> None:
    assert auprc(np.array([True, False]), np.array([-np.inf, np.inf])) == 0.5


def test_a_score_that_is_no_number_is_an_error() -> None:
    with pytest.raises(ValueError, match="a score is NaN"):
        auprc(np.array([True]), np.array([np.nan]))


def test_a_score_for_every_label_is_expected() -> None:
    with pytest.raises(ValueError, match="2 labels and 1 scores"):
        auprc(np.array([True, False]), np.array([0.5]))


def test_a_rate_lies_between_zero_and_one() -> None:
    with pytest.raises(ValueError, match="a false-positive rate of 5"):
        tpr_at_fpr(np.array([True]), np.array([0.5]), 5)
