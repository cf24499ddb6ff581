"""From questions to batch files, and the journal of what became of each file; kept so that no kill submits one twice.

A job is written down before its file is uploaded, the file's id before a batch is made of it, the batch's id once it
is known. Where a kill falls between the provider's act and our line about it, the job's name, which is the file's
name and stands in the batch's metadata, finds what was done.
"""

from __future__ import annotations

import secrets
from array import array
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import ValidationError

from guardreasoner.errors import InputError
from guardreasoner.jsonl import Journal, dump, read_objects, write_atomically
from guardreasoner.run import RunFolder
from guardreasoner.teachers.answers import Question
from guardreasoner.teachers.cost import estimated_tokens
from guardreasoner.types import Record

ENDPOINT: Literal["/v1/chat/completions"] = "/v1/chat/completions"


class Job(Record):
    """One batch file. `worst`: US dollars that it may cost at most."""

    name: str
    requests: int
    worst: float
    state: Literal["planned", "uploaded", "submitted", "collected", "refused"] = "planned"
    file_id: str | None = None
    batch_id: str | None = None

    @property
    def open(self) -> bool:
        return self.state not in ("collected", "refused")


class Row(Record):
    """One line of the list beside a request file: whose answer `custom_id` brings."""

    custom_id: str
    id: str
    source: str
    digest: str
    prompt_tokens: int
    """By estimate, for a provider that counts none."""


class JobBook:
    """The jobs of a run folder, the last line of each counts."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder.batches
        self._folder.mkdir(exist_ok=True)
        self._journal = Journal(self._folder / "jobs.jsonl")
        self.jobs = _jobs(self._journal.path)

    def keep(self, job: Job) -> Job:
        """On disk when this returns."""
        self._journal.append([job.model_dump(exclude_none=True)])
        self.jobs[job.name] = job
        return job

    def new(self, lines: Iterable[tuple[Row, bytes, float]]) -> Job:
        """Write the request file, then the job. Each: the row, its line in the file, what it costs at worst."""
        name = f"guardreasoner-{secrets.token_hex(8)}"
        count, worst = 0, 0.0
        with (
            write_atomically(self.requests(name)) as requests,
            write_atomically(self._rows(name)) as rows,
            requests.open("wb") as asked,
            rows.open("wb") as listed,
        ):
            for row, line, price in lines:
                asked.write(line)
                listed.write(dump(row.model_dump()))
                count, worst = count + 1, worst + price
        return self.keep(Job(name=name, requests=count, worst=worst))

    def requests(self, name: str) -> Path:
        return self._folder / f"{name}.jsonl"

    def received(self, name: str, kind: str) -> Path:
        """Where the provider's file goes; `kind` is output or error."""
        return self._folder / f"{name}.{kind}.jsonl"

    def rows(self, name: str) -> dict[str, Row]:
        """By custom_id."""
        listed = (Row.model_validate(value) for value in read_objects(self._rows(name)))
        return {row.custom_id: row for row in listed}

    def waiting(self) -> Waiting:
        """The questions of all open jobs."""
        lists = [self._rows(job.name) for job in self.jobs.values() if job.open]
        keys = array("Q", (int(value["custom_id"], 16) for path in lists for value in read_objects(path)))
        return Waiting(np.sort(np.asarray(keys)))

    def close(self) -> None:
        self._journal.close()

    def _rows(self, name: str) -> Path:
        return self._folder / f"{name}.rows.jsonl"


class Waiting:
    """Questions that are in a batch already."""

    def __init__(self, keys: np.ndarray[Any, np.dtype[np.uint64]]) -> None:
        self._keys = keys

    def __contains__(self, question: Question) -> bool:
        found = int(np.searchsorted(self._keys, np.uint64(question.key)))
        return found < len(self._keys) and int(self._keys[found]) == question.key


def request(question: Question, body: dict[str, Any]) -> tuple[Row, bytes]:
    """The row and its line of the request file."""
    name = f"{question.key:016x}"
    tokens = estimated_tokens(question.characters())
    row = Row(custom_id=name, id=question.id, source=question.source, digest=question.digest, prompt_tokens=tokens)
    return row, dump({"custom_id": name, "method": "POST", "url": ENDPOINT, "body": body})


def open_requests(folder: RunFolder) -> int:
    """Requests in jobs that were begun and not collected."""
    return sum(job.requests for job in _jobs(folder.batches / "jobs.jsonl").values() if job.open)


def _jobs(path: Path) -> dict[str, Job]:
    found: dict[str, Job] = {}
    if path.is_file():
        for value in read_objects(path):
            try:
                job = Job.model_validate(value)
            except ValidationError as error:
                raise InputError(f"{path}: no batch job: {error.errors()[0]['msg']}") from None
            found[job.name] = job
    return found
