"""The report of an evaluation: figures, Markdown, pipe, terminal."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from guardreasoner.metrics import Prediction
from guardreasoner.report.evaluation import Evaluation, always_positive, cell, lines, markdown, show
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
    table = [line for line in markdown(evaluation).splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1


def test_difference_of_a_set_is_said(evaluation: Evaluation) -> None:
    assert list(lines(evaluation))[-1] == "# ToxicChat, prompt harmfulness, reason: 5 rows, expected 9."


def test_pipe_shows_one_line_per_cell(evaluation: Evaluation) -> None:
    assert [line.split()[0] for line in lines(evaluation) if not line.startswith("#")] == ["set", "ToxicChat"]


def test_report_is_written_as_json_and_markdown(evaluation: Evaluation, tmp_path: Path) -> None:
    write_report(tmp_path / "out", evaluation)
    kept = Evaluation.model_validate_json((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert (kept, (tmp_path / "out" / "report.md").read_text(encoding="utf-8")) == (evaluation, markdown(evaluation))


def test_terminal_table_fits_eighty_columns(evaluation: Evaluation) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, no_color=True, width=80)
    with console.capture() as shown:
        show(evaluation, console)
    row = next(line for line in shown.get().splitlines() if line.startswith("ToxicChat"))
    figures = ["5", "50.0", "0.0-100.0", "50.0", "50.0", "33.3", "0", "2.0", "57.1", "72.5", "-", "-"]
    assert re.sub(r"\x1b\[\d*m", "", row).split() == ["ToxicChat", *figures]
