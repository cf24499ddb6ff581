"""The report of an evaluation: figures, Markdown, pipe, terminal."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from guardreasoner.metrics import Prediction
from guardreasoner.report.cells import Evaluation, Pace, always_positive, cell
from guardreasoner.report.cells import evaluation as with_means
from guardreasoner.report.evaluation import lines, markdown, show
from guardreasoner.stages.evaluate import write_report
from guardreasoner.types import Task


@pytest.fixture
def evaluation() -> Evaluation:
    """One hit, one false alarm, one miss, two left alone; 2 ms and four words of thought each."""
    answers = ["unharmful", "harmful", "harmful", "unharmful", "unharmful"]
    gold = ["unharmful", "harmful", "unharmful", "harmful", "unharmful"]
    found = cell(
        "ToxicChat",
        Task.PROMPT_HARMFULNESS,
        "reason",
        [Prediction(*row) for row in zip(gold, answers, strict=True)],
        seconds=0.01,
        reasoning_tokens=20,
        shortened=0,
        paper_f1={"1B": 0.7253},
        note="5 rows, expected 9",
    )
    return Evaluation(model="scripted", cells=(found,))


def test_figures_of_a_cell(evaluation: Evaluation) -> None:
    score = evaluation.cells[0].score
    assert (score.n, score.f1, score.precision, score.recall, score.fpr) == (5, 0.5, 0.5, 0.5, pytest.approx(1 / 3))


def test_seconds_are_per_thousand_checks(evaluation: Evaluation) -> None:
    assert evaluation.cells[0].seconds_per_1000 == pytest.approx(2.0)


def test_reasoning_tokens_are_per_check(evaluation: Evaluation) -> None:
    assert evaluation.cells[0].reasoning_tokens_per_check == 4.0


def test_always_positive_guard_is_right_about_the_positives_alone() -> None:
    gold = [Prediction("harmful", None), Prediction("unharmful", None), Prediction("unharmful", None)]
    assert always_positive(gold, Task.PROMPT_HARMFULNESS) == 0.5


def test_markdown_row(evaluation: Evaluation) -> None:
    assert (
        "| ToxicChat | prompt harmfulness | reason | 5 | 50.00 | 0.0-100.0 | 50.00 | 50.00 | 33.33 | 0 | 2.00 | 57.14 "
        "| 72.53 | - | - |"
    ) in markdown(evaluation)


def test_markdown_rows_have_as_many_columns_as_the_heading(evaluation: Evaluation) -> None:
    tables = [part.splitlines() for part in markdown(evaluation).split("\n\n") if part.startswith("|")]
    assert [[line.count("|") for line in table] for table in tables] == [[16] * 3, [13] * 3]


def test_difference_of_a_set_is_said(evaluation: Evaluation) -> None:
    assert list(lines(evaluation))[-1] == "# ToxicChat, prompt harmfulness, reason: 5 rows, expected 9."


def test_pipe_shows_one_line_per_cell(evaluation: Evaluation) -> None:
    assert [line.split()[0] for line in lines(evaluation) if not line.startswith("#")] == ["set", "ToxicChat"]


def test_report_is_written_as_json_and_markdown(evaluation: Evaluation, tmp_path: Path) -> None:
    write_report(tmp_path / "out", evaluation)
    kept = Evaluation.model_validate_json((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert (kept, (tmp_path / "out" / "report.md").read_text(encoding="utf-8")) == (evaluation, markdown(evaluation))


@pytest.fixture
def scored() -> Evaluation:
    """Two benchmarks of the paper, four rows each: one guard is right about both, with one refusal in the second."""
    rows = [("harmful", 0.9), ("harmful", 0.8), ("unharmful", 0.3), ("unharmful", 0.1)]
    first = [Prediction(gold, gold, score) for gold, score in rows]
    second = [*first[:3], Prediction("unharmful", None, refused=True)]
    batched = Pace(batch_size=32, checks=4, seconds=0.0025, prompt_tokens=30.0, reasoning_tokens=2.0)
    cells = [
        cell(
            name,
            Task.PROMPT_HARMFULNESS,
            "fast",
            predictions,
            seconds=0.01,
            reasoning_tokens=8,
            shortened=0,
            paper_f1=paper,
            batched=batched,
        )
        for name, predictions, paper in [("ToxicChat", first, {"1B": 0.5, "3B": 0.7}), ("Aegis", second, {"1B": 0.9})]
    ]
    return with_means("scripted", cells, {task: {"ToxicChat": 300, "Aegis": 100, "Other": 5} for task in Task})


def test_columns_that_need_scores(scored: Evaluation) -> None:
    heading, first, second = [line.split()[15:] for line in lines(scored) if not line.startswith("#")][:3]
    assert heading == ["AUPRC", "AUPRC_95_%", "TPR@1", "TPR@5", "ECE", "refused", "tokens", "ms", "batch"]
    assert first == ["100.0", "100.0-100.0", "100.0", "100.0", "17.5", "0", "2.0", "2.50", "32"]
    assert second[0] == "58.3"  # the refusal stands above every row: precision 1/2 and 2/3 at the two harmful ones
    assert second[2:] == ["0.0", "0.0", "20.0", "1", "2.0", "2.50", "32"]


def test_means_are_weighted_by_the_published_sizes_and_not(scored: Evaluation) -> None:
    (mean,) = scored.means
    assert (mean.f1, mean.unweighted_f1) == (pytest.approx((3 * 1.0 + 0.8) / 4), pytest.approx(0.9))


def test_the_papers_mean_is_over_the_same_cells_and_absent_where_one_is(scored: Evaluation) -> None:
    assert scored.means[0].paper_f1 == {"1B": pytest.approx((3 * 0.5 + 0.9) / 4)}


def test_a_mean_says_which_benchmarks_it_lacks(scored: Evaluation) -> None:
    assert list(lines(scored))[-1] == "# prompt harmfulness, fast: the means lack Other."


def test_a_refusal_is_not_counted_as_unreadable(scored: Evaluation) -> None:
    assert [(each.score.unreadable, each.score.refused) for each in scored.cells] == [(0, 0), (0, 1)]


def test_the_released_protocol_is_named_under_the_table(scored: Evaluation) -> None:
    assert "left out if gold is harmful" in markdown(scored.model_copy(update={"protocol": "released"}))


def test_terminal_table_fits_eighty_columns(evaluation: Evaluation) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, no_color=True, width=80)
    with console.capture() as shown:
        show(evaluation, console)
    row = next(line for line in shown.get().splitlines() if line.startswith("ToxicChat"))
    figures = ["5", "50.0", "0.0-100.0", "50.0", "50.0", "33.3", "0", "2.0", "57.1", "72.5", "-", "-"]
    assert re.sub(r"\x1b\[\d*m", "", row).split() == ["ToxicChat", *figures]


def test_terminal_table_of_scores_fits_eighty_columns(scored: Evaluation) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, no_color=True, width=80)
    with console.capture() as shown:
        show(scored, console)
    rows = [re.sub(r"\x1b\[\d*m", "", line).split() for line in shown.get().splitlines()]
    assert ["Aegis", "prompt", "58.3"] in [row[:3] for row in rows]
    assert ["0.0", "20.0", "1", "2.0", "2.50", "32"] in [row[-6:] for row in rows]
