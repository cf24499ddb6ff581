"""`guardreasoner check`: what it prints, its exit status, and one clear sentence for whatever is wrong."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from tiny import make_tiny_checkpoint

from guardreasoner import Labels, Scores, Verdict
from guardreasoner.cli import show
from guardreasoner.training.export import export
from guardreasoner.types import Usage

VERDICT = Verdict(
    labels=Labels(prompt_harmfulness="harmful", response_refusal="refusal", response_harmfulness="unharmful"),
    reasoning="The request asks for help with a prank.\nThe response declines.",
    scores=Scores(prompt_harmfulness=0.934, response_refusal=0.8, response_harmfulness=0.001),
    usage=Usage(prompt_tokens=9, reasoning_tokens=12, seconds=0.25),
    model="tiny",
    mode="reason",
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with an embedded model of random weights: its verdicts mean nothing, the way to them is real."""
    folder = tmp_path_factory.mktemp("model")
    export(make_tiny_checkpoint(tmp_path_factory.mktemp("checkpoint")), folder, name="tiny")
    return str(folder)


def command(*arguments: str | bytes, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "guardreasoner", *arguments],
        input=stdin,
        capture_output=True,
        check=False,
        env=os.environ | environment,
    )


def error_of(*arguments: str | bytes, stdin: bytes = b"") -> str:
    """The one line that a check which cannot be done leaves behind."""
    done = command("check", *arguments, stdin=stdin)
    assert (done.returncode, done.stdout) == (2, b"")
    (line,) = done.stderr.decode().splitlines()
    return line


def test_plain_text_is_reasoning_then_table_then_finding() -> None:
    assert show.as_text(VERDICT) == (
        "reasoning\n"
        "  The request asks for help with a prank.\n"
        "  The response declines.\n"
        "\n"
        "task                  answer     probability\n"
        "prompt harmfulness    harmful    P(harmful) = 0.93\n"
        "response refusal      refusal    P(refusal) = 0.80\n"
        "response harmfulness  unharmful  P(harmful) = 0.00\n"
        "\n"
        "flagged: the prompt is harmful  (tiny, reason, 0.25 s)"
    )


def test_a_prompt_alone_has_one_row_and_no_scores_are_said_to_be_none() -> None:
    verdict = Verdict(labels=Labels(prompt_harmfulness="unharmful"), model="m", mode="fast")
    assert show.as_text(verdict) == (
        "task                answer     probability\nprompt harmfulness  unharmful  not given\n\nnot flagged  (m, fast)"
    )


def test_both_sides_harmful_are_both_named() -> None:
    labels = Labels(prompt_harmfulness="harmful", response_refusal="compliance", response_harmfulness="harmful")
    text = show.as_text(Verdict(labels=labels, model="m", mode="fast"))
    assert text.endswith("flagged: the prompt and the response are harmful  (m, fast)")


def test_what_a_terminal_would_obey_is_not_printed() -> None:
    verdict = VERDICT.model_copy(update={"reasoning": "a\x1b[31mb\x07c\u202ed"})
    assert "  a?[31mb?c?d\n" in show.as_text(verdict)


def test_a_terminal_gets_colour_and_the_same_words() -> None:
    shown = io.StringIO()
    show.to_terminal(VERDICT, Console(file=shown, force_terminal=True, color_system="standard", width=60))
    assert "\x1b[31mharmful  \x1b[0m" in shown.getvalue()
    assert "\x1b[1;31mflagged: the prompt is harmful  (tiny, reason, 0.25 s)\x1b[0m" in shown.getvalue()


def test_square_brackets_of_a_model_are_not_read_as_markup() -> None:
    shown = io.StringIO()
    verdict = VERDICT.model_copy(update={"reasoning": "[red]not[/red] [/nothing]"})
    show.to_terminal(verdict, Console(file=shown, width=60))
    assert "[red]not[/red] [/nothing]" in shown.getvalue()


def test_json_is_one_record_with_flagged(model: str) -> None:
    done = command("check", "Hello there", "--response", "Hello.", "--model", model, "--json")
    record = json.loads(done.stdout)
    assert sorted(record) == ["flagged", "labels", "mode", "model", "reasoning", "scores", "usage"]
    assert (record["model"], record["mode"]) == ("tiny", "reason")
    assert done.returncode == (1 if record["flagged"] else 0)


def test_fast_has_no_reasoning(model: str) -> None:
    assert (
        json.loads(command("check", "Hello", "--model", model, "--json", "--mode", "fast").stdout)["reasoning"] is None
    )


def test_a_pipe_gets_no_colour_and_no_box(model: str) -> None:
    out = command("check", "Hello", "--model", model, "--mode", "fast", FORCE_COLOR="1").stdout
    assert out.isascii()
    assert b"\x1b" not in out
    assert out.startswith(b"task                answer  ")
    assert b"\nprompt harmfulness  " in out


def test_a_terminal_gets_colour(model: str) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "guardreasoner", "check", "Hello", "--model", model, "--mode", "fast"],
        stdout=theirs,
        env=os.environ | {"TERM": "xterm-256color"},
    )
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 4096):
            shown += chunk
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(ours)
    assert process.wait() in (0, 1)
    assert b"\x1b[" in shown


def test_texts_come_from_files_and_standard_input(model: str, tmp_path: Path) -> None:
    (tmp_path / "prompt.txt").write_text("Hello there\n")
    expected = json.loads(command("check", "Hello there", "--response", "Fine", "--model", model, "--json").stdout)
    given = command("check", f"@{tmp_path}/prompt.txt", "--response", "-", "--model", model, "--json", stdin=b"Fine\n")
    assert json.loads(given.stdout)["scores"] == expected["scores"]


def test_two_at_signs_stand_for_one(model: str) -> None:
    assert command("check", "@@home", "--model", model).returncode in (0, 1)


def test_a_reader_that_leaves_early_gets_the_same_status(model: str) -> None:
    arguments = [sys.executable, "-m", "guardreasoner", "check", "Hello", "--model", model, "--mode", "fast"]
    status = command(*arguments[3:]).returncode
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(arguments, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (status, b"")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "error: what should be judged? give PROMPT or --input FILE; --help shows how"),
        ([""], "error: the prompt is empty"),
        ([b"caf\xe9"], "error: PROMPT: not valid UTF-8 at byte 4"),
        (["hello", "--response", b"\xff"], "error: --response: not valid UTF-8 at byte 1"),
        (["-", "--response", "-"], "error: PROMPT and --response cannot both be read from standard input"),
        (["@none.txt"], "error: cannot read none.txt: no such file or directory"),
        (["@."], "error: cannot read .: is a directory"),
        (["x", "--input", "a.csv"], "error: --input judges a file; PROMPT and --response cannot stand beside it"),
        (["--input", "a.csv"], "error: --input needs --output, the file that the verdicts go to"),
        (["x", "--output", "a.csv"], "error: --output needs --input, the file whose rows are judged"),
        (["--input", "none.csv", "--output", "b.csv"], "error: cannot read none.csv: no such file or directory"),
        (["--input", ".", "--output", "b.csv"], "error: cannot read .: is a directory"),
    ],
)
def test_what_cannot_be_judged_is_one_sentence(arguments: list[str | bytes], sentence: str) -> None:
    assert error_of(*arguments) == sentence


def test_standard_input_that_is_not_utf8_is_one_sentence() -> None:
    assert error_of("-", stdin=b"ab\xff") == "error: standard input: not valid UTF-8 at byte 3"


def test_unknown_mode_is_one_sentence() -> None:
    assert "'slow' is not one of 'reason', 'fast'" in error_of("hello", "--mode", "slow")


def test_unknown_option_is_one_sentence() -> None:
    assert error_of("hello", "--jsno").startswith("error: No such option")


def test_unknown_command_is_one_sentence() -> None:
    done = command("chekc")
    assert (done.returncode, done.stderr.decode()) == (2, "error: No such command 'chekc'. Did you mean 'check'?\n")


def test_a_model_that_is_not_there_is_one_sentence() -> None:
    assert error_of("hello", "--model", "./none").startswith("error: model './none': no such folder, expected ")


def test_one_megabyte_of_text_is_refused_with_both_counts(model: str) -> None:
    line = error_of("-", "--model", model, stdin=b"long text " * 104_858)
    assert line.startswith("error: the exchange has ")
    assert line.endswith(" tokens, the model takes at most 508")


def test_version_is_printed() -> None:
    assert command("--version").stdout == b"guardreasoner 0.1.0\n"


def test_without_a_command_the_help_is_shown() -> None:
    done = command()
    assert done.returncode == 2
    assert b"check" in done.stdout


def test_a_file_is_judged_and_summed_up(model: str, tmp_path: Path) -> None:
    rows, verdicts = tmp_path / "rows.jsonl", tmp_path / "verdicts.csv"
    rows.write_text('{"id": "a", "prompt": "Hello"}\nnot json\n')
    done = command("check", "--input", str(rows), "--output", str(verdicts), "--model", model, "--mode", "fast")
    first, last = done.stderr.decode().splitlines()
    assert first == f"{rows}, line 2: not valid JSON: Expecting value at column 1"
    assert last in {
        "2 rows: 0 flagged, 1 not flagged, 1 could not be judged (line 2)",
        "2 rows: 1 flagged, 0 not flagged, 1 could not be judged (line 2)",
    }
    assert done.returncode == 2
    assert [line.split(",")[:2] for line in verdicts.read_text().splitlines()] == [
        ["id", "line"],
        ["a", "1"],
        ["", "2"],
    ]


def test_the_summary_of_a_file_is_one_json_record_too(model: str, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"prompt": ""}\n')
    files = ("--input", str(tmp_path / "rows.jsonl"), "--output", str(tmp_path / "verdicts.jsonl"))
    done = command("check", *files, "--model", model, "--json")
    assert json.loads(done.stdout) == {"rows": 1, "flagged": 0, "not_flagged": 0, "unjudged": [1]}


def test_wrong_column_is_one_sentence_that_names_the_columns(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("text,answer\nHello,Hi\n")
    files = ("--input", str(tmp_path / "rows.csv"), "--output", str(tmp_path / "out.csv"))
    assert error_of(*files, "--prompt-column", "text", "--response-column", "reply") == (
        f"error: {tmp_path}/rows.csv has no column 'reply'; its columns are text, answer"
    )


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("none/out.csv", "error: cannot write {0}/none/out.csv.partial: no such file or directory"),
        ("folder.csv", "error: cannot write {0}/folder.csv: it is a folder"),
        ("out.txt", "error: {0}/out.txt: expected a name that ends in .jsonl, .csv, .parquet, found .txt"),
        ("rows.csv", "error: --output {0}/rows.csv is the input file itself"),
    ],
)
def test_output_that_cannot_be_written_is_one_sentence(model: str, tmp_path: Path, output: str, sentence: str) -> None:
    (tmp_path / "rows.csv").write_text("prompt\nHello\n")
    (tmp_path / "folder.csv").mkdir()
    files = ("--input", str(tmp_path / "rows.csv"), "--output", str(tmp_path / output))
    assert error_of(*files, "--model", model) == sentence.format(tmp_path)
