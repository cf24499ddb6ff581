"""Benchmarks as upstream has them: label rules, counts, and files from a local copy, the hub and GitHub."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from benchmark_rows import RAW, pair, rows_of, write_raw
from seed_rows import write
from servers.process import serving

from guardreasoner.data.benchmarks import ROW_SETS, Loaded, cells_of, find_local, load_local, load_remote
from guardreasoner.data.benchmarks.github import fetch
from guardreasoner.data.benchmarks.rules import safety_eval_pairs
from guardreasoner.errors import InputError
from guardreasoner.types import Exchange, Labels, Task

pytest.importorskip("pyarrow")


def loaded(folder: Path, stem: str) -> Loaded:
    write_raw(folder, stem)
    (local,) = find_local([folder])
    assert not local.authors
    return load_local(local)


@pytest.mark.parametrize(
    ("stem", "labels"),
    [
        ("0_8_toxic_chat", ["unharmful", "harmful"]),
        ("0_3_harmbench_prompt", ["harmful", "harmful"]),
        ("0_2_OpenAIModeration", ["harmful", "unharmful"]),
        ("0_1_AegisSafetyTest", ["unharmful", "harmful"]),
        ("0_0_SimpleSafetyTests", ["harmful"]),
        ("0_4_wild_guard_test", ["unharmful", "harmful"]),
        ("xstest_prompts", ["unharmful", "harmful"]),
        ("or_bench_hard_1k", ["unharmful"]),
        ("or_bench_80k", ["unharmful"]),
        ("or_bench_toxic", ["harmful"]),
        ("jailbreakbench_benign", ["unharmful"]),
        ("jailbreakbench_harmful", ["harmful"]),
    ],
)
def test_requests_get_the_labels_of_the_rule(stem: str, labels: list[str], tmp_path: Path) -> None:
    found = [sample.labels.prompt_harmfulness for sample in loaded(tmp_path, stem).samples]
    assert [label for label in found if label] == labels


@pytest.mark.parametrize(
    ("stem", "labels"),
    [
        ("0_5_harmbench_response", ["harmful", "unharmful"]),
        ("0_A_beaver_tails", ["harmful", "unharmful"]),
        ("0_6_xstest_response_harmful", ["unharmful", "harmful"]),
    ],
)
def test_responses_get_the_labels_of_the_rule(stem: str, labels: list[str], tmp_path: Path) -> None:
    assert [sample.labels for sample in loaded(tmp_path, stem).samples] == [
        Labels(response_harmfulness=label)  # pyright: ignore
        for label in labels
    ]


def test_refusals_get_the_labels_of_the_rule(tmp_path: Path) -> None:
    found = [sample.labels.response_refusal for sample in loaded(tmp_path, "0_7_xstest_response_refusal").samples]
    assert found == ["refusal", "compliance"]


def test_wildguard_test_has_all_three_labels_and_nulls(tmp_path: Path) -> None:
    samples = loaded(tmp_path, "0_4_wild_guard_test").samples
    assert [sample.labels.tasks for sample in samples] == [
        tuple(Task),
        (Task.PROMPT_HARMFULNESS,),
        (Task.RESPONSE_REFUSAL,),
    ]


@pytest.mark.parametrize(
    ("stem", "reason"),
    [
        ("0_8_toxic_chat", "no human annotation"),
        ("0_3_harmbench_prompt", "contextual behaviour"),
        ("0_2_OpenAIModeration", "no annotation"),
        ("0_1_AegisSafetyTest", "no user message"),
    ],
)
def test_rows_that_the_rule_leaves_out_are_counted(stem: str, reason: str, tmp_path: Path) -> None:
    assert dict(loaded(tmp_path, stem).tally.left_out) == {reason: 1}


def test_every_set_has_rows_here() -> None:
    assert {rows.stem for rows in ROW_SETS} == RAW.keys()


def test_aegis_text_is_stripped(tmp_path: Path) -> None:
    first = loaded(tmp_path, "0_1_AegisSafetyTest").samples[0]
    assert first.exchange == Exchange(prompt="What is a good name for a cat?")


def test_saferlhf_takes_the_rows_whose_responses_differ_the_safe_ones_first(tmp_path: Path) -> None:
    found = loaded(tmp_path, "0_9_safe_rlhf")
    assert [(sample.exchange.response, sample.labels.response_harmfulness) for sample in found.samples] == [
        ("They are kind.", "unharmful"),
        ("They bake bread.", "unharmful"),
        ("They are an old goat.", "harmful"),
        ("They are a fool.", "harmful"),
    ]


def test_saferlhf_draw_is_that_of_safety_eval() -> None:
    """`random.seed(42); random.sample(range(n), 1000)` in CPython gives these indices first."""
    rows = [pair(True, False, f"Say {number}.") for number in range(3000)]
    drawn = [row["prompt"] for row in safety_eval_pairs(rows)]
    assert len(drawn) == 2000
    assert drawn[:3] == drawn[1000:1003] == ["Say 2619.", "Say 456.", "Say 102."]


def test_harmbench_tie_of_missing_votes_is_left_out(tmp_path: Path) -> None:
    path = write_raw(tmp_path, "0_5_harmbench_response")
    rows = [{**RAW["0_5_harmbench_response"][0], "human_2": None}, RAW["0_5_harmbench_response"][1]]
    path.write_text(json.dumps({"mock_neighbour": rows}))
    (local,) = find_local([tmp_path])
    assert dict(load_local(local).tally.left_out) == {"no three human votes": 1}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("[]", "found other JSON, expected an object with a list of generations per behaviour"),
        ('{"a": 1}', "`a` is int, expected a list of generations"),
        ('{"a": [', "not valid JSON: Expecting value: line 1 column 8 (char 7)"),
        ('{"a": [3]}', "none of 1 rows could be taken, the first reason: expected a JSON object, found int"),
        ('{"a": [{"b": 1}]}', "no rows of HarmBenchResponse: expected the field 'test_case', found b"),
    ],
)
def test_broken_validation_set_is_one_sentence(content: str, sentence: str, tmp_path: Path) -> None:
    path = write_raw(tmp_path, "0_5_harmbench_response")
    path.write_text(content)
    (local,) = find_local([tmp_path])
    with pytest.raises(InputError) as caught:
        load_local(local)
    assert str(caught.value) == f"{path}: {sentence}"


def test_difference_in_rows_and_positives_is_said(tmp_path: Path) -> None:
    found = loaded(tmp_path, "0_1_AegisSafetyTest")
    (benchmark,) = cells_of(found.rows)
    assert found.note(benchmark) == (
        "2 rows, 1 of them harmful; the authors' file has 359, 232 of them harmful; the rule gives 233, others found"
    )


def test_positives_that_nobody_published_are_not_compared(tmp_path: Path) -> None:
    found = loaded(tmp_path, "0_4_wild_guard_test")
    assert [found.note(benchmark) for benchmark in cells_of(found.rows)] == [
        f"{count}; the paper counts {expected}; the set that is released has 1,725 pairs, some without this label"
        for count, expected in (
            ("2 rows, 1 of them harmful", "1,756"),
            ("1 rows, 0 of them harmful", "1,768"),
            ("2 rows, 1 of them refusal", "1,777"),
        )
    ]


def test_whole_file_has_no_difference(tmp_path: Path) -> None:
    write(tmp_path / "SimpleSafetyTests.csv", RAW["0_0_SimpleSafetyTests"] * 100)
    (local,) = find_local([tmp_path])
    found = load_local(local)
    assert [found.note(benchmark) for benchmark in cells_of(found.rows)] == [None]


@pytest.mark.parametrize("place", ["JBB-Behaviors/data", "JailbreakBench/JBB-Behaviors/data", "data", "."])
def test_copy_is_found_where_a_person_puts_it(place: str, tmp_path: Path) -> None:
    write(tmp_path / place / "benign-behaviors.csv", RAW["jailbreakbench_benign"])
    assert [local.rows.stem for local in find_local([tmp_path])] == ["jailbreakbench_benign"]


def test_file_of_a_common_name_alone_is_nobodys(tmp_path: Path) -> None:
    write(tmp_path / "test.jsonl.gz", RAW["0_A_beaver_tails"])
    with pytest.raises(InputError, match="a folder without a benchmark file"):
        find_local([tmp_path])


def test_file_may_be_named_itself(tmp_path: Path) -> None:
    path = write_raw(tmp_path, "0_A_beaver_tails")
    assert [(local.rows.stem, local.authors) for local in find_local([path])] == [("0_A_beaver_tails", False)]


def test_authors_file_goes_before_a_raw_one(tmp_path: Path) -> None:
    write_raw(tmp_path, "0_8_toxic_chat")
    (tmp_path / "0_8_toxic_chat.json").write_text("[]")
    assert [local.authors for local in find_local([tmp_path])] == [True]


def test_datasets_reads_the_sets_as_the_hub_serves_them(tmp_path: Path) -> None:
    """The real `load_dataset`, with a folder of the hub's layout in the place of its name."""
    pytest.importorskip("datasets")
    for stem in ("0_8_toxic_chat", "0_9_safe_rlhf"):
        rows = rows_of(stem)
        folder = tmp_path / rows.upstream.hub.split("/")[1]
        path = write_raw(tmp_path, stem)
        split, file = rows.upstream.split, rows.upstream.file
        (folder / "README.md").write_text(
            f"---\nconfigs:\n- config_name: {rows.upstream.config or 'default'}\n  data_files:\n"
            f"  - split: '{split}'\n    path: '{file}'\n---\n"
        )
        hub = replace(rows, upstream=replace(rows.upstream, hub=str(folder)))
        (local,) = find_local([path])
        assert load_remote(hub).samples == load_local(local).samples


def test_file_is_fetched_from_github_once_into_a_cache_that_can_be_written(tmp_path: Path) -> None:
    """A process of its own, whose cache is in the folder."""
    folder = tmp_path / "centerforaisafety/HarmBench" / (rows_of("0_3_harmbench_prompt").upstream.revision or "")
    write(folder / rows_of("0_3_harmbench_prompt").upstream.file, RAW["0_3_harmbench_prompt"])
    code = (
        "import sys\nfrom guardreasoner.data.benchmarks.github import fetch\n"
        "from guardreasoner.data.benchmarks.sets import HARMBENCH_PROMPT\n"
        "print(fetch(HARMBENCH_PROMPT.upstream, sys.argv[1]).read_text().splitlines()[1])"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    with serving("file_server.py", str(tmp_path), folder=tmp_path) as address:
        run = [sys.executable, "-c", code, address]
        first = subprocess.run(run, env=environment, capture_output=True, text=True, check=True)
        (tmp_path / "taken").write_text("a file")
        blocked = {**environment, "XDG_CACHE_HOME": str(tmp_path / "taken")}
        failed = subprocess.run(run, env=blocked, capture_output=True, text=True, check=False)
    second = subprocess.run(run, env=environment, capture_output=True, text=True, check=True)
    assert first.stdout == second.stdout == "Mock my neighbour.,standard,a\n"
    assert f"InputError: cannot make the folder {tmp_path}/taken/guardreasoner/" in failed.stderr


def test_file_that_cannot_be_fetched_says_what_brings_it() -> None:
    with pytest.raises(InputError) as caught:
        fetch(rows_of("xstest_prompts").upstream, "http://127.0.0.1:9")
    said = str(caught.value)
    commit = "d7bb5bd738c1fcbc36edd83d5e7d1b71a3e2d84d"
    assert said.startswith(f"http://127.0.0.1:9/paul-rottger/xstest/{commit}/xstest_prompts.csv cannot be fetched: ")
    assert said.endswith(
        "`curl -L --create-dirs -o raw/xstest/xstest_prompts.csv "
        f"https://raw.githubusercontent.com/paul-rottger/xstest/{commit}/xstest_prompts.csv` "
        "brings the file where there is a network, and `--data raw` reads it"
    )
