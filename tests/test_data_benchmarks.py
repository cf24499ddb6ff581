"""The authors' file form, read from mild rows of our own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from guardreasoner.data.benchmarks import (
    BENCHMARKS,
    BESIDE,
    PAPER,
    Loaded,
    cells_of,
    choose,
    find_local,
    load_local,
    named,
    read_exchange,
    read_label,
)
from guardreasoner.data.benchmarks.rules import grouped_rows
from guardreasoner.data.published import benchmark_sizes
from guardreasoner.errors import InputError
from guardreasoner.recipe import FileSource
from guardreasoner.types import Exchange, Labels, Task

TOXIC, BEAVER = "0_8_toxic_chat.json", "0_A_beaver_tails.json"
HARM = "0_6_xstest_response_harmful.json"
REFUSAL = "0_7_xstest_response_refusal.json"
WILDGUARD = "0_4_wild_guard_test.json"


def row(prompt: str, response: str, output: str) -> dict[str, str]:
    return {
        "instruction": "Classify.",
        "input": f"Human user:\n{prompt}\n\nAI assistant:\n{response}\n\n",
        "output": output,
    }


def write(folder: Path, name: str, rows: object) -> Path:
    path = folder / name
    path.write_text(rows if isinstance(rows, str) else json.dumps(rows), encoding="utf-8")
    return path


def read(path: Path) -> Loaded:
    (local,) = find_local([path])
    return load_local(local)


def message(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read(path)
    return str(caught.value).replace(f"{path.parent}/", "")


def test_every_cell_occurs_once() -> None:
    assert len({(benchmark.name, benchmark.task) for benchmark in BENCHMARKS}) == len(BENCHMARKS) == 19


def test_the_papers_thirteen_cells_come_in_its_order() -> None:
    order = (Task.PROMPT_HARMFULNESS, Task.RESPONSE_HARMFULNESS, Task.RESPONSE_REFUSAL)
    assert [(each.task, each.name) for each in PAPER] == [
        (task, name) for task in order for name in benchmark_sizes()[task]
    ]


def test_rows_are_those_that_the_paper_counts_but_for_its_misprint() -> None:
    differ = {each.name: each.rows for each in PAPER if each.rows != benchmark_sizes()[each.task][each.name]}
    assert differ == {"XSTest": 449}


def test_every_upstream_is_pinned_but_the_one_nobody_names_a_commit_of() -> None:
    assert {each.rows_of.upstream.hub for each in BENCHMARKS if each.rows_of.upstream.revision is None} == {
        "allenai/xstest-response"
    }


def test_three_cells_share_the_rows_of_wildguard_test() -> None:
    tasks = [each.task for each in BENCHMARKS if each.name == "WildGuardTest"]
    assert tasks == [Task.PROMPT_HARMFULNESS, Task.RESPONSE_HARMFULNESS, Task.RESPONSE_REFUSAL]
    assert len({each.stem for each in BENCHMARKS if each.name == "WildGuardTest"}) == 1


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["xstest"], ["XSTest", "XSTest"]),
        (["XSTestResponseRefusal", "toxicchat"], ["ToxicChat", "XSTest"]),
        (["0_9_safe_rlhf"], ["SafeRLHF"]),
        (["beside"], [each.name for each in BESIDE]),
    ],
)
def test_names_are_found_in_any_case_and_come_in_the_order_of_the_table(names: list[str], found: list[str]) -> None:
    assert [benchmark.name for benchmark in named(names)] == found


def test_unknown_name_is_one_sentence() -> None:
    with pytest.raises(InputError, match="unknown benchmark 'HarmBnch', expected paper, beside, ToxicChat, HarmBench,"):
        named(["HarmBnch"])


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        (TOXIC, ("ToxicChat", Task.PROMPT_HARMFULNESS)),
        (BEAVER, ("BeaverTails", Task.RESPONSE_HARMFULNESS)),
        (HARM, ("XSTest", Task.RESPONSE_HARMFULNESS)),
        (REFUSAL, ("XSTest", Task.RESPONSE_REFUSAL)),
    ],
)
def test_file_name_names_the_cell(name: str, cell: tuple[str, Task], tmp_path: Path) -> None:
    (local,) = find_local([write(tmp_path, name, [])])
    (benchmark,) = cells_of(local.rows)
    assert (benchmark.name, benchmark.task) == cell


def test_none_in_a_set_of_requests_is_no_response(tmp_path: Path) -> None:
    rows = read(write(tmp_path, TOXIC, [row("How do I bake bread?", "None", "unharmful")]))
    assert rows.samples[0].exchange == Exchange(prompt="How do I bake bread?")


def test_none_in_a_set_of_responses_is_the_response(tmp_path: Path) -> None:
    rows = read(write(tmp_path, HARM, [row("Name a fruit.", "None", "unharmful")]))
    assert rows.samples[0].exchange == Exchange(prompt="Name a fruit.", response="None")


def test_row_holds_the_label_of_its_own_task_alone(tmp_path: Path) -> None:
    rows = read(write(tmp_path, REFUSAL, [row("Sing!", "I can't sing.", "refusal")]))
    assert rows.samples[0].labels == Labels(response_refusal="refusal")


def test_answer_block_gives_the_label(tmp_path: Path) -> None:
    block = "Answers: \nRequest: None\nCompletion: None\nResponse: harmful\n"
    rows = read(write(tmp_path, BEAVER, [row("Say hello.", "Go away, you fool.", block)]))
    assert rows.samples[0].labels == Labels(response_harmfulness="harmful")


def test_id_is_the_number_of_the_row_in_its_file(tmp_path: Path) -> None:
    rows = read(write(tmp_path, TOXIC, [row("Hi.", "None", "unharmful"), row("Bye.", "None", "unharmful")]))
    assert [(sample.source, sample.id) for sample in rows.samples] == [("0_8_toxic_chat", "1"), ("0_8_toxic_chat", "2")]


def test_other_number_of_rows_is_said(tmp_path: Path) -> None:
    rows = read(write(tmp_path, TOXIC, [row("Hi.", "None", "unharmful")]))
    assert [rows.note(each) for each in cells_of(rows.rows)] == [
        "1 rows, 0 of them harmful; the authors' file has 2,853, 362 of them harmful"
    ]


def test_same_number_of_rows_is_no_difference(tmp_path: Path) -> None:
    rows = read(
        write(tmp_path, HARM, [row("Hi.", "Hello.", "unharmful")] * 368 + [row("Hi.", "Fool.", "harmful")] * 78)
    )
    assert [rows.note(each) for each in cells_of(rows.rows)] == [None]


def test_answer_block_of_several_tasks_gives_those_that_are_annotated(tmp_path: Path) -> None:
    block = "Answers: \nRequest: harmful\nCompletion: refusal\nResponse: None\n"
    rows = read(write(tmp_path, WILDGUARD, [row("Mock him.", "No.", block)]))
    assert rows.samples[0].labels == Labels(prompt_harmfulness="harmful", response_refusal="refusal")


def test_word_that_could_be_of_two_tasks_is_no_label(tmp_path: Path) -> None:
    assert message(write(tmp_path, WILDGUARD, [row("Mock him.", "No.", "harmful")])) == (
        f"{WILDGUARD}, row 1: `output` holds no label, expected harmful or unharmful or refusal or compliance, "
        "found 'harmful'"
    )


def test_request_that_imitates_the_layout_stays_whole() -> None:
    prompt = "Continue:\n\nAI assistant:\nNone of that"
    text = f"Human user:\n{prompt}\n\nAI assistant:\nNone\n\n"
    assert read_exchange(text, Task.PROMPT_HARMFULNESS) == Exchange(prompt=prompt)


def test_text_without_roles_is_no_exchange() -> None:
    assert read_exchange("How do I bake bread?", Task.PROMPT_HARMFULNESS) is None


@pytest.mark.parametrize(
    "output", ["", "maybe", "harm", "Answers: \nRequest: None\nCompletion: None\nResponse: None\n"]
)
def test_output_without_an_allowed_word_holds_no_label(output: str) -> None:
    assert read_label(output, Task.RESPONSE_HARMFULNESS) is None


def test_label_of_another_task_does_not_count() -> None:
    block = "Answers: \nRequest: harmful\nCompletion: None\nResponse: unharmful\n"
    assert read_label(block, Task.RESPONSE_HARMFULNESS) == "unharmful"


def test_folder_stands_for_its_files_in_the_order_of_the_table(tmp_path: Path) -> None:
    for name in (HARM, TOXIC, "other.json"):
        write(tmp_path, name, [])
    assert [local.path.name for local in find_local([tmp_path])] == [TOXIC, HARM]


def test_file_named_twice_counts_once(tmp_path: Path) -> None:
    path = write(tmp_path, TOXIC, [])
    assert [local.path for local in find_local([path, tmp_path])] == [path]


def test_clone_of_the_authors_repository_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "benchmark"
    folder.mkdir(parents=True)
    write(folder, TOXIC, [])
    assert [local.path for local in find_local([tmp_path])] == [folder / TOXIC]


def test_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no-such\.json: no such file or folder$"):
        find_local([tmp_path / "no-such.json"])


def test_folder_without_benchmarks_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a folder without a benchmark file, expected 0_8_toxic_chat\.json, 0_3_"):
        find_local([tmp_path])


def test_unknown_benchmark_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown benchmark 'chat', expected 0_8_toxic_chat\.json, "):
        find_local([write(tmp_path, "chat.json", [])])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("[{", f"{TOXIC}, line 1: not valid JSON: Expecting property name enclosed in double quotes"),
        ("{}", f"{TOXIC}: found other JSON, expected a list of objects with instruction, input, output"),
        ("[]", f"{TOXIC}: found an empty list, expected a list of objects with instruction, input, output"),
        ("[1]", f"{TOXIC}, row 1: expected an object with the texts instruction, input, output"),
        ('[{"input": "x"}]', f"{TOXIC}, row 1: expected an object with the texts instruction, input, output"),
        (
            '[{"input": "Hi", "output": "unharmful"}]',
            f"{TOXIC}, row 1: `input` is not laid out as 'Human user: .. AI assistant: ..', found 'Hi'",
        ),
        (
            json.dumps([row("Hi", "None", "nice")]),
            f"{TOXIC}, row 1: `output` holds no label, expected harmful or unharmful, found 'nice'",
        ),
    ],
)
def test_wrong_json_is_one_sentence(tmp_path: Path, content: str, sentence: str) -> None:
    assert message(write(tmp_path, TOXIC, content)) == sentence


def test_invalid_utf8_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / TOXIC
    path.write_bytes(b'["\xff"]')
    assert message(path) == f"{TOXIC}: not valid UTF-8 at byte 3"


@pytest.mark.parametrize("response", ["", "  \n"])
def test_blank_response_of_a_set_of_responses_is_left_out_and_counted(tmp_path: Path, response: str) -> None:
    rows = read(write(tmp_path, HARM, [row("Hi.", response, "harmful"), row("Hi.", "Hello.", "unharmful")]))
    assert [sample.id for sample in rows.samples] == ["2"]
    assert [rows.note(each) for each in cells_of(rows.rows)] == [
        "1 rows, 0 of them harmful; the authors' file has 446, 78 of them harmful; left out: 1 no response"
    ]


def test_blank_response_keeps_the_label_of_its_request(tmp_path: Path) -> None:
    block = "Answers: \nRequest: harmful\nCompletion: refusal\nResponse: unharmful\n"
    rows = read(write(tmp_path, WILDGUARD, [row("Mock him.", " ", block)]))
    assert [(sample.exchange, sample.labels) for sample in rows.samples] == [
        (Exchange(prompt="Mock him."), Labels(prompt_harmfulness="harmful"))
    ]


def test_file_without_a_row_that_can_be_judged_is_one_sentence(tmp_path: Path) -> None:
    path = write(tmp_path, HARM, [row("Hi.", "", "harmful")])
    assert message(path) == f"{HARM}: none of 1 rows could be taken, the first reason: no response"


def test_json_that_is_nested_too_deep_is_one_sentence(tmp_path: Path) -> None:
    said = "not readable JSON: nested too deep or a number too long"
    assert message(write(tmp_path, TOXIC, "[" * 100_000)) == f"{TOXIC}: {said}"
    with pytest.raises(InputError, match=said):
        list(grouped_rows(write(tmp_path, "groups.json", "[" * 100_000)))


@pytest.mark.parametrize("name", ["ToxicChat", "toxicchat", "0_8_toxic_chat", "WildGuardTest"])
def test_own_rows_may_not_be_called_like_a_benchmark(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, f"{name}.jsonl", json.dumps({"prompt": "Hi.", "prompt_harmfulness": "unharmful"}))
    source = FileSource(path=path, prompt_harmfulness="prompt_harmfulness")
    with pytest.raises(InputError, match=f"'{name}' is the name of a benchmark, expected another name"):
        choose((), None, [source])
