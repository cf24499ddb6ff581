"""kill -9 in the middle of `guardreasoner synthesize`, again and again, and what the server's log says about it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servers.teacher_answers import question
from teaching import Job

from guardreasoner.formats.teacher import teacher_messages
from guardreasoner.types import Sample


@dataclass(frozen=True)
class Kill:
    """One kill. `open`: calls that the server had not answered; `unkept`: those asked whose answer is not on disk."""

    open: int
    unkept: int
    kept: int


def start(job: Job, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "guardreasoner", *job.command(*options)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def kill_often(job: Job, log: Path, kills: int, longest: float, *options: str, seed: int = 0) -> list[Kill]:
    """Start and kill `kills` times, each at a random moment up to `longest` seconds after the first request."""
    chance = random.Random(seed)
    names = {question({"messages": list(messages)}): id for id, messages in asked_by(job)}
    done: list[Kill] = []
    for _ in range(kills):
        before = log.stat().st_size if log.exists() else 0
        process = start(job, *options)
        while process.poll() is None and (not log.exists() or log.stat().st_size == before):
            time.sleep(0.005)
        time.sleep(chance.uniform(0, longest))
        moment = time.monotonic()
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert process.stderr is not None
        process.stderr.close()
        if process.returncode == 0:
            break  # it was through before
        done.append(_look(job, log, names, moment))
    return done


def finish(job: Job, *options: str) -> None:
    """Let it end by itself."""
    subprocess.run(
        [sys.executable, "-m", "guardreasoner", *job.command(*options)], check=True, capture_output=True, env=os.environ
    )


def calls(log: Path) -> list[dict[str, Any]]:
    """The log's lines about chat requests."""
    return [line for line in map(json.loads, log.read_text().splitlines()) if "question" in line]


def asked_by(job: Job) -> list[tuple[str, Any]]:
    """(id, messages) of every sample."""
    samples = map(Sample.model_validate_json, (job.folder / "samples.jsonl").read_text().splitlines())
    return [(sample.id, teacher_messages(sample.exchange, sample.labels)) for sample in samples]


def result(job: Job) -> tuple[dict[str, dict[str, Any]], bytes]:
    """What must not depend on kills: the answers but for their seconds, and what is taught, byte by byte."""
    answers = {row["id"]: {name: row[name] for name in row if name != "seconds"} for row in job.answers}
    return answers, (job.folder / "reasoning.jsonl").read_bytes()


def _look(job: Job, log: Path, names: dict[str, str], moment: float) -> Kill:
    size = -1
    while size != log.stat().st_size:  # requests that were sent and not yet read were under way too
        size = log.stat().st_size
        time.sleep(0.15)
    lines = calls(log)
    begun = [line["question"] for line in lines if line["event"] == "asked"]
    ended = [line["question"] for line in lines if line["event"] == "answered" and line["at"] <= moment]
    path = job.folder / "answers.jsonl"
    whole = path.read_bytes().rpartition(b"\n")[0].splitlines() if path.exists() else []
    kept = {json.loads(line)["id"] for line in whole}
    return Kill(len(begun) - len(ended), len({names[name] for name in begun} - kept), len(kept))
