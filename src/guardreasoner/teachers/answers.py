"""From samples and answers.jsonl to what is left to ask, what was paid, and each sample with its answer.

Of a hundred thousand answers only 64 bits of a hash and a place in the file are kept in memory, 2 MB: two of them are
the same with a chance of 1 in 2,000 million.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from guardreasoner.errors import InputError
from guardreasoner.formats.teacher import Message, teacher_messages
from guardreasoner.jsonl import open_binary, parse_line
from guardreasoner.recipe import TeacherSection
from guardreasoner.run import read_records
from guardreasoner.teachers.cost import Cost
from guardreasoner.types import Sample, TeacherAnswer


@dataclass(frozen=True)
class Question:
    """One sample as it is asked. `digest` is of all that is sent but the name of the endpoint."""

    id: str
    source: str
    messages: tuple[Message, ...]
    digest: str

    @property
    def key(self) -> int:
        return _key(self.source, self.id, self.digest)

    def characters(self) -> int:
        return sum(len(message["content"]) for message in self.messages)

    def bytes(self) -> int:
        return sum(len(message["content"].encode()) for message in self.messages)


def question(sample: Sample, teacher: TeacherSection) -> Question:
    """The sample as this teacher is asked."""
    messages = teacher_messages(sample.exchange, sample.labels)
    asked = [messages, teacher.model, teacher.temperature, teacher.max_tokens]
    digest = hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:32]
    return Question(sample.id, sample.source, messages, digest)


def questions(samples: Path, teacher: TeacherSection) -> Iterator[Question]:
    """All of them in order, none kept."""
    return (question(sample, teacher) for sample in read_records(samples, Sample))


def count_lines(path: Path) -> int:
    """Lines of a JSONL file."""
    with open_binary(path) as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))


class Answers:
    """What answers.jsonl holds: which questions are answered, where, and what all of it cost."""

    def __init__(self, path: Path) -> None:
        """Reads the whole file once; it need not be there."""
        self._path = path
        self.cost = Cost()
        keys, places, answered = array("Q"), array("Q"), array("B")
        for place, answer in _read(path):
            keys.append(_key(answer.source, answer.id, answer.digest))
            places.append(place)
            answered.append(answer.outcome != "failed")
            self.cost += Cost.of(answer)
        # the last answer of each question, or its last failure: an answer is not undone by a later failure
        order = np.lexsort((np.asarray(places), np.asarray(answered), np.asarray(keys)))
        by_key = np.asarray(keys)[order]
        last = np.ones(len(by_key), dtype=bool)
        last[:-1] = by_key[1:] != by_key[:-1]
        self._keys, self._places = by_key[last], np.asarray(places)[order][last]
        self._answered = np.asarray(answered)[order][last].astype(bool)

    def __contains__(self, question: Question) -> bool:
        """True if it need not be asked again."""
        found = self._find(question.key)
        return found is not None and bool(self._answered[found])

    def failed(self, question: Question) -> bool:
        """True if it was asked in vain."""
        found = self._find(question.key)
        return found is not None and not self._answered[found]

    def holds(self, answer: TeacherAnswer) -> bool:
        """True if it says nothing new: the question is answered, or this is one more failure."""
        found = self._find(_key(answer.source, answer.id, answer.digest))
        return found is not None and (bool(self._answered[found]) or answer.outcome == "failed")

    def __len__(self) -> int:
        """Questions answered, be they those of this recipe or of another."""
        return int(self._answered.sum())

    def pairs(self, samples: Path, teacher: TeacherSection) -> Iterator[tuple[Sample, TeacherAnswer]]:
        """Every sample in order with what became of it; InputError if one was never asked."""
        with open_binary(self._path) as file:
            for sample in read_records(samples, Sample):
                found = self._find(question(sample, teacher).key)
                if found is None:
                    raise InputError(f"{self._path}: no answer to {sample.source} {sample.id}, expected one per sample")
                file.seek(int(self._places[found]))
                yield sample, TeacherAnswer.model_validate_json(file.readline())

    def _find(self, key: int) -> int | None:
        found = int(np.searchsorted(self._keys, np.uint64(key)))
        return found if found < len(self._keys) and int(self._keys[found]) == key else None


def _read(path: Path) -> Iterator[tuple[int, TeacherAnswer]]:
    """(place in the file, answer); a line that a killed process left unfinished is passed over."""
    if not path.is_file():
        return
    with open_binary(path) as file:
        place = 0
        for number, line in enumerate(file, 1):
            if line.endswith(b"\n"):
                value = parse_line(line, number)
                try:
                    yield place, TeacherAnswer.model_validate(value.value)
                except ValidationError as error:
                    why = value.error or error.errors()[0]["msg"]
                    raise InputError(f"{path}, line {number}: no teacher's answer: {why}") from None
            place += len(line)


def _key(source: str, id: str, digest: str) -> int:
    text = json.dumps([source, id, digest]).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
