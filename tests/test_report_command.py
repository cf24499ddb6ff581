"""`guardreasoner report`: the reports of an evaluation, made anew from what it kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from guardreasoner.cli import app
from guardreasoner.report.judged import Judged
from guardreasoner.types import Exchange

ROWS = [("a recipe", "unharmful", "harmful"), ("a threat", "harmful", "harmful"), ("a question", "unharmful", None)]


def write(
    folder: Path, *, model: str = "guard", mode: str = "reason", rows: list[tuple[str, str, str | None]] = ROWS
) -> Path:
    inside = folder / "predictions"
    inside.mkdir(parents=True, exist_ok=True)
    lines: list[str] = []
    for number, (text, gold, said) in enumerate(rows):
        exchange = Exchange(prompt=text)
        record = {
            **{"id": str(number), "source": "mine", "digest": exchange.digest, "exchange": exchange, "seconds": 0.1},
            **{"gold": {"prompt_harmfulness": gold}, "labels": said and {"prompt_harmfulness": said}},
        }
        lines.append(Judged.model_validate(record).model_dump_json())
    (inside / f"mine.{mode}.jsonl").write_text("\n".join(lines))
    settings = {"model": model, "max_reasoning_tokens": 64}
    (inside / f"mine.{mode}.settings.json").write_text(json.dumps(settings))
    return folder


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["report", *map(str, arguments)])


def test_three_reports_are_written(tmp_path: Path) -> None:
    invoke(write(tmp_path))
    assert sorted(path.name for path in tmp_path.glob("report.*")) == ["report.html", "report.json", "report.md"]


def test_figures_are_those_of_the_predictions(tmp_path: Path) -> None:
    invoke(write(tmp_path))
    (cell,) = json.loads((tmp_path / "report.json").read_text())["cells"]
    assert (cell["benchmark"], cell["score"]["f1"], cell["score"]["unreadable"]) == ("mine", 0.5, 1)


def test_differences_from_another_evaluation_are_a_page(tmp_path: Path) -> None:
    other = write(tmp_path / "b", model="other", rows=[("a recipe", "unharmful", "unharmful"), *ROWS[1:]])
    invoke(write(tmp_path / "a"), "--against", other)
    page = (tmp_path / "a" / "differences.html").read_text()
    assert "3 checks that both made, 1 answered differently" in page


@pytest.mark.parametrize(
    ("break_it", "sentence"),
    [
        (lambda inside: (inside / "mine.reason.settings.json").unlink(), "not there, expected what the predictions"),
        (lambda inside: (inside / "mine.reason.settings.json").write_text("[]"), "expected an object, found list"),
        (
            lambda inside: (inside / "mine.reason.jsonl").write_text('{"id": "1"}'),
            "line 1: no prediction: source: Field required",
        ),
        (lambda inside: (inside / "mine.reason.jsonl").write_text("{"), "line 1: not valid JSON"),
        (lambda inside: (inside / "mine.reason.jsonl").unlink(), "no predictions, expected files like"),
        (lambda inside: write(inside.parent, model="other", mode="fast"), "predictions of 2 models, guard, other"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(tmp_path: Path, break_it: object, sentence: str) -> None:
    write(tmp_path)
    assert callable(break_it)
    break_it(tmp_path / "predictions")
    assert sentence in str(invoke(tmp_path).exception)


def ask(folder: Path, rows: list[str], note: str | None = None) -> None:
    asked = {"lines": [{"name": "my own rows", "task": "prompt_harmfulness", "note": note}]}
    asked |= {"rows": [["mine", id] for id in rows]}  # pyright: ignore
    (folder / "predictions" / "mine.reason.asked.json").write_text(json.dumps(asked))


def cells(folder: Path) -> list[tuple[object, ...]]:
    assert invoke(folder).exit_code == 0
    report = json.loads((folder / "report.json").read_text())
    return [(cell["benchmark"], cell["task"], cell["score"]["n"], cell.get("note")) for cell in report["cells"]]


def test_report_is_about_what_was_asked(tmp_path: Path) -> None:
    ask(write(tmp_path), ["2", "0"], "2 rows; the authors' file has 3")
    assert cells(tmp_path) == [("my own rows", "prompt_harmfulness", 2, "2 rows; the authors' file has 3")]


def test_rows_that_were_asked_and_are_not_judged_yet_are_counted(tmp_path: Path) -> None:
    ask(write(tmp_path), ["0", "1", "2", "3"])
    assert cells(tmp_path) == [("my own rows", "prompt_harmfulness", 3, "3 of 4 rows are judged so far")]


def test_folder_without_a_row_that_was_asked_is_one_sentence(tmp_path: Path) -> None:
    ask(write(tmp_path), ["7"])
    assert "no predictions, expected files like" in str(invoke(tmp_path).exception)


def test_report_has_no_cell_of_a_task_that_the_guard_does_not_judge(tmp_path: Path) -> None:
    inside = write(tmp_path) / "predictions"
    rows = [json.loads(line) for line in (inside / "mine.reason.jsonl").read_text().splitlines()]
    wider = [json.dumps(row | {"gold": row["gold"] | {"response_refusal": "refusal"}}) for row in rows]
    (inside / "mine.reason.jsonl").write_text("\n".join(wider))
    assert [cell[1] for cell in cells(tmp_path)] == ["prompt_harmfulness", "response_refusal"]
    settings = {"model": "guard", "tasks": ["prompt_harmfulness"]}
    (inside / "mine.reason.settings.json").write_text(json.dumps(settings))
    assert [cell[1] for cell in cells(tmp_path)] == ["prompt_harmfulness"]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("settings", '{"tasks": ["mood"]}', "mine.reason.settings.json: unknown task 'mood'"),
        ("asked", "{}", "mine.reason.asked.json: not what was asked of the predictions: rows: Field required"),
        ("asked", "{", "mine.reason.asked.json: not readable JSON"),
    ],
)
def test_what_stands_beside_the_rows_and_cannot_be_read_is_one_sentence(
    tmp_path: Path, name: str, content: str, sentence: str
) -> None:
    (write(tmp_path) / "predictions" / f"mine.reason.{name}.json").write_text(content)
    assert sentence in str(invoke(tmp_path).exception)


def test_row_that_is_there_twice_is_one_sentence(tmp_path: Path) -> None:
    path = write(tmp_path) / "predictions" / "mine.reason.jsonl"
    path.write_text(path.read_text() + "\n" + path.read_text().splitlines()[0])
    assert "mine.reason.jsonl, line 4: a second prediction for mine 0" in str(invoke(tmp_path).exception)
