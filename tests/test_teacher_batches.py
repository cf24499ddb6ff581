"""`guardreasoner synthesize --batch`: files and batches of a real server, broken off between any two steps."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from servers.process import serving
from teaching import Job, Teacher

pytest.importorskip("openai")

FAST = ("--batch", "--poll", "0.05")
Said = Callable[[], str]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving("teacher_server.py", folder=tmp_path_factory.mktemp("teacher")) as found:
        yield found


@pytest.fixture
def teacher(address: str) -> Teacher:
    found = Teacher(address)
    found.plan()
    return found


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    return lambda: " ".join(capsys.readouterr().err.split())


def states(job: Job) -> list[str]:
    """Of every batch job, the last; the order is that of their planning."""
    lines = (job.folder / "batches" / "jobs.jsonl").read_text().splitlines()
    return list({entry["name"]: entry.get("state", "planned") for entry in map(json.loads, lines)}.values())


def test_a_batch_answers_every_sample(teacher: Teacher, tmp_path: Path) -> None:
    job = Job(tmp_path, teacher.address, rows=10)
    assert job.run(*FAST) == 0
    assert set(job.outcomes.values()) == {"answered"}
    assert all(answer["batched"] for answer in job.answers)
    assert job.taught == [f"row-{number}" for number in range(10)]
    assert (teacher.submitted, teacher.times) == ([1] * 10, [])


def test_a_batch_asks_what_single_calls_ask(teacher: Teacher, tmp_path: Path) -> None:
    job = Job(tmp_path, teacher.address, rows=2)
    job.run(*FAST)
    (path,) = (job.folder / "batches").glob("guardreasoner-????????????????.jsonl")
    line = json.loads(path.read_text().splitlines()[0])
    assert (line["method"], line["url"]) == ("POST", "/v1/chat/completions")
    assert set(line["body"]) == {"model", "messages", "temperature", "max_tokens"}
    assert job.run() == 0
    assert teacher.times == []


def test_files_hold_no_more_requests_than_allowed(teacher: Teacher, tmp_path: Path) -> None:
    job = Job(tmp_path, teacher.address, rows=10, teacher="batch_requests = 4")
    assert job.run(*FAST) == 0
    assert states(job) == ["collected"] * 3
    assert teacher.submitted == [1] * 10


def test_files_hold_no_more_bytes_than_allowed(teacher: Teacher, tmp_path: Path) -> None:
    job = Job(tmp_path, teacher.address, rows=10, teacher="batch_bytes = 6000")
    assert job.run(*FAST) == 0
    files = list((job.folder / "batches").glob("guardreasoner-????????????????.jsonl"))
    assert len(files) > 3
    assert max(path.stat().st_size for path in files) <= 6000
    assert teacher.submitted == [1] * 10


def test_what_single_calls_answered_is_not_in_a_batch(teacher: Teacher, tmp_path: Path) -> None:
    teacher.plan(script=[None, None, "400"])
    job = Job(tmp_path, teacher.address, rows=4, concurrency=1)
    job.run()
    assert job.run(*FAST) == 0
    assert teacher.submitted == [1]


def test_outcomes_of_a_batch_are_those_of_single_calls(teacher: Teacher, tmp_path: Path) -> None:
    teacher.plan(lasting={"refusal": 0.25, "filtered_400": 0.25, "length": 0.25})
    folders = [tmp_path / "batch", tmp_path / "single"]
    jobs = [Job(folder, teacher.address, rows=40) for folder in folders if folder.mkdir() is None]
    jobs[0].run(*FAST)
    jobs[1].run()
    assert jobs[0].outcomes == jobs[1].outcomes
    assert set(jobs[0].outcomes.values()) == {"answered", "cut", "filtered", "refused"}


def test_what_expired_is_asked_again_next_time(teacher: Teacher, tmp_path: Path, said: Said) -> None:
    teacher.plan(batch_expires=0.4)
    job = Job(tmp_path, teacher.address, rows=20)
    assert job.run(*FAST) == 0
    late = [answer for answer in job.answers if answer["outcome"] == "failed"]
    assert late[0]["detail"] == "This request could not be executed in time."
    assert f"{20 - len(late)} answered, {len(late)} failed; run it again to ask the failed ones again" in said()
    while job.run(*FAST) == 0 and "failed" in job.outcomes.values():
        pass
    assert len(job.taught) == 20
    assert max(teacher.submitted) > 1 == min(teacher.submitted)


def test_a_batch_that_is_found_invalid_is_submitted_anew(teacher: Teacher, tmp_path: Path, said: Said) -> None:
    teacher.plan(batch_fails=1)
    job = Job(tmp_path, teacher.address, rows=5)
    assert job.run(*FAST) == 2
    assert "refused a batch: no good file; run it again to submit it anew" in said()
    assert job.run(*FAST) == 0
    assert states(job) == ["refused", "collected"]
    assert teacher.submitted == [1] * 5


@pytest.mark.parametrize("step", ["upload", "create", "retrieve"])
def test_a_reply_that_is_lost_makes_nothing_twice(step: str, teacher: Teacher, tmp_path: Path) -> None:
    teacher.plan(batch_drops=[step])
    job = Job(tmp_path, teacher.address, rows=5)
    assert job.run(*FAST) == 0
    assert teacher.submitted == [1] * 5
    assert teacher.files == 2  # the requests and the output


@pytest.mark.parametrize("kept", [1, 2, 3])
def test_a_run_that_died_after_any_line_of_its_journal_goes_on(kept: int, teacher: Teacher, tmp_path: Path) -> None:
    """Lines: planned, uploaded, submitted, collected. The provider has done all; our journal ends early."""
    job = Job(tmp_path, teacher.address, rows=5)
    job.run(*FAST)
    journal = job.folder / "batches" / "jobs.jsonl"
    journal.write_text("".join(journal.read_text().splitlines(keepends=True)[:kept]))
    (job.folder / "answers.jsonl").write_text("".join(line + "\n" for line in raw(job)[:2]))
    assert job.run(*FAST) == 0
    assert sorted(job.outcomes) == sorted(answer["id"] for answer in job.answers)  # none twice
    assert len(job.answers) == 5
    assert (teacher.submitted, teacher.files) == ([1] * 5, 2)


def raw(job: Job) -> list[str]:
    return (job.folder / "answers.jsonl").read_text().splitlines()


def test_single_calls_are_refused_while_batches_are_open(teacher: Teacher, tmp_path: Path, said: Said) -> None:
    job = Job(tmp_path, teacher.address, rows=5)
    job.run(*FAST)
    journal = job.folder / "batches" / "jobs.jsonl"
    journal.write_text("".join(journal.read_text().splitlines(keepends=True)[:3]))
    assert job.run() == 2
    assert "5 requests are in batches that were not collected yet; run it with --batch to collect them" in said()


PRICES = "price_prompt = 2.5\nprice_completion = 10\nmax_tokens = 100\n"


def test_a_batch_costs_half(teacher: Teacher, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = Job(tmp_path, teacher.address, rows=100, teacher=PRICES)
    job.run("--dry-run")
    job.run("--dry-run", "--batch")
    shown = capsys.readouterr().out
    assert "cost: about $0.18; paid" in shown
    assert "cost: about $0.09, by batch files; paid" in shown


def test_a_limit_holds_for_batches(teacher: Teacher, tmp_path: Path, said: Said) -> None:
    job = Job(tmp_path, teacher.address, rows=40, teacher=PRICES)
    assert job.run(*FAST, "--max-cost", "0.02") == 3
    assert "stopped: --max-cost leaves no room for another request" in said()
    spent = sum(2.5 * row["prompt_tokens"] + 10 * row["completion_tokens"] for row in job.answers) / 2e6
    assert 0.01 < spent <= 0.02
    assert job.run(*FAST, "--max-cost", "5") == 0
    assert teacher.submitted == [1] * 40


def test_a_server_without_batches_is_one_sentence(teacher: Teacher, tmp_path: Path, said: Said) -> None:
    job = Job(tmp_path, f"{teacher.address}/nothing/here", rows=2)
    assert job.run(*FAST) == 2
    assert "does this server take batch files? without --batch it is asked one by one" in said()


def test_a_form_that_is_refused_throughout_is_one_sentence(teacher: Teacher, tmp_path: Path, said: Said) -> None:
    teacher.plan(lasting={"404": 1.0})
    job = Job(tmp_path, teacher.address, rows=3)
    assert job.run(*FAST) == 2
    assert "status 404: fault 404; `teacher.model` is 'teacher'" in said()
