"""Judging a file: what a row may be, what the output holds, and what survives kill -9."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from guardreasoner import Guard
from guardreasoner.cli.batch import Summary, check_rows
from guardreasoner.cli.rows import Columns, find_columns, read_rows
from guardreasoner.data.tables import survey
from guardreasoner.engines.scripted import ScriptedEngine
from guardreasoner.errors import EngineError, InputError
from guardreasoner.types import Completion, Mode, SamplingParams


def scores(prompt: str, choice: str) -> float:
    """A prompt with the word `bad` is harmful; every response is unharmful compliance."""
    harmful = "bad" in prompt and not prompt.endswith("<|response|>")
    expected = ("<|harmful|>" if harmful else "<|unharmful|>", "<|compliance|>")
    return math.log(0.8 if choice in expected else 0.2)


def guard(**options: Any) -> Guard:
    return Guard(ScriptedEngine("Looks at it.", scores, **options), format="nano")


def judge(
    rows: Path, output: Path, judge_with: Guard | None = None, *, mode: Mode | None = None, batch: int = 2
) -> Summary:
    columns = find_columns(rows, survey(rows)[0], "prompt", None, None)
    judged = read_rows(rows, columns)
    return check_rows(judge_with or guard(), judged, output, id_column=columns.id, mode=mode, batch=batch)


def jsonl(path: Path, *rows: object) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "verdicts.jsonl"


def test_one_row_gives_one_flat_record(tmp_path: Path, output: Path) -> None:
    judge(jsonl(tmp_path / "rows.jsonl", {"id": "a", "prompt": "bad", "response": "No."}), output)
    assert read(output) == [
        {
            "id": "a",
            "line": 1,
            "prompt_harmfulness": "harmful",
            "response_refusal": "compliance",
            "response_harmfulness": "unharmful",
            "prompt_harmfulness_score": pytest.approx(0.8),
            "response_refusal_score": pytest.approx(0.2),
            "response_harmfulness_score": pytest.approx(0.2),
            "reasoning": "Looks at it.\nLooks at it.\nLooks at it.",
            "flagged": True,
            "model": "scripted",
            "mode": "reason",
            "error": None,
        }
    ]


def test_order_and_ids_are_those_of_the_input(tmp_path: Path, output: Path) -> None:
    rows = [{"id": number, "prompt": "bad" if number % 3 == 0 else "good"} for number in range(9, 2, -1)]
    summary = judge(jsonl(tmp_path / "rows.jsonl", *rows), output)
    assert [(row["id"], row["flagged"]) for row in read(output)] == [
        (9, True), (8, False), (7, False), (6, True), (5, False), (4, False), (3, True),
    ]  # fmt: skip
    assert str(summary) == "7 rows: 3 flagged, 4 not flagged"
    assert summary.status == 1


def test_rows_that_cannot_be_judged_keep_their_place_and_are_counted(tmp_path: Path, output: Path) -> None:
    path = jsonl(
        tmp_path / "rows.jsonl",
        {"id": 1, "prompt": "good"},
        "{not json",
        {"id": 3, "prompt": "  "},
        {"id": 4, "text": "good"},
        {"id": 5, "prompt": None},
        {"id": 6, "prompt": 7},
        {"id": 7, "prompt": "good", "response": ["x"]},
        '{"id": 8, "prompt": "\\ud800"}',
        {"id": 9, "prompt": "word " * 40},
    )
    summary = judge(path, output, guard(context_length=20))
    assert [(row["line"], row["id"], row["error"]) for row in read(output)] == [
        (1, 1, None),
        (2, None, "not valid JSON: Expecting property name enclosed in double quotes at column 2"),
        (3, 3, "the prompt is empty"),
        (4, 4, "'prompt' is missing"),
        (5, 5, "'prompt' is null"),
        (6, 6, "the prompt is not a string but int"),
        (7, 7, "the response is not a string but list"),
        (8, 8, "the prompt is not valid Unicode: a lone surrogate at character 1"),
        (9, 9, "the exchange has 41 tokens, the model takes at most 19"),
    ]
    assert read(output)[1]["flagged"] is None
    assert str(summary) == ("9 rows: 0 flagged, 1 not flagged, 8 could not be judged (lines 2, 3, 4, 5, 6, 7, 8, 9)")
    assert summary.status == 2


@pytest.mark.parametrize("response", [None, "", "  \n"])
def test_absent_response_gives_no_response_labels(tmp_path: Path, output: Path, response: str | None) -> None:
    judge(jsonl(tmp_path / "rows.jsonl", {"prompt": "good", "response": response}), output)
    assert read(output)[0]["response_refusal"] is None


def test_csv_is_read_with_line_numbers_and_written_with_empty_cells(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b'id,prompt,response\nx,"two\nlines, bad",\ny,caf\xff,\nz,short\nw,good,fine\n')
    judge(path, tmp_path / "verdicts.csv")
    with (tmp_path / "verdicts.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["id"], row["line"], row["flagged"], row["error"]) for row in rows] == [
        ("x", "2", "true", ""),
        ("y", "4", "", "not valid UTF-8"),
        ("z", "5", "", "found 2 fields, expected 3 as in the header"),
        ("w", "6", "false", ""),
    ]


def test_csv_with_an_open_quote_is_an_error_at_its_line(tmp_path: Path, output: Path) -> None:
    (tmp_path / "rows.csv").write_text('prompt\ngood\n"never closed\nmore\n')
    judge(tmp_path / "rows.csv", output)
    assert [(row["line"], row["error"]) for row in read(output)] == [
        (2, None),
        (3, "not valid CSV: unexpected end of data; lines 3 to 4 were read as this one row, none of them is judged"),
    ]


def test_csv_takes_a_text_of_one_megabyte(tmp_path: Path, output: Path) -> None:
    (tmp_path / "rows.csv").write_text("prompt\n" + "x" * 2**20 + "\n")
    assert judge(tmp_path / "rows.csv", output).unflagged == 1


def test_parquet_goes_in_and_out_with_its_types(tmp_path: Path) -> None:
    rows = [{"id": 5, "prompt": "bad", "response": None}, {"id": 6, "prompt": None, "response": "x"}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    judge(tmp_path / "rows.parquet", tmp_path / "verdicts.parquet")
    table = pq.read_table(tmp_path / "verdicts.parquet")
    assert table.schema.field("id").type == pa.int64()
    assert table.select(["id", "line", "flagged", "error"]).to_pylist() == [
        {"id": 5, "line": 1, "flagged": True, "error": None},
        {"id": 6, "line": 2, "flagged": None, "error": "'prompt' is null"},
    ]


def test_ids_of_several_types_are_text_in_parquet(tmp_path: Path) -> None:
    judge(
        jsonl(tmp_path / "rows.jsonl", {"id": 1, "prompt": "a"}, {"id": "b", "prompt": "b"}),
        tmp_path / "verdicts.parquet",
    )
    assert pq.read_table(tmp_path / "verdicts.parquet")["id"].to_pylist() == ["1", "b"]


def test_parquet_column_of_invalid_utf8_is_an_error_of_its_row(tmp_path: Path, output: Path) -> None:
    texts = pa.array([b"good", b"\xff"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"prompt": texts}), tmp_path / "rows.parquet")
    judge(tmp_path / "rows.parquet", output)
    assert [row["error"] for row in read(output)] == [None, "not valid UTF-8"]


def test_a_file_that_is_no_parquet_is_one_sentence(tmp_path: Path, output: Path) -> None:
    (tmp_path / "rows.parquet").write_text("hello")
    with pytest.raises(InputError, match=r"rows.parquet is not a readable Parquet file: "):
        judge(tmp_path / "rows.parquet", output)


def test_wrong_column_names_the_columns_there_are(tmp_path: Path, output: Path) -> None:
    with pytest.raises(InputError, match=r"rows.jsonl has no column 'prompt'; its columns are text, label$"):
        judge(jsonl(tmp_path / "rows.jsonl", {"text": "x"}, {"text": "y", "label": 1}), output)


def test_columns_of_other_names_are_read(tmp_path: Path, output: Path) -> None:
    path = jsonl(tmp_path / "rows.jsonl", {"key": "k", "q": "bad", "a": "fine"})
    summary = check_rows(guard(), read_rows(path, Columns("q", "a", "key")), output, id_column="key")
    assert (summary.flagged, read(output)[0]["key"]) == (1, "k")


def test_empty_file_gives_an_empty_output(tmp_path: Path, output: Path) -> None:
    assert str(check_rows(guard(), [], output)) == "0 rows: 0 flagged, 0 not flagged"
    assert output.read_text() == ""


def test_id_column_named_as_a_column_of_the_output_is_refused(output: Path) -> None:
    with pytest.raises(InputError, match=r"^the id column cannot be 'model': the output has a column of that name$"):
        check_rows(guard(), [], output, id_column="model")


def test_output_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a name that ends in .jsonl, .csv, .parquet, found .xlsx$"):
        check_rows(guard(), [], tmp_path / "verdicts.xlsx")


class Failing(ScriptedEngine):
    """Fails at a prompt that says so."""

    def generate(self, prompts: Any, params: SamplingParams) -> list[list[Completion]]:
        if any("fail" in prompt for prompt in prompts):
            raise EngineError("the server went away")
        return super().generate(prompts, params)


class Picky(ScriptedEngine):
    """Counts no tokens beforehand, and refuses a long prompt when it comes, as a server does."""

    def generate(self, prompts: Any, params: SamplingParams) -> list[list[Completion]]:
        if any("long" in prompt for prompt in prompts):
            raise InputError("a prompt does not fit")
        return super().generate(prompts, params)


def test_row_that_only_the_engine_can_refuse_does_not_cost_its_neighbours(tmp_path: Path, output: Path) -> None:
    path = jsonl(tmp_path / "rows.jsonl", *({"prompt": text} for text in ("good", "long", "bad")))
    judge(path, output, Guard(Picky("Looks.", scores), format="nano"), batch=3)
    assert [(row["flagged"], row["error"]) for row in read(output)] == [
        (False, None),
        (None, "a prompt does not fit"),
        (True, None),
    ]


@pytest.fixture
def interrupted(tmp_path: Path, output: Path) -> Path:
    """Six rows of which four are finished and in the journal."""
    path = jsonl(tmp_path / "rows.jsonl", *({"prompt": f"good {number}"} for number in range(5)), {"prompt": "fail"})
    with pytest.raises(EngineError, match="the server went away"):
        judge(path, output, Guard(Failing("Looks at it.", scores), format="nano"))
    return path


def test_after_a_failure_only_the_unfinished_rows_are_judged(interrupted: Path, output: Path) -> None:
    asked: list[str] = []

    def script(prompt: str, _: int) -> str:
        asked.append(prompt.split("<|")[1].removeprefix("user|>"))
        return "Looks at it."

    summary = judge(interrupted, output, Guard(ScriptedEngine(script, scores), format="nano"))
    assert asked == ["good 4", "fail"]
    assert summary.rows == 6
    assert not output.with_name("verdicts.jsonl.partial").exists()


def test_another_mode_is_refused_on_resuming(interrupted: Path, output: Path) -> None:
    with pytest.raises(InputError, match=r'was begun with mode "reason", now it is "fast"; delete it to begin again'):
        judge(interrupted, output, mode="fast")


def test_another_model_is_refused_on_resuming(interrupted: Path, output: Path) -> None:
    with pytest.raises(InputError, match=r'was begun with model "scripted", now it is "other"; '):
        judge(interrupted, output, guard(model="other"))


def test_a_changed_row_is_refused_on_resuming(interrupted: Path, output: Path) -> None:
    interrupted.write_text(interrupted.read_text().replace("good 1", "good one"))
    with pytest.raises(InputError, match=r"was begun with other rows: line 2 was not the same; "):
        judge(interrupted, output)


def test_a_shorter_file_is_refused_on_resuming(interrupted: Path, output: Path) -> None:
    jsonl(interrupted, {"prompt": "good 0"})
    with pytest.raises(InputError, match=r"was begun with more rows: line 2 is gone; "):
        judge(interrupted, output)


SLOW = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_cli_batch import *
folder = Path(sys.argv[2])
def script(prompt, _):
    with (folder / "asked.txt").open("a") as log:
        log.write(prompt.split("|>")[1].split("<|")[0] + "\\n")
    time.sleep(0.004)
    return "Looks at it."
judge(folder / "rows.jsonl", folder / "verdicts.jsonl", Guard(ScriptedEngine(script, scores), format="nano"), batch=4)
"""
KILLED_ROWS = 60


def start_slowly(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", SLOW, str(Path(__file__).parent), str(folder)])


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def test_after_kill_9_no_finished_row_is_judged_twice_and_the_output_is_the_same(tmp_path: Path) -> None:
    rows = [{"id": f"r{n}", "prompt": f"{'bad' if n % 7 == 0 else 'good'} {n}"} for n in range(KILLED_ROWS)]
    jsonl(tmp_path / "rows.jsonl", *rows)
    judge(tmp_path / "rows.jsonl", tmp_path / "undisturbed.jsonl")
    asked, journal, again = tmp_path / "asked.txt", tmp_path / "verdicts.jsonl.partial", 0
    for enough in (1, 14, 37):
        process = start_slowly(tmp_path)
        while len(lines_of(asked)) - again < enough and process.poll() is None:
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        finished = max(0, len(lines_of(journal)) - 1)
        again = len(lines_of(asked)) - finished
        assert not (tmp_path / "verdicts.jsonl").exists()
    assert start_slowly(tmp_path).wait() == 0
    assert (tmp_path / "verdicts.jsonl").read_bytes() == (tmp_path / "undisturbed.jsonl").read_bytes()
    asked_twice = len(lines_of(asked)) - KILLED_ROWS
    assert sorted(set(lines_of(asked))) == sorted(str(row["prompt"]) for row in rows)
    assert asked_twice <= 3 * 4  # the batch in flight at each of three kills


def test_csv_that_names_a_column_twice_is_refused(tmp_path: Path, output: Path) -> None:
    (tmp_path / "rows.csv").write_text("prompt,id,prompt\na,1,b\n")
    with pytest.raises(InputError, match=r"rows\.csv, line 1: the header names the column 'prompt' twice"):
        judge(tmp_path / "rows.csv", output)
