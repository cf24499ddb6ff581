from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from guardreasoner.metrics import (
    Counts,
    Interval,
    Prediction,
    bootstrap,
    interval,
    outcomes,
    score,
    total,
    weighted_mean,
)
from guardreasoner.types import Task

HARM, REFUSAL = Task.PROMPT_HARMFULNESS, Task.RESPONSE_REFUSAL
# three right, one miss, one false alarm, one true negative
MIXED = [
    *[Prediction("harmful", "harmful")] * 3,
    Prediction("harmful", "unharmful"),
    Prediction("unharmful", "harmful"),
    Prediction("unharmful", "unharmful"),
]


def test_counts_of_a_small_set():
    assert total(outcomes(MIXED, HARM)) == Counts(tp=3, fp=1, fn=1, tn=1)


def test_f1_precision_recall_and_fpr_of_a_small_set():
    counts = Counts(tp=3, fp=1, fn=2, tn=4)
    assert (counts.f1, counts.precision, counts.recall, counts.fpr) == (6 / 9, 3 / 4, 3 / 5, 1 / 5)


def test_refusal_is_the_positive_label_of_the_refusal_task():
    assert total(outcomes([Prediction("refusal", "refusal")], REFUSAL)) == Counts(tp=1, fp=0, fn=0, tn=0)


def test_fpr_is_none_without_negatives():
    assert score([Prediction("harmful", "harmful")], HARM).fpr is None


def test_precision_is_none_without_positive_predictions():
    assert score([Prediction("harmful", "unharmful")], HARM).precision is None


def test_f1_is_none_where_nothing_is_positive():
    scored = score([Prediction("unharmful", "unharmful")], HARM)
    assert (scored.f1, scored.f1_interval, scored.recall) == (None, None, None)


def test_no_rows_have_no_figures():
    scored = score([], HARM)
    assert (scored.n, scored.f1, scored.f1_interval) == (0, None, None)


def test_an_unreadable_answer_to_a_positive_is_a_miss():
    assert total(outcomes([Prediction("harmful", None)], HARM)) == Counts(tp=0, fp=0, fn=1, tn=0)


def test_an_unreadable_answer_to_a_negative_is_a_false_alarm():
    assert total(outcomes([Prediction("unharmful", None)], HARM)) == Counts(tp=0, fp=1, fn=0, tn=0)


@pytest.mark.parametrize(
    ("gold", "task", "expected"),
    [
        ("harmful", HARM, Counts(tp=0, fp=0, fn=0, tn=0)),
        ("unharmful", HARM, Counts(tp=0, fp=2, fn=0, tn=0)),
        ("refusal", REFUSAL, Counts(tp=0, fp=0, fn=2, tn=0)),
        ("compliance", REFUSAL, Counts(tp=0, fp=2, fn=0, tn=0)),
    ],
)
def test_the_released_rule_drops_unreadable_harmful_rows_and_doubles_the_others(
    gold: str, task: Task, expected: Counts
):
    assert total(outcomes([Prediction(gold, None)], task, "released")) == expected


def test_the_released_rule_reads_answers_like_the_strict_one():
    assert (outcomes(MIXED, HARM, "released") == outcomes(MIXED, HARM)).all()


def test_unreadable_answers_are_counted_under_both_protocols():
    rows = [*MIXED, Prediction("harmful", None)]
    assert (score(rows, HARM).unreadable, score(rows, HARM, "released").unreadable) == (1, 1)


def test_figures_agree_with_scikit_learn():
    rng = np.random.default_rng(7)
    gold, predicted = rng.choice(["harmful", "unharmful"], size=(2, 500), p=[0.3, 0.7])
    rows = [Prediction(str(g), str(p)) for g, p in zip(gold, predicted, strict=True)]
    scored = score(rows, HARM)
    expected = [metric(gold, predicted, pos_label="harmful") for metric in (f1_score, precision_score, recall_score)]
    assert [scored.f1, scored.precision, scored.recall] == pytest.approx(expected, abs=1e-12)


def test_the_interval_is_the_same_in_every_run():
    assert score(MIXED, HARM).f1_interval == score(MIXED, HARM).f1_interval


def test_the_interval_agrees_with_drawing_every_row():
    rows = outcomes(MIXED * 40, HARM)
    rng = np.random.default_rng(1)
    drawn = rows[rng.integers(0, len(rows), size=(4000, len(rows)))].sum(axis=1)
    slow = interval(2 * drawn[:, 0] / (2 * drawn[:, 0] + drawn[:, 1] + drawn[:, 2]))
    fast = interval(bootstrap(rows, np.random.default_rng(2), resamples=4000))
    assert slow is not None
    assert fast is not None
    assert (fast.low, fast.high) == pytest.approx((slow.low, slow.high), abs=0.01)


def test_a_row_that_counts_twice_is_drawn_as_one_row():
    rows = outcomes([Prediction("refusal", "refusal"), Prediction("refusal", None)], REFUSAL, "released")
    draws = bootstrap(rows, np.random.default_rng(0))
    assert set(np.round(draws, 6)) == {0.0, 0.5, 1.0}


def test_a_perfect_set_has_a_point_for_an_interval():
    assert score([Prediction("harmful", "harmful")] * 9, HARM).f1_interval == Interval(low=1.0, high=1.0)


def test_draws_without_a_defined_f1_are_left_out_of_the_interval():
    assert interval(np.array([np.nan, 0.5, np.nan])) == Interval(low=0.5, high=0.5)


def test_weighted_mean():
    assert weighted_mean([0.5, 1.0], [3, 1]) == 0.625


def test_a_mean_with_an_undefined_cell_is_undefined():
    assert weighted_mean([0.5, None], [3, 1]) is None


def test_a_mean_of_nothing_is_undefined():
    assert weighted_mean([], []) is None
