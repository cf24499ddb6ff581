"""All figures of a cell: what rows without an answer do to them, and their bootstrap against drawing every row."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_curve

from guardreasoner.metrics import (
    Interval,
    Prediction,
    bootstrap,
    bootstrap_curves,
    f1_samples,
    graded,
    outcomes,
    ranked,
    score,
)
from guardreasoner.types import Task

HARM, REFUSAL = Task.PROMPT_HARMFULNESS, Task.RESPONSE_REFUSAL
HIT, QUIET = Prediction("harmful", "harmful", 0.9), Prediction("unharmful", "unharmful", 0.2)
MISSED, ALARM = Prediction("harmful", None), Prediction("unharmful", None)


def test_a_cell_with_scores_has_the_figures_that_need_them() -> None:
    found = score([HIT, QUIET], HARM)
    assert (found.auprc, found.tpr_at_1_fpr, found.tpr_at_5_fpr, found.ece) == (1.0, 1.0, 1.0, pytest.approx(0.15))


def test_a_cell_without_scores_has_none_of_them() -> None:
    found = score([Prediction("harmful", "harmful"), Prediction("unharmful", "harmful")], HARM)
    assert (found.auprc, found.auprc_interval, found.tpr_at_1_fpr, found.ece) == (None, None, None, None)


def test_an_answer_without_a_score_among_others_leaves_no_figure_over_the_rest() -> None:
    assert score([HIT, QUIET, Prediction("harmful", "harmful")], HARM).auprc is None


def test_an_unreadable_positive_stands_below_every_row() -> None:
    assert score([HIT, QUIET, MISSED], HARM).auprc == pytest.approx(1 / 2 + 1 / 2 * 2 / 3)


def test_an_unreadable_negative_stands_above_every_row() -> None:
    found = score([HIT, QUIET, ALARM], HARM)
    assert (found.auprc, found.tpr_at_5_fpr) == (0.5, 0.0)


def test_calibration_is_over_the_rows_that_have_a_score() -> None:
    assert score([HIT, QUIET, MISSED, ALARM], HARM).ece == pytest.approx(0.15)


def test_the_released_rule_drops_unreadable_harmful_rows_from_curves_and_doubles_the_others() -> None:
    assert score([HIT, QUIET, MISSED], HARM, "released").auprc == 1.0
    assert score([HIT, QUIET, ALARM], HARM, "released").auprc == pytest.approx(1 / 3)


def test_refused_and_unreadable_answers_are_counted_apart() -> None:
    found = score([HIT, MISSED, Prediction("harmful", None, refused=True)], HARM)
    assert (found.unreadable, found.refused, found.unanswered_positive, found.counts.fn) == (1, 1, 2, 2)


def test_without_negatives_there_is_no_rate_and_no_interval_of_it() -> None:
    found = score([HIT, HIT], HARM)
    assert (found.auprc, found.tpr_at_1_fpr, found.tpr_at_1_fpr_interval) == (1.0, None, None)


def test_only_unanswered_rows_have_no_curve() -> None:
    assert (ranked([MISSED, ALARM], HARM), [len(each) for each in graded([MISSED], HARM)]) == (None, [0, 0])


def test_a_perfect_ranking_has_a_point_for_an_interval() -> None:
    assert score([HIT, QUIET] * 20, HARM).auprc_interval == Interval(low=1.0, high=1.0)


@pytest.mark.parametrize("decimals", [1, 12])
@pytest.mark.parametrize("doubled", [False, True])
def test_every_draw_agrees_with_scikit_learn_on_its_rows(decimals: int, doubled: bool) -> None:
    rng = np.random.default_rng(5)
    gold = rng.random(300) < 0.3
    scores = np.round(np.clip(rng.normal(0.4 + 0.2 * gold, 0.2), 0, 1), decimals)
    times = np.where(np.arange(300) % 7 == 0, 2, 1) if doubled else None
    found = bootstrap_curves(gold, scores, (0.05,), np.random.default_rng(9), 3, times)
    index = np.random.default_rng(9).integers(0, 300, size=(3, 300))  # the same draws, of rows sorted by falling score
    order = np.argsort(-scores, kind="stable")
    for draw in range(3):
        rows = order[index[draw]]
        rows = rows if times is None else np.repeat(rows, times[rows])
        fprs, tprs, _ = roc_curve(gold[rows], scores[rows], drop_intermediate=False)
        assert found.auprc[draw] == pytest.approx(average_precision_score(gold[rows], scores[rows]), abs=1e-12)
        assert found.tpr[0, draw] == pytest.approx(tprs[fprs <= 0.05].max(), abs=1e-12)


def test_more_rows_than_fit_a_chunk_are_drawn_one_draw_at_a_time() -> None:
    gold, scores = np.arange(140_000) % 3 == 0, np.linspace(1, 0, 140_000)
    found = bootstrap_curves(gold, scores, (0.05,), np.random.default_rng(0), 3)
    assert [*found.auprc, *found.tpr[0]] == pytest.approx([1 / 3] * 3 + [0.05] * 3, abs=0.01)


def test_draws_without_positives_are_undefined() -> None:
    found = bootstrap_curves(np.array([True, False]), np.array([0.9, 0.1]), (0.05,), np.random.default_rng(0), 200)
    assert 0.15 < np.isnan(found.auprc).mean() < 0.35  # one in four
    assert np.nanmin(found.auprc) == 1.0


def test_no_rows_have_no_draws() -> None:
    nothing = np.zeros(0)
    found = bootstrap_curves(nothing.astype(np.bool_), nothing, (0.05,), np.random.default_rng(0), 4)
    assert np.isnan(found.auprc).all()
    assert np.isnan(found.tpr).all()


@pytest.mark.parametrize("task", [HARM, REFUSAL])
@pytest.mark.parametrize("protocol", ["strict", "released"])
def test_the_bootstrap_of_f1_can_be_drawn_from_the_counts_alone(task: Task, protocol: str) -> None:
    positive, negative = task.labels
    shares = {(positive, positive): 30, (positive, negative): 11, (positive, None): 9}
    shares |= {(negative, positive): 7, (negative, negative): 40, (negative, None): 5}
    rows = [Prediction(*pair) for pair, count in shares.items() for _ in range(count)]
    whole = bootstrap(outcomes(rows, task, protocol), np.random.default_rng(1))  # pyright: ignore
    found = f1_samples(score(rows, task, protocol), task, protocol, np.random.default_rng(2))  # pyright: ignore
    assert [found.mean(), found.std()] == pytest.approx([whole.mean(), whole.std()], abs=0.005)
