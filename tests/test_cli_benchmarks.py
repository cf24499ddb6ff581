"""`guardreasoner benchmarks`, and `guardreasoner evaluate` over what it lists and over labelled files of one's own."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from benchmark_rows import write_raw
from blocks import ROOT
from seed_rows import write
from servers.process import serving
from tiny import make_tiny_checkpoint
from typer.testing import CliRunner, Result

from guardreasoner.cli import app
from guardreasoner.report.evaluation import Evaluation
from guardreasoner.training.export import export

OWN = [
    {"text": "How do I bake rye bread?", "toxic": 0},
    {"text": "Mock the shy boy for me.", "toxic": 1},
    {"text": "Hello.", "toxic": 0},
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("model")
    export(make_tiny_checkpoint(tmp_path_factory.mktemp("checkpoint")), out, name="tiny-guard")
    return out


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


def listed(*arguments: object) -> dict[tuple[str, str], dict[str, Any]]:
    entries = json.loads(invoke("benchmarks", "--json", *arguments).stdout)
    return {(entry["benchmark"], entry["task"]): entry for entry in entries}


def evaluated(*arguments: object) -> list[tuple[str, str, int]]:
    shown = invoke("evaluate", "--mode", "fast", "--json", *arguments)
    assert shown.exception is None, shown.exception
    report = Evaluation.model_validate_json(shown.stdout)
    return [(cell.benchmark, cell.task.value, cell.score.n) for cell in report.cells]


def refusal(*arguments: object) -> str:
    return str(invoke("evaluate", *arguments).exception)


# The list


def test_list_has_a_line_per_benchmark() -> None:
    lines = invoke("benchmarks").stdout.splitlines()
    assert lines[0].split() == ["benchmark", "task", "rows", "positive", "where", "terms"]
    assert len([line for line in lines if not line.startswith("#")]) == 20
    assert lines[1].split() == ["ToxicChat", "prompt_harmfulness", "2,853", "362", "missing", "CC-BY-NC-4.0"]


def test_gated_set_says_where_to_accept_terms_and_how_to_log_in() -> None:
    assert listed()["WildGuardTest", "response_refusal"]["get"] == (
        "accept the terms at https://huggingface.co/datasets/allenai/wildguardmix, run `hf auth login`, then "
        '`hf download allenai/wildguardmix "test/wildguard_test.parquet" --repo-type dataset '
        "--revision d29c47f41c8b51348b5c8e8c81c039b3132b66d1 --local-dir data/wildguardmix`"
    )


def test_file_that_is_there_is_counted_and_its_difference_said(tmp_path: Path) -> None:
    write_raw(tmp_path, "0_0_SimpleSafetyTests")
    entry = listed("--data", tmp_path)["SimpleSafetyTests", "prompt_harmfulness"]
    assert (entry["form"], entry["get"]) == ("upstream", None)
    assert entry["difference"] == "1 rows, 1 of them harmful; the authors' file has 100, 100 of them harmful"


def test_file_that_cannot_be_read_is_listed_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "0_8_toxic_chat.json").write_text("[{")
    lines = invoke("benchmarks", "--data", tmp_path).stdout.splitlines()
    assert lines[1].split()[4] == "unreadable"
    assert next(line for line in lines if line.startswith("# ToxicChat, ")).endswith(
        "0_8_toxic_chat.json, line 1: not valid JSON: Expecting property name enclosed in double quotes"
    )


def test_folder_without_any_benchmark_is_where_they_will_go(tmp_path: Path) -> None:
    entry = listed("--data", tmp_path)["JailbreakBenchBenign", "prompt_harmfulness"]
    assert entry["get"].endswith(f"--local-dir {tmp_path}/JBB-Behaviors`")


def test_page_holds_the_table_of_the_code() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "make_benchmarks.py"))["page"]()
    assert (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8") == made, "stale: run `make docs`"


# Benchmarks to judge


def test_cells_that_share_rows_are_judged_once(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    write_raw(tmp_path / "data", "0_4_wild_guard_test")
    out = tmp_path / "out"
    assert evaluated("--model", model, "--data", tmp_path / "data", "--output", out) == [
        ("WildGuardTest", "prompt_harmfulness", 2),
        ("WildGuardTest", "response_harmfulness", 1),
        ("WildGuardTest", "response_refusal", 2),
    ]
    predictions = out / "predictions" / "0_4_wild_guard_test.fast.jsonl"
    assert len(predictions.read_text().splitlines()) == 3


def test_named_benchmarks_are_judged_alone(model: Path, tmp_path: Path) -> None:
    for stem in ("0_0_SimpleSafetyTests", "xstest_prompts", "or_bench_hard_1k"):
        write_raw(tmp_path / "data", stem)
    arguments = ("--model", model, "--data", tmp_path / "data", "--output", tmp_path / "out")
    assert evaluated(*arguments, "--benchmarks", "orbenchhard1k, XSTestPrompts") == [
        ("XSTestPrompts", "prompt_harmfulness", 2),
        ("ORBenchHard1k", "prompt_harmfulness", 1),
    ]


def test_named_benchmark_that_is_not_there_says_what_brings_it(tmp_path: Path) -> None:
    write_raw(tmp_path, "xstest_prompts")
    assert refusal("--data", tmp_path, "--benchmarks", "SimpleSafetyTests") == (
        "SimpleSafetyTests: no file of it in --data; `hf download Bertievidgen/SimpleSafetyTests "
        '"sst_test_cases.csv" --repo-type dataset --revision 98223c5d8c4059c8f4d8fe2fec8720ee8a20d3c5 '
        "--local-dir data/SimpleSafetyTests` brings it, or --hub loads it"
    )


def test_without_the_hub_the_rest_is_judged_and_what_is_left_out_is_said(model: Path, tmp_path: Path) -> None:
    """A process of its own, for which there is no network."""
    pytest.importorskip("datasets")
    write_raw(tmp_path / "data", "0_0_SimpleSafetyTests")
    for stem in ("0_3_harmbench_prompt", "0_5_harmbench_response"):
        write_raw(tmp_path / "data", stem)
    arguments = ["--model", model, "--data", tmp_path / "data", "--hub", "--mode", "fast", "--output", tmp_path / "out"]
    done = subprocess.run(
        [sys.executable, "-m", "guardreasoner", "evaluate", *map(str, arguments)],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert [line.split()[0] for line in done.stdout.splitlines()[1:4]] == ["set", "HarmBench", "SimpleSafetyTests"]
    left_out = [line for line in done.stderr.splitlines() if line.startswith("left out: ")]
    assert len(left_out) == 8
    assert left_out[0].startswith("left out: cannot reach the hub for lmsys/toxic-chat; `hf download lmsys/toxic-chat ")


# Files of one's own


def test_own_file_is_judged_by_the_columns_that_are_named(model: Path, tmp_path: Path) -> None:
    own = write(tmp_path / "mine.csv", OWN)
    columns = ("--column", "prompt=text", "--column", "prompt_harmfulness=toxic")
    values = ("--value", "1=harmful", "--value", "toxic:0=unharmful")
    arguments = ("--model", model, "--file", own, *columns, *values, "--output", tmp_path / "out")
    assert evaluated(*arguments) == [("mine", "prompt_harmfulness", 3)]


def test_columns_of_the_tasks_names_need_no_option(model: Path, tmp_path: Path) -> None:
    rows = [
        {"prompt": "Sing!", "response": "No.", "response_refusal": "refusal", "prompt_harmfulness": "unharmful"},
        {"prompt": "Dance!", "response": None, "response_refusal": "refusal", "prompt_harmfulness": None},
    ]
    own = write(tmp_path / "mine.jsonl", rows)
    assert evaluated("--model", model, "--file", own, "--output", tmp_path / "out") == [
        ("mine", "prompt_harmfulness", 1),
        ("mine", "response_refusal", 1),
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--column", "prompt=text"], "--column is about the rows of --file, which is not given"),
        (["--file", "mine.csv"], "mine.csv: no labels, expected a column prompt_harmfulness, response_refusal, "),
        (["--file", "mine.csv", "--column", "harm=toxic"], "--column harm=toxic: expected FIELD=COLUMN, FIELD one of "),
        (["--file", "mine.csv", "--value", "1"], "--value 1: expected VALUE=LABEL or COLUMN:VALUE=LABEL"),
        (["--file", "none.csv"], "cannot read none.csv: no such file or directory"),
        (
            ["--file", "mine.csv", "--column", "prompt=text", "--column", "prompt_harmfulness=toxic"],
            "mine.csv, line 2: `toxic` holds '0', expected harmful or unharmful",
        ),
    ],
)
def test_wrong_own_file_is_one_sentence(arguments: list[str], sentence: str, tmp_path: Path) -> None:
    write(tmp_path / "mine.csv", OWN)
    places = [tmp_path / argument if argument.endswith(".csv") else argument for argument in arguments]
    assert refusal(*places).replace(f"{tmp_path}/", "").startswith(sentence)


def test_two_files_of_one_name_are_one_sentence(tmp_path: Path) -> None:
    rows = [{"prompt": "Hi.", "prompt_harmfulness": "unharmful"}]
    paths = [write(tmp_path / folder / "mine.jsonl", rows) for folder in ("a", "b")]
    assert refusal("--file", paths[0], "--file", paths[1]) == (
        "two sets have the name 'mine', expected a name of its own for each file"
    )


# Replicas


TOPS = {"": {" unharmful": -0.2, " harmful": -1.8}}


def test_batches_go_to_two_servers(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    rows = [{"prompt": f"Say {number}.", "prompt_harmfulness": "unharmful"} for number in range(12)]
    own = write(tmp_path / "mine.jsonl", rows)
    with serving("faulty_server.py", folder=tmp_path) as one, serving("faulty_server.py", folder=tmp_path / "b") as two:
        for address in (one, two):
            set_up(address, tops=TOPS, seconds=0.02)
        servers = ("--model", one, "--replica", two, "--batch-size", 1)
        assert evaluated(*servers, "--file", own, "--output", tmp_path / "out") == [("mine", "prompt_harmfulness", 12)]
        counts = [len(seen(address)) for address in (one, two)]
    assert sum(counts) == 12
    assert min(counts) >= 2
    kept = [json.loads(line) for line in (tmp_path / "out/predictions/mine.fast.jsonl").read_text().splitlines()]
    assert sorted(row["id"] for row in kept) == sorted(f"mine-{number}" for number in range(1, 13))
    assert {row["batch_size"] for row in kept} == {1}


def test_server_that_fails_is_left_out_and_its_batch_goes_to_the_other(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    rows = [{"prompt": f"Say {number}.", "prompt_harmfulness": "unharmful"} for number in range(8)]
    own = write(tmp_path / "mine.jsonl", rows)
    with serving("faulty_server.py", folder=tmp_path) as one, serving("faulty_server.py", folder=tmp_path / "b") as two:
        set_up(one, tops=TOPS, seconds=0.02)
        set_up(two, tops=TOPS, schedule=[{}, {"status": 401, "body": {"error": {"message": "no key"}}}])
        servers = ("--model", one, "--replica", two, "--batch-size", 1, "--mode", "fast", "--output", tmp_path / "out")
        shown = invoke("evaluate", *servers, "--file", own)
        counts = [len(seen(address)) for address in (one, two)]
    assert counts == [7, 2]
    assert "a replica failed and is left out: " in " ".join(shown.stderr.split())
    assert len((tmp_path / "out/predictions/mine.fast.jsonl").read_text().splitlines()) == 8


def test_replica_of_another_model_is_one_sentence(model: Path, tmp_path: Path) -> None:
    own = write(tmp_path / "mine.jsonl", [{"prompt": "Hi.", "prompt_harmfulness": "unharmful"}])
    with serving("faulty_server.py", folder=tmp_path) as address:
        set_up(address, tops=TOPS)
        said = refusal("--model", model, "--replica", address, "--file", own, "--format", "nano", "--output", tmp_path)
    assert said == "a replica has model 'small', expected 'tiny-guard' as the first has it"


def set_up(address: str, **plan: Any) -> None:
    httpx.post(f"{address}/setup", json=plan).raise_for_status()


def seen(address: str) -> list[Any]:
    return httpx.get(f"{address}/seen").json()["requests"]
