from __future__ import annotations

import io
from pathlib import Path

import pytest
from predictions import answer, scored, write, write_aegis
from rich.console import Console

from guardreasoner.cli import status_of
from guardreasoner.report.scores import Report
from guardreasoner.report.terminal import lines, show


@pytest.fixture
def aegis(tmp_path: Path) -> Path:
    return write_aegis(tmp_path)


# what is shown


HEADING = ["model", "task", "benchmark", "f1", "low", "high"]
HEADING += ["paper", "precision", "recall", "fpr", "unreadable", "n"]
FIGURES = ["57.14", "89.34", "66.67", "50.00", "50.00", "2", "6"]


def on_terminal(path: Path) -> str:
    console = Console(width=80, force_terminal=True, color_system=None, record=True, file=io.StringIO())
    show(scored(path), console)
    return console.export_text()


def test_in_a_pipe_every_row_has_the_same_columns(aegis: Path):
    rows = [line.split() for line in lines(scored(aegis)) if not line.startswith("#")]
    assert rows[0] == HEADING
    assert rows[1][:4] + rows[1][6:] == ["1B", "prompt_harmfulness", "AegisSafetyTest", *FIGURES]
    assert {len(row) for row in rows} == {12}


def test_a_pipe_says_over_how_many_cells_the_mean_is(aegis: Path):
    assert list(lines(scored(aegis)))[-1] == (
        "# 1B prompt_harmfulness: mean over 1 of 6 cells, missing "
        "ToxicChat, HarmBench, OpenAIModeration, SimpleSafetyTests, WildGuardTest"
    )


def test_an_undefined_figure_is_a_dash_and_not_zero(tmp_path: Path):
    path = write(tmp_path / "1B" / "SimpleSafetyTests", [("harmful", answer("harmful"))])
    row = next(line.split() for line in lines(scored(path)) if "SimpleSafetyTests" in line)
    assert row[9] == "-"


def test_the_table_fits_a_terminal_of_80_columns(tmp_path: Path):
    model = tmp_path / "GuardReasoner-1B"
    write(model / "SimpleSafetyTests", [("harmful", answer("harmful"))] * 2000)
    write(model / "BeaverTails", [("harmful", answer("harmful", "refusal", "harmful"))])
    row = next(line for line in on_terminal(tmp_path).splitlines() if "SimpleSafetyTests" in line)
    assert row.split() == ["SimpleSafetyTests", "100.00", "100.0-100.0", "98.99", "100.00", "100.00", "-", "0", "2000"]


def test_a_model_name_in_square_brackets_is_shown_as_it_is(tmp_path: Path):
    path = write(tmp_path / "[red]mine" / "ToxicChat", [("harmful", answer("harmful"))])
    assert on_terminal(path).startswith("[red]mine")


def test_the_terminal_names_the_missing_cells(aegis: Path):
    assert "mean over 1 of 6 cells, missing ToxicChat" in on_terminal(aegis)


# the command


def test_the_command_prints_one_json_document(aegis: Path, capsys: pytest.CaptureFixture[str]):
    status = status_of(["score", str(aegis), "--json"])
    assert (status, Report.model_validate_json(capsys.readouterr().out)) == (0, scored(aegis))


def test_the_command_takes_the_authors_rule(aegis: Path, capsys: pytest.CaptureFixture[str]):
    assert status_of(["score", str(aegis), "--protocol", "released"]) == 0
    assert capsys.readouterr().out.startswith("# protocol released, the authors' rule: ")


def test_the_command_takes_the_task_of_an_unknown_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = write(tmp_path / "mine" / "own-set", [("harmful", answer("harmful"))])
    assert status_of(["score", str(path), "--task", "prompt_harmfulness"]) == 0
    assert "mine   prompt_harmfulness  own-set    100.00" in capsys.readouterr().out


def test_the_command_refuses_another_protocol(aegis: Path):
    assert status_of(["score", str(aegis), "--protocol", "lenient"]) == 2


def test_the_command_needs_a_path():
    assert status_of(["score"]) == 2


def test_the_command_says_one_sentence_and_exits_2_on_a_missing_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "nowhere"
    status = status_of(["score", str(path)])
    assert (status, *capsys.readouterr()) == (2, "", f"error: {path}: no such file or folder\n")
