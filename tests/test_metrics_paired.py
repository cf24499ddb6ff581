"""Differences between two guards on the same rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from guardreasoner.metrics import (
    Interval,
    Prediction,
    holm,
    interval,
    mcnemar,
    outcomes,
    paired_bootstrap,
    paired_difference,
)
from guardreasoner.metrics.paired import mid_p
from guardreasoner.types import Task

HARM = Task.PROMPT_HARMFULNESS


def rows(gold: str, predicted: str) -> list[Prediction]:
    words = {"h": "harmful", "u": "unharmful"}
    return [Prediction(words[g], words.get(p)) for g, p in zip(gold, predicted, strict=True)]


A = outcomes(rows("hhhhuuuu" * 20, "hhhuuuuh" * 20), HARM)
B = outcomes(rows("hhhhuuuu" * 20, "hhhhuuhh" * 20), HARM)


def test_paired_draws_agree_with_drawing_every_row() -> None:
    rng = np.random.default_rng(1)
    index = rng.integers(0, len(A), size=(4000, len(A)))
    drawn = [each[index].sum(axis=1) for each in (A, B)]
    f1 = [2 * each[:, 0] / (2 * each[:, 0] + each[:, 1] + each[:, 2]) for each in drawn]
    slow, fast = f1[1] - f1[0], np.subtract(*paired_bootstrap(A, B, np.random.default_rng(2), 4000)[::-1])
    assert [fast.mean(), fast.std()] == pytest.approx([slow.mean(), slow.std()], abs=0.003)
    expected, found = interval(slow), interval(fast)
    assert expected is not None
    assert found is not None
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.012)


def test_a_guard_does_not_differ_from_itself() -> None:
    a, b = paired_bootstrap(A, A, np.random.default_rng(0))
    found = paired_difference(0.0, b - a)
    assert (found.difference, found.interval, found.p) == (0.0, Interval(low=0.0, high=0.0), 1.0)


def test_a_difference_in_every_draw_has_the_smallest_p_that_the_draws_allow() -> None:
    assert paired_difference(0.2, np.full(999, 0.2)).p == 0.002


def test_p_counts_the_draws_on_the_other_side_twice() -> None:
    assert paired_difference(0.1, np.array([0.1] * 90 + [-0.1] * 9)).p == 0.2


def test_an_undefined_difference_has_no_interval() -> None:
    found = paired_difference(None, np.full(10, np.nan))
    assert (found.difference, found.interval, found.p) == (None, None, None)


def test_no_rows_have_no_draws() -> None:
    assert np.isnan(paired_bootstrap(A[:0], B[:0], np.random.default_rng(0), 5)).all()


def test_rows_of_different_samples_are_an_error() -> None:
    with pytest.raises(ValueError, match="160 rows and 159 rows"):
        paired_bootstrap(A, B[1:], np.random.default_rng(0))


def test_mcnemar_counts_the_rows_that_one_guard_alone_has_right() -> None:
    found = mcnemar(np.array([True, True, True, False]), np.array([True, False, False, True]))
    assert (found.only_a, found.only_b, found.p) == (2, 1, pytest.approx(0.625))  # 2 * 1/8 + 3/8


def test_mid_p_of_a_published_example() -> None:
    # Fagerland et al. 2013, airway hyper-responsiveness: 1 and 7 discordant pairs, exact 0.0703, mid-p 0.039
    assert mid_p(1, 7) == pytest.approx(0.0390625, abs=1e-12)


@pytest.mark.parametrize(("a", "b"), [(0, 3), (2, 9), (40, 61), (700, 812), (3000, 3100)])
def test_mid_p_agrees_with_scipy(a: int, b: int) -> None:
    few, n = min(a, b), a + b
    expected = 2 * binom.cdf(few, n, 0.5) - binom.pmf(few, n, 0.5)
    assert mid_p(a, b) == pytest.approx(expected, rel=1e-9)


def test_mid_p_of_equal_counts_takes_half_of_their_probability_away() -> None:
    assert mid_p(1, 1) == pytest.approx(0.75)


def test_mid_p_without_discordant_rows_is_one() -> None:
    assert mid_p(0, 0) == 1.0


def test_holm_multiplies_by_the_tests_that_are_left_and_never_falls() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_holm_stops_at_one_and_leaves_out_what_has_no_value() -> None:
    assert holm([None, 0.7, 0.2]) == [None, 0.7, 0.4]
