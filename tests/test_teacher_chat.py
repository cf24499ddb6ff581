"""`guardreasoner synthesize` with a chat teacher: a real server that answers well, wrongly, late, or not at all."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from servers.process import serving
from teaching import Job, Teacher

from guardreasoner.types import TeacherAnswer

pytest.importorskip("openai")

Said = Callable[[], str]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving("teacher_server.py", folder=tmp_path_factory.mktemp("teacher")) as found:
        yield found


@pytest.fixture
def teacher(address: str, monkeypatch: pytest.MonkeyPatch) -> Teacher:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    found = Teacher(address)
    found.plan()
    return found


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """What the command wrote to standard error since it was last asked."""
    return lambda: " ".join(capsys.readouterr().err.split())


# Answers


def test_every_sample_is_asked_and_taught(teacher: Teacher, tmp_path: Path) -> None:
    job = Job(tmp_path, teacher.address, rows=20)
    assert job.run() == 0
    assert set(job.outcomes.values()) == {"answered"}
    assert job.taught == [f"row-{number}" for number in range(20)]
    assert teacher.times == [1] * 20


def test_a_request_says_what_the_recipe_says(teacher: Teacher, tmp_path: Path) -> None:
    Job(tmp_path, teacher.address, rows=1, teacher="temperature = 0.5\nmax_tokens = 300").run()
    (request,) = teacher.requests
    body = request["body"]
    assert {name: body[name] for name in body if name != "messages"} == {
        "model": "teacher",
        "temperature": 0.5,
        "max_tokens": 300,
    }
    assert [message["role"] for message in body["messages"]] == ["system", "user"]


def test_a_temperature_that_is_not_wanted_is_not_sent(teacher: Teacher, tmp_path: Path) -> None:
    Job(tmp_path, teacher.address, rows=1, teacher='temperature = "default"').run()
    assert "temperature" not in teacher.requests[0]["body"]


def test_an_answer_on_disk_is_a_record_with_its_tokens(teacher: Teacher, tmp_path: Path) -> None:
    job = Job(tmp_path, teacher.address, rows=1)
    job.run()
    answer = TeacherAnswer.model_validate(job.answers[0])
    assert answer.text.endswith("Answers:\nRequest: unharmful\nCompletion: compliance\nResponse: unharmful")
    assert answer.completion_tokens == len(answer.text) // 4
    assert not answer.batched


def test_tokens_are_estimated_where_the_server_counts_none(teacher: Teacher, tmp_path: Path) -> None:
    teacher.plan(usage=False)
    job = Job(tmp_path, teacher.address, rows=1)
    job.run()
    assert job.answers[0]["completion_tokens"] == -(-len(job.answers[0]["text"]) // 4)


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [("refusal", "refused"), ("filter", "filtered"), ("filtered_400", "filtered"), ("length", "cut")],
)
def test_what_the_teacher_would_not_say_is_recorded_and_not_asked_again(
    fault: str, outcome: str, teacher: Teacher, tmp_path: Path
) -> None:
    teacher.plan(script=[fault])
    job = Job(tmp_path, teacher.address, rows=1)
    assert (job.run(), job.run()) == (0, 0)
    assert job.outcomes == {"row-0": outcome}
    assert teacher.times == [1]
    assert job.taught == []


def test_an_unreadable_answer_is_kept_and_not_taught(teacher: Teacher, tmp_path: Path) -> None:
    teacher.plan(script=["unreadable"])
    job = Job(tmp_path, teacher.address, rows=1)
    assert job.run() == 0
    assert (job.outcomes, job.taught) == ({"row-0": "answered"}, [])


# Failures that pass, and those that do not


@pytest.mark.parametrize("fault", ["429", "500", "503", "drop", "half", "empty", "page", "silent"])
def test_a_passing_fault_is_tried_again(fault: str, teacher: Teacher, tmp_path: Path) -> None:
    teacher.plan(script=[fault])
    job = Job(tmp_path, teacher.address, rows=1)
    assert job.run() == 0
    assert (job.outcomes, teacher.times) == ({"row-0": "answered"}, [2])


def test_a_server_that_hangs_is_given_up_after_the_timeout(teacher: Teacher, tmp_path: Path) -> None:
    teacher.plan(script=["hang"], hang=30)
    job = Job(tmp_path, teacher.address, rows=1, teacher="timeout = 0.3")
    started = time.monotonic()
    assert job.run() == 0
    assert time.monotonic() - started < 10
    assert (job.outcomes, teacher.times) == ({"row-0": "answered"}, [2])


def test_retry_after_is_waited_for(teacher: Teacher, tmp_path: Path) -> None:
    teacher.plan(script=["429"], retry_after="0.7")
    Job(tmp_path, teacher.address, rows=1).run()
    first, second = (request["at"] for request in teacher.requests)
    assert second - first >= 0.7


def test_all_calls_wait_when_the_server_says_so(teacher: Teacher, tmp_path: Path) -> None:
    teacher.plan(script=["429"], retry_after="0.7")
    Job(tmp_path, teacher.address, rows=3, concurrency=1).run()
    moments = [request["at"] for request in teacher.requests]
    assert moments[1] - moments[0] >= 0.7


def test_what_never_works_is_recorded_as_failed_and_asked_again_next_time(
    teacher: Teacher, tmp_path: Path, said: Said
) -> None:
    teacher.plan(script=["500", "500"])
    job = Job(tmp_path, teacher.address, rows=1, teacher="attempts = 2")
    assert job.run() == 0
    assert job.answers[0]["outcome"] == "failed"
    assert job.answers[0]["detail"] == "2 calls, the last: status 500: fault 500"
    assert "1 failed; run it again to ask the failed ones again" in said()
    assert job.run() == 0
    assert (job.outcomes, job.taught, teacher.times) == ({"row-0": "answered"}, ["row-0"], [3])


def test_being_told_to_wait_is_no_failure(teacher: Teacher, tmp_path: Path) -> None:
    teacher.plan(script=["429"] * 3, retry_after="0")
    job = Job(tmp_path, teacher.address, rows=1, teacher="attempts = 1")
    assert job.run() == 0
    assert job.outcomes == {"row-0": "answered"}


def test_a_sample_that_does_not_fit_does_not_stop_the_others(teacher: Teacher, tmp_path: Path) -> None:
    teacher.plan(script=["too_long"])
    job = Job(tmp_path, teacher.address, rows=5, concurrency=1)
    assert job.run() == 0
    assert sorted(job.outcomes.values()) == ["answered"] * 4 + ["failed"]


def test_no_more_calls_are_under_way_than_the_server_bears_in_the_end(teacher: Teacher, tmp_path: Path) -> None:
    teacher.plan(allowed=3, median=0.02, retry_after="0.05")
    job = Job(tmp_path, teacher.address, rows=40, concurrency=16)
    assert job.run() == 0
    assert set(job.outcomes.values()) == {"answered"}
    assert teacher.most_active <= 3


def test_concurrency_is_what_the_recipe_allows(teacher: Teacher, tmp_path: Path) -> None:
    teacher.plan(median=0.05)
    Job(tmp_path, teacher.address, rows=30).run()
    assert teacher.most_active == 8


def test_a_server_that_is_down_ends_the_run(teacher: Teacher, tmp_path: Path, said: Said) -> None:
    teacher.plan(lasting={"500": 1.0})
    job = Job(tmp_path, teacher.address, rows=60, teacher="attempts = 1")
    assert job.run() == 2
    assert "25 samples in a row got no answer, the last after 1 call, the last: status 500: fault 500" in said()
    assert len(job.answers) < 60


def test_nothing_listening_is_one_sentence(tmp_path: Path, teacher: Teacher) -> None:
    job = Job(tmp_path, "http://127.0.0.1:9/v1", rows=1, teacher="attempts = 1")
    assert job.run() == 0
    assert job.answers[0]["detail"] == "1 call, the last: no connection"


# Errors that end the run at once


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [
        (
            {"key": "right"},
            "status 401: Incorrect API key provided: none; OPENAI_API_KEY is not set, it may hold a key",
        ),
        ({"model": "other"}, "status 404: The model `teacher` does not exist; `teacher.model` is 'teacher'"),
        ({"refuses": "temperature"}, "status 400: Unsupported parameter: 'temperature' is not supported"),
        ({"script": ["quota"]}, "status 429: You exceeded your current quota"),
        ({"script": ["402"]}, "status 402: fault 402"),
    ],
)
def test_what_no_patience_cures_stops_with_one_sentence(
    plan: dict[str, Any], sentence: str, teacher: Teacher, tmp_path: Path, said: Said
) -> None:
    teacher.plan(**plan)
    job = Job(tmp_path, teacher.address, rows=200, concurrency=2)
    assert job.run() == 2
    words = said()
    assert sentence in words
    assert "Traceback" not in words
    assert sum(teacher.times) <= 4


def test_a_refused_request_after_answers_is_that_sample_alone(teacher: Teacher, tmp_path: Path) -> None:
    teacher.plan(script=[None, "400"])
    job = Job(tmp_path, teacher.address, rows=4, concurrency=1)
    assert job.run() == 0
    assert job.outcomes == {"row-0": "answered", "row-1": "failed", "row-2": "answered", "row-3": "answered"}


def test_the_key_is_sent_and_never_shown(
    teacher: Teacher, tmp_path: Path, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-secret-key")
    teacher.plan(key="sk-other")
    job = Job(tmp_path, teacher.address, rows=1, teacher='api_key_env = "MY_KEY"')
    assert job.run() == 2
    words = said()
    assert "Incorrect API key provided: ***; MY_KEY holds no key that it accepts" in words
    teacher.plan(key="sk-secret-key")
    assert job.run() == 0


def test_openai_without_a_key_is_one_sentence(teacher: Teacher, tmp_path: Path, said: Said) -> None:
    job = Job(tmp_path, teacher.address)
    job.recipe.write_text(job.recipe.read_text().replace(f"base_url = '{teacher.address}'", ""))
    assert job.run() == 2
    assert "no key for OpenAI: the environment variable OPENAI_API_KEY" in said()


def test_an_address_that_is_none_is_one_sentence(teacher: Teacher, tmp_path: Path, said: Said) -> None:
    assert Job(tmp_path, "localhost:8000").run() == 2
    assert "`teacher.base_url`: found 'localhost:8000', expected an address such as" in said()


def test_a_server_that_names_the_token_limit_otherwise_is_asked_so(teacher: Teacher, tmp_path: Path) -> None:
    teacher.plan(refuses="max_tokens")
    assert Job(tmp_path, teacher.address, rows=3).run() == 0
    assert "max_completion_tokens" in teacher.requests[-1]["body"]


@pytest.mark.parametrize("options", ["", "'--batch'"])
def test_without_the_client_the_cure_is_named(options: str, teacher: Teacher, tmp_path: Path) -> None:
    job = Job(tmp_path, teacher.address)
    code = (
        "import sys; sys.modules['openai'] = None\n"
        "from guardreasoner.cli import status_of\n"
        f"sys.exit(status_of(['synthesize', {str(job.recipe)!r}, {options}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "error: the chat teacher needs `pip install 'guardreasoner[synthesis]'`"


# Going on


def test_answers_to_other_questions_are_not_used(teacher: Teacher, tmp_path: Path) -> None:
    job = Job(tmp_path, teacher.address, rows=2)
    job.run()
    (job.folder / "recipe.json").unlink()
    assert job.run("--set", "teacher.max_tokens=100") == 0
    assert len(job.answers) == 4
    assert len({answer["digest"] for answer in job.answers}) == 4


def test_how_the_teacher_is_reached_may_change_between_runs(teacher: Teacher, tmp_path: Path) -> None:
    job = Job(tmp_path, teacher.address, rows=2)
    job.run()
    assert (
        job.run("--set", "teacher.concurrency=3", "--set", "teacher.price_prompt=1", "--set", "teacher.timeout=9") == 0
    )
    assert len(job.answers) == 2


def test_a_torn_line_is_asked_again(teacher: Teacher, tmp_path: Path) -> None:
    job = Job(tmp_path, teacher.address, rows=3)
    job.run()
    whole = (job.folder / "answers.jsonl").read_bytes()
    (job.folder / "answers.jsonl").write_bytes(whole[:-40])
    assert job.run() == 0
    assert len(job.answers) == 3
    assert teacher.times == [1, 1, 2]


def test_two_processes_do_not_write_the_same_answers(teacher: Teacher, tmp_path: Path, said: Said) -> None:
    from guardreasoner.jsonl import Journal

    job = Job(tmp_path, teacher.address)
    with Journal(job.folder / "answers.jsonl"):
        assert job.run() == 2
    assert "is in use by another process" in said()


def test_a_damaged_line_is_named(teacher: Teacher, tmp_path: Path, said: Said) -> None:
    job = Job(tmp_path, teacher.address)
    (job.folder / "answers.jsonl").write_text('{"id": 1}\n')
    assert job.run() == 2
    assert "answers.jsonl, line 1: no teacher's answer" in said()


def test_samples_that_are_not_there_say_how_they_come(teacher: Teacher, tmp_path: Path, said: Said) -> None:
    job = Job(tmp_path, teacher.address)
    (job.folder / "samples.jsonl").unlink()
    assert job.run() == 2
    assert "samples.jsonl: not there; `guardreasoner data" in said()


def test_an_unreadable_sample_ends_the_run_and_keeps_what_was_answered(
    teacher: Teacher, tmp_path: Path, said: Said
) -> None:
    job = Job(tmp_path, teacher.address, rows=2)
    with (job.folder / "samples.jsonl").open("a") as file:
        file.write("{}\n")
    assert job.run() == 2
    assert "samples.jsonl line 3: not a Sample" in said()
    assert len(job.answers) == 2


# Cost


PRICES = "price_prompt = 2.5\nprice_completion = 10\nmax_tokens = 100\n"


def test_dry_run_shows_prompt_calls_tokens_and_cost_and_asks_nothing(
    teacher: Teacher, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = Job(tmp_path, teacher.address, rows=4, teacher=PRICES)
    before = sorted(path.name for path in job.folder.iterdir())
    assert job.run("--dry-run") == 0
    shown = capsys.readouterr().out
    assert "--- system\nYou are a classifier" in shown
    assert "--- user\nHuman user:\nQuestion 0: how do I bake bread?" in shown
    assert "calls: 4 left to do, of 4 samples\n" in shown
    assert "estimated at 4 characters each\n" in shown
    assert "completion tokens: 400, estimated at 100 an answer\n" in shown
    assert "cost: about $0.01; paid so far: $0.00\n" in shown
    assert teacher.times == []
    assert sorted(path.name for path in job.folder.iterdir()) == before


def test_dry_run_counts_what_is_left(teacher: Teacher, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    teacher.plan(script=[None, None, "400"])
    job = Job(tmp_path, teacher.address, rows=4, concurrency=1)
    job.run()
    job.run("--dry-run")
    assert "calls: 1 left to do, of 4 samples, 1 of them failed before\n" in capsys.readouterr().out


def test_dry_run_without_prices_says_which_keys_to_set(
    teacher: Teacher, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Job(tmp_path, teacher.address).run("--dry-run")
    assert "cost: not known; set `teacher.price_prompt` and `teacher.price_completion`" in capsys.readouterr().out


def test_a_limit_without_prices_is_one_sentence(teacher: Teacher, tmp_path: Path, said: Said) -> None:
    assert Job(tmp_path, teacher.address).run("--max-cost", "1") == 2
    assert "--max-cost needs prices: set `teacher.price_prompt` and `teacher.price_completion`" in said()


def test_a_limit_stops_before_it_is_passed_and_a_higher_one_goes_on(
    teacher: Teacher, tmp_path: Path, said: Said
) -> None:
    teacher.plan(median=0.01)
    job = Job(tmp_path, teacher.address, rows=40, teacher=PRICES)
    assert job.run("--max-cost", "0.03") == 3
    assert "stopped: --max-cost leaves no room for another call; run it again with a higher one to go on" in said()
    assert 0.02 < spent(job) <= 0.03
    assert not (job.folder / "reasoning.jsonl").exists()
    assert job.run("--max-cost", "0.03") == 3
    assert spent(job) <= 0.03
    assert job.run("--max-cost", "10") == 0
    assert teacher.times == [1] * 40


def spent(job: Job) -> float:
    return sum(2.5 * row["prompt_tokens"] + 10 * row["completion_tokens"] for row in job.answers) / 1e6


def test_chat_options_are_refused_for_the_rule_teacher(teacher: Teacher, tmp_path: Path, said: Said) -> None:
    job = Job(tmp_path, teacher.address)
    assert job.run("--set", "synthesize.teacher=rule", "--dry-run") == 2
    assert "`synthesize.teacher` is 'rule', which asks nobody and costs nothing" in said()


def test_what_is_trained_on_stays_as_it_is(teacher: Teacher, tmp_path: Path) -> None:
    job = Job(tmp_path, teacher.address)
    job.run()
    (job.folder / "sft").mkdir()
    kept = (job.folder / "reasoning.jsonl").stat().st_mtime_ns
    assert job.run() == 0
    assert (job.folder / "reasoning.jsonl").stat().st_mtime_ns == kept


def test_labels_are_those_of_gold_in_what_is_taught(teacher: Teacher, tmp_path: Path) -> None:
    job = Job(tmp_path, teacher.address, rows=4)
    job.run()
    last = json.loads((job.folder / "reasoning.jsonl").read_text().splitlines()[3])
    assert last["labels"] == {
        "prompt_harmfulness": "unharmful",
        "response_refusal": None,
        "response_harmfulness": None,
    }
