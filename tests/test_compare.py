"""`guardreasoner compare`: joining two folders of predictions, and what is said of their difference."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from predictions import answer, write
from rich.console import Console
from typer.testing import CliRunner, Result

from guardreasoner.cli import app, status_of
from guardreasoner.data.published import benchmark_sizes
from guardreasoner.metrics import Interval, Prediction
from guardreasoner.report.comparison import Comparison, compare
from guardreasoner.report.comparison_table import lines, show
from guardreasoner.report.judged import Judged
from guardreasoner.report.pairing import Pair, Paired
from guardreasoner.run import write_records
from guardreasoner.types import Exchange, Harmfulness, Labels, Mode, Task

HARM = Task.PROMPT_HARMFULNESS
Answers = Sequence[tuple[str, Harmfulness, Harmfulness | None]]
"""Text, gold, predicted."""
A: Answers = [
    ("Mock my friend.", "harmful", "harmful"),
    ("Shame my friend.", "harmful", "unharmful"),
    ("Praise my friend.", "unharmful", "harmful"),
    ("Call my friend.", "unharmful", "unharmful"),
]
B: Answers = [(text, gold, gold) for text, gold, _ in A]


def evaluated(folder: Path, answers: Answers, mode: Mode = "fast", stem: str = "0_8_toxic_chat") -> Path:
    """What `guardreasoner evaluate` keeps."""
    (folder / "predictions").mkdir(parents=True, exist_ok=True)
    rows = [
        Judged(
            id=str(number),
            source=stem,
            digest=Exchange(prompt=text).digest,
            gold=Labels(prompt_harmfulness=gold),
            labels=None if predicted is None else Labels(prompt_harmfulness=predicted),
            seconds=0.001,
        )
        for number, (text, gold, predicted) in enumerate(answers, 1)
    ]
    write_records(folder / "predictions" / f"{stem}.{mode}.jsonl", rows)
    return folder


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["compare", *map(str, arguments)])


def found(*arguments: object) -> Comparison:
    result = invoke(*arguments, "--json")
    assert result.exit_code == 0, result.exception
    return Comparison.model_validate_json(result.stdout)


def failure(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert status_of(["compare", *map(str, arguments)]) == 2
    return capsys.readouterr().err


def test_figures_of_two_guards(tmp_path: Path) -> None:
    (cell,) = found(evaluated(tmp_path / "a", A), evaluated(tmp_path / "b", B)).cells
    assert (cell.benchmark, cell.task, cell.n, cell.f1_a, cell.f1_b) == ("ToxicChat", HARM, 4, 0.5, 1.0)
    assert (cell.difference.difference, cell.mcnemar.only_a, cell.mcnemar.only_b) == (0.5, 0, 2)
    assert (cell.mcnemar.p, cell.p_holm) == (pytest.approx(0.25), pytest.approx(0.25))


def test_a_guard_does_not_differ_from_itself(tmp_path: Path) -> None:
    folder = evaluated(tmp_path / "a", A)
    (cell,) = found(folder, folder).cells
    assert (cell.difference.interval, cell.difference.p, cell.mcnemar.p) == (Interval(low=0.0, high=0.0), 1.0, 1.0)


def test_rows_that_only_one_has_are_left_out_and_counted(tmp_path: Path) -> None:
    folders = evaluated(tmp_path / "a", A), evaluated(tmp_path / "b", B[:3])
    (cell,) = found(*folders).cells
    assert (cell.n, cell.only_a, cell.only_b) == (3, 1, 0)
    assert (
        "# ToxicChat, prompt harmfulness, fast: 1 rows only A has and 0 only B has are left out."
        in invoke(*folders).stdout
    )


def test_another_text_under_the_same_id_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = [("Phone my friend.", *rest) for _, *rest in B]
    said = failure(capsys, evaluated(tmp_path / "a", A), evaluated(tmp_path / "b", other))  # pyright: ignore
    assert "row 1 of ToxicChat, prompt_harmfulness, fast has another text than in" in said


def test_another_label_of_the_same_row_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other: Answers = [("Mock my friend.", "unharmful", "unharmful")]
    said = failure(capsys, evaluated(tmp_path / "a", A), evaluated(tmp_path / "b", other))
    assert "row 1 of ToxicChat, prompt_harmfulness, fast is labelled unharmful, in" in said


def test_a_second_prediction_of_a_row_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = evaluated(tmp_path / "a", A)
    path = folder / "predictions" / "0_8_toxic_chat.fast.jsonl"
    path.write_text(path.read_text() + path.read_text().splitlines()[1] + "\n")
    assert "line 5: a second prediction for 0_8_toxic_chat 2" in failure(capsys, folder, folder)


def test_a_line_that_is_no_prediction_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = evaluated(tmp_path / "a", A)
    (folder / "predictions" / "0_8_toxic_chat.fast.jsonl").write_text('{"id": "1"}\n')
    assert "line 1: no prediction: source: Field required" in failure(capsys, folder, folder)


def test_an_answer_that_only_one_gave_counts_as_wrong_for_the_other_and_is_said(tmp_path: Path) -> None:
    mute: Answers = [(text, gold, None) for text, gold, _ in A]
    folders = evaluated(tmp_path / "a", mute), evaluated(tmp_path / "b", B)
    (cell,) = found(*folders).cells
    assert (cell.f1_a, cell.mcnemar.only_b, cell.unanswered_a, cell.unanswered_b) == (0.0, 4, 4, 0)
    assert "A gave no answer to 4 rows, B to 0." in invoke(*folders).stdout


def test_each_mode_is_compared_with_its_like(tmp_path: Path) -> None:
    a, b = evaluated(tmp_path / "a", A), evaluated(tmp_path / "b", B)
    evaluated(tmp_path / "a", A, "reason")
    evaluated(tmp_path / "b", A, "reason")
    cells = found(a, b).cells
    assert [(cell.mode_a, cell.mode_b, cell.f1_b) for cell in cells] == [
        ("fast", "fast", 1.0),
        ("reason", "reason", 0.5),
    ]


def test_two_modes_of_one_guard_can_be_compared(tmp_path: Path) -> None:
    folder = evaluated(evaluated(tmp_path / "a", A), B, "reason")
    (cell,) = found(folder, folder, "--mode-a", "fast", "--mode-b", "reason").cells
    assert (cell.mode_a, cell.mode_b, cell.f1_a, cell.f1_b) == ("fast", "reason", 0.5, 1.0)


def test_a_mode_that_is_not_there_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = evaluated(tmp_path / "a", A)
    assert "no predictions of mode reason, found fast" in failure(capsys, folder, folder, "--mode-a", "reason")


def test_cells_that_only_one_side_has_are_said(tmp_path: Path) -> None:
    a, b = evaluated(tmp_path / "a", A), evaluated(tmp_path / "b", B)
    evaluated(b, B, stem="own")
    assert found(a, b).cells_only_b == ("own, prompt_harmfulness, fast",)
    assert "# Only B has: own, prompt_harmfulness, fast." in invoke(a, b).stdout


def test_no_cell_on_both_sides_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = failure(capsys, evaluated(tmp_path / "a", A), evaluated(tmp_path / "b", B, stem="own"))
    assert (
        "no cell is on both sides: A has ToxicChat, prompt_harmfulness, fast, B has own, prompt_harmfulness, fast"
        in " ".join(said.split())
    )


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"{tmp_path / 'none'}: no such file or folder" in failure(capsys, tmp_path / "none", tmp_path)


def test_released_predictions_are_joined_by_line(tmp_path: Path) -> None:
    golds: list[Harmfulness] = ["harmful", "unharmful", "harmful"]
    right = write(tmp_path / "1B" / "AegisSafetyTest", [(gold, answer(gold)) for gold in golds]).parent.parent
    none = write(tmp_path / "3B" / "AegisSafetyTest", [(gold, answer("unharmful")) for gold in golds]).parent.parent
    (cell,) = found(right, none).cells
    assert (cell.benchmark, cell.n, cell.f1_a, cell.f1_b, cell.mode_a) == ("AegisSafetyTest", 3, 1.0, 0.0, None)


def released_as(folder: Path, text: str) -> Path:
    path = write(folder / "1B" / "ToxicChat", [("harmful", answer("harmful"))])
    record = json.loads(path.read_text())
    record["prompt"] = f"You are a classifier.\nHuman user:\n{text}\n\nAI assistant:\nNone\n\n"
    path.write_text(json.dumps(record) + "\n")
    return path


def test_released_predictions_are_compared_with_our_own_of_the_same_text(tmp_path: Path) -> None:
    (cell,) = found(released_as(tmp_path, "Mock my friend."), evaluated(tmp_path / "b", B[:1])).cells
    assert (cell.benchmark, cell.n, cell.mode_a, cell.mode_b) == ("ToxicChat", 1, None, "fast")


def test_released_predictions_of_another_text_are_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = failure(capsys, released_as(tmp_path, "Tease my friend."), evaluated(tmp_path / "b", B[:1]))
    assert "row 1 of ToxicChat, prompt_harmfulness, fast has another text than in" in said


def test_released_predictions_have_no_mode(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = released_as(tmp_path, "Mock my friend.")
    assert "so none of mode fast" in failure(capsys, path, path, "--mode-a", "fast")


def test_a_folder_of_several_models_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for size in ("1B", "3B"):
        write(tmp_path / size / "AegisSafetyTest", [("harmful", answer("harmful"))])
    assert "holds predictions of 1B, 3B; name the folder of one of them" in failure(capsys, tmp_path, tmp_path)


def two_cells() -> Comparison:
    right, wrong = Prediction("harmful", "harmful"), Prediction("harmful", "unharmful")
    safe = Prediction("unharmful", "unharmful")
    pairs = [
        Pair("HarmBench", HARM, ("fast", "fast"), (*[wrong] * 20, right), (*[right] * 21,), 0, 0),
        Pair("ToxicChat", HARM, ("fast", "fast"), (*[right] * 9, safe), (*[right] * 8, wrong, safe), 0, 0),
        Pair("own", HARM, ("fast", "fast"), (right, safe), (right, safe), 0, 0),
    ]
    return compare("one", "other", Paired(tuple(pairs), (), ()), benchmark_sizes())


def test_p_values_are_corrected_over_all_cells() -> None:
    first, second, third = two_cells().cells
    assert (first.benchmark, second.benchmark, third.benchmark) == ("ToxicChat", "HarmBench", "own")
    assert (second.p_holm, first.p_holm) == (pytest.approx(3 * 2**-20), pytest.approx(1.0))
    assert second.difference_p_holm == pytest.approx(3 * second.difference.p)  # pyright: ignore


def test_the_mean_is_weighted_by_the_published_sizes_and_is_over_known_benchmarks() -> None:
    (mean,) = two_cells().means
    f1 = [(2853 * toxic + 239 * harm) / 3092 for toxic, harm in ((1.0, 1 / 11), (16 / 17, 1.0))]
    assert (mean.f1_a, mean.f1_b) == (pytest.approx(f1[0]), pytest.approx(f1[1]))
    assert mean.cells == ("ToxicChat", "HarmBench")
    bounds = mean.difference.interval
    assert bounds is not None
    assert bounds.low < f1[1] - f1[0] < bounds.high


def test_a_pipe_shows_one_line_per_cell_and_mean() -> None:
    table = [line.split() for line in lines(two_cells()) if not line.startswith("#")]
    assert [row[1] for row in table] == ["benchmark", "ToxicChat", "HarmBench", "own", "weighted_mean[2/6]"]
    assert {len(row) for row in table} == {14}
    assert table[2][4:7] == ["9.09", "100.00", "+90.91"]
    assert table[2][10:] == ["0", "20", "<0.001", "<0.001"]


def test_the_table_fits_eighty_columns() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, no_color=True, width=80)
    with console.capture() as shown:
        show(two_cells(), console)
    rows = [re.sub(r"\x1b\[\d*m", "", line).split() for line in shown.get().splitlines()]
    (row,) = [row for row in rows if row[:1] == ["HarmBench"]]
    assert (row[:5], row[-4:]) == (["HarmBench", "21", "9.1", "100.0", "+90.9"], ["0", "20", "<0.001", "<0.001"])


def test_the_table_names_the_mode_where_there_are_several(tmp_path: Path) -> None:
    both = evaluated(evaluated(tmp_path / "a", A), B, "reason")
    console = Console(file=io.StringIO(), force_terminal=True, no_color=True, width=80)
    with console.capture() as shown:
        show(found(both, both), console)
    assert "reason" in shown.get()


def test_an_empty_file_of_predictions_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty, full = evaluated(tmp_path / "a", []), evaluated(tmp_path / "b", B)
    said = " ".join(failure(capsys, empty, full).split())
    assert "holds predictions, but none of a row that was asked and is labelled" in said
    assert "None" not in said


def test_tasks_that_a_guard_does_not_judge_are_no_cells(tmp_path: Path) -> None:
    folder = evaluated(tmp_path / "a", A)
    path = folder / "predictions" / "0_8_toxic_chat.fast.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text(
        "".join(json.dumps(row | {"gold": row["gold"] | {"response_refusal": "refusal"}}) + "\n" for row in rows)
    )
    assert [cell.task.value for cell in found(folder, folder).cells] == ["prompt_harmfulness", "response_refusal"]
    settings = {"model": "guard", "tasks": ["prompt_harmfulness"]}
    (folder / "predictions" / "0_8_toxic_chat.fast.settings.json").write_text(json.dumps(settings))
    assert [cell.task.value for cell in found(folder, folder).cells] == ["prompt_harmfulness"]


def test_what_was_asked_names_the_cell_and_its_rows(tmp_path: Path) -> None:
    folder = evaluated(tmp_path / "a", A, stem="my-rows")
    asked = {"lines": [{"name": "my rows", "task": "prompt_harmfulness"}], "rows": [["my-rows", "3"], ["my-rows", "1"]]}
    (folder / "predictions" / "my-rows.fast.asked.json").write_text(json.dumps(asked))
    (cell,) = found(folder, folder).cells
    assert (cell.benchmark, cell.n) == ("my rows", 2)


def test_the_page_shows_the_paired_tests(tmp_path: Path) -> None:
    a, b = evaluated(tmp_path / "a", A), evaluated(tmp_path / "b", B)
    for folder in (a, b):
        beside = folder / "predictions" / "0_8_toxic_chat.fast.settings.json"
        beside.write_text(json.dumps({"model": f"guard of {folder.name}"}))
    assert invoke(a, b, "--html", tmp_path / "page.html").exit_code == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    text = " ".join(re.sub("<[^>]+>", " ", page).split())
    assert "guard of a (A) and guard of b (B)" in text
    table = text.partition("Paired tests on the rows that both judged")[2]
    assert "McNemar p Holm ToxicChat prompt harmfulness fast 4 50.00 100.00 +50.00" in table
    assert "0 2 0.250 0.250" in table
    assert "weighted mean of 1/6" in table
