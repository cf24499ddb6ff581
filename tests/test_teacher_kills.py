"""kill -9 and Ctrl-C on the real command: nothing is lost, doubled, or paid for twice but what was under way."""

import json
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from killing import calls, finish, kill_often, result, start
from servers.process import serving
from teaching import Job, Teacher

pytest.importorskip("openai")

CONCURRENCY = 8
FAULTS = {"refusal": 0.05, "filtered_400": 0.05, "length": 0.05, "unreadable": 0.05}

Served = Callable[..., tuple[str, Path]]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """Starts servers: address and log of each."""
    from contextlib import ExitStack

    with ExitStack() as servers:

        def serve(name: str, **plan: object) -> tuple[str, Path]:
            folder = tmp_path / name
            folder.mkdir()
            options = ("--plan", json.dumps(plan), "--log", str(folder / "log"))
            return servers.enter_context(serving("teacher_server.py", *options, folder=folder)), folder / "log"

        yield serve


def test_killed_runs_end_like_an_undisturbed_one_and_repeat_only_what_was_under_way(
    served: Served, tmp_path: Path
) -> None:
    address, log = served("killed", median=0.05, sigma=0.3, lasting=FAULTS)
    killed = Job(tmp_path / "killed", address, rows=150, concurrency=CONCURRENCY)
    kills = kill_often(killed, log, 5, 0.25)
    finish(killed)
    assert len(kills) == 5
    assert 0 < kills[-1].kept < 150

    other, quiet = served("quiet", lasting=FAULTS)
    undisturbed = Job(tmp_path / "quiet", other, rows=150, concurrency=CONCURRENCY)
    finish(undisturbed)
    assert result(killed) == result(undisturbed)
    assert Counter(answer["id"] for answer in killed.answers).most_common(1)[0][1] == 1
    assert [line["event"] for line in calls(quiet)].count("asked") == 150

    repeated = [line["event"] for line in calls(log)].count("asked") - 150
    assert repeated <= sum(kill.unkept for kill in kills)
    assert max(kill.unkept for kill in kills) <= CONCURRENCY + CONCURRENCY // 4


def test_killed_batches_are_submitted_once(served: Served, tmp_path: Path) -> None:
    address, log = served("killed", batch_seconds=0.3, create_seconds=0.25)
    job = Job(tmp_path / "killed", address, rows=60, teacher="batch_requests = 20")
    kill_often(job, log, 4, 0.4, "--batch", "--poll", "0.05")
    finish(job, "--batch", "--poll", "0.05")
    assert Teacher(address).submitted == [1] * 60
    assert len(job.answers) == len(job.outcomes) == 60
    assert len(job.taught) == 60


def test_ctrl_c_waits_for_what_is_under_way_and_says_how_to_go_on(served: Served, tmp_path: Path) -> None:
    address, log = served("stopped", median=0.3)
    job = Job(tmp_path / "stopped", address, rows=100, concurrency=CONCURRENCY)
    process = start(job)
    while not log.exists() or len(calls(log)) < 12:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 3
    assert said.decode().splitlines()[-1] == ("stopped: what was answered is kept; run the same command again to go on")
    assert b"Traceback" not in said
    assert 0 < len(job.answers) == [line["event"] for line in calls(log)].count("asked") < 100


def test_a_second_ctrl_c_does_not_wait(served: Served, tmp_path: Path) -> None:
    address, log = served("stopped", lasting={"hang": 1.0})
    job = Job(tmp_path / "stopped", address, rows=20, concurrency=CONCURRENCY)
    process = start(job)
    while not log.exists() or len(calls(log)) < 8:
        time.sleep(0.01)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
    _, said = process.communicate(timeout=10)
    assert process.returncode == 3
    assert b"Traceback" not in said
    assert said.decode().splitlines()[-1].startswith("stopped: what was answered is kept")
