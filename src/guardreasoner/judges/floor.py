"""The honest floors: a guard that always gives the positive label, and a bag of words that trains in seconds.

A guard that is not clearly above both has not learned what harm is. The bag of words is TF-IDF over uni- and bigrams
and one logistic regression per task (scikit-learn), trained on the rows that are annotated for the task. Its folder
holds `floor.json` alone: words, weights and what it was trained on, so that it is read without scikit-learn.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from guardreasoner.errors import InputError, MissingExtra
from guardreasoner.jsonl import make_folder
from guardreasoner.judges import ALWAYS_POSITIVE, FLOOR_FILE, verdict_of
from guardreasoner.run import write_whole
from guardreasoner.types import Exchange, Malformed, Record, Sample, Task, Verdict

MAX_WORDS = 50_000  # per task, the most frequent
_WORD = re.compile(r"\w\w+", re.UNICODE)


class AlwaysPositive:
    """Harmful, refusal, harmful; whatever is asked."""

    name = ALWAYS_POSITIVE
    tasks: tuple[Task, ...] = tuple(Task)
    max_reasoning_tokens = 0
    model = ALWAYS_POSITIVE

    def judge(self, exchanges: Sequence[Exchange], thresholds: Mapping[Task, float]) -> list[Verdict | Malformed]:
        return [verdict_of(dict.fromkeys(exchange.tasks, 1.0), thresholds, self.model) for exchange in exchanges]


class TaskFloor(Record):
    """One task's regression: a word (or two, with a space between) -> (weight of its TF-IDF, inverse frequency)."""

    words: dict[str, tuple[float, float]]
    intercept: float
    rows: int
    positives: int


class Floor(Record):
    """What `floor.json` holds."""

    name: str
    tasks: dict[Task, TaskFloor]


class BagOfWords:
    """A floor that `train_floor` wrote."""

    name = "bag-of-words"
    max_reasoning_tokens = 0

    def __init__(self, folder: Path) -> None:
        path = folder / FLOOR_FILE
        try:
            self._floor = Floor.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise InputError(f"{path}: no floor that `guardreasoner floor` wrote: {_first(error)}") from None
        self.tasks: tuple[Task, ...] = tuple(task for task in Task if task in self._floor.tasks)
        self._folder = folder

    @property
    def model(self) -> str:
        return self._floor.name

    def judge(self, exchanges: Sequence[Exchange], thresholds: Mapping[Task, float]) -> list[Verdict | Malformed]:
        return [self._judge(exchange, thresholds) for exchange in exchanges]

    def _judge(self, exchange: Exchange, thresholds: Mapping[Task, float]) -> Verdict:
        scores = {
            task: probability(self._floor.tasks[task], text_of(exchange, task))
            for task in exchange.tasks
            if task in self._floor.tasks
        }
        return verdict_of(scores, thresholds, self.model)


def train_floor(samples: Iterable[Sample], folder: Path, name: str = "bag-of-words") -> Floor:
    """Train on the rows that are annotated, task by task, and write the folder.

    A task without rows of both labels is left out; without any task it is an InputError.

    Raises:
        MissingExtra: scikit-learn is not installed.
    """
    rows = list(samples)
    found = {task: _train(rows, task) for task in Task}
    floor = Floor(name=name, tasks={task: trained for task, trained in found.items() if trained is not None})
    if not floor.tasks:
        raise InputError(f"{len(rows)} rows, and no task has both labels among them: nothing can be learned")
    make_folder(folder)
    write_whole(folder / FLOOR_FILE, floor.model_dump_json())
    return floor


def text_of(exchange: Exchange, task: Task) -> str:
    """What a task is judged by: the request alone, or the response alone."""
    return (exchange.response or "") if task.needs_response else exchange.prompt


def terms(text: str) -> list[str]:
    """Words of two characters or more, lower case, and each two that follow each other, as scikit-learn counts them."""
    words: list[str] = _WORD.findall(text.lower())
    return [*words, *(f"{first} {second}" for first, second in pairwise(words))]


def probability(floor: TaskFloor, text: str) -> float:
    """P(positive label): sublinear term frequency times inverse document frequency, normalised, through the sigmoid."""
    counts: dict[str, int] = {}
    for term in terms(text):
        if term in floor.words:
            counts[term] = counts.get(term, 0) + 1
    values = {term: (1 + math.log(count)) * floor.words[term][1] for term, count in counts.items()}
    length = math.sqrt(sum(value * value for value in values.values())) or 1.0
    at = floor.intercept + sum(value / length * floor.words[term][0] for term, value in values.items())
    return 1 / (1 + math.exp(-at)) if at >= 0 else math.exp(at) / (1 + math.exp(at))


def _train(rows: Sequence[Sample], task: Task) -> TaskFloor | None:
    annotated = [row for row in rows if row.labels.get(task) is not None]
    gold = [row.labels.get(task) == task.positive for row in annotated]
    if len(set(gold)) < 2:
        return None
    vectorizer, model = _fitted([text_of(row.exchange, task) for row in annotated], gold)
    weights: list[float] = model.coef_[0].tolist()
    frequencies: list[float] = vectorizer.idf_.tolist()
    words: dict[str, int] = vectorizer.vocabulary_
    return TaskFloor(
        words={word: (round(weights[at], 6), round(frequencies[at], 6)) for word, at in sorted(words.items())},
        intercept=float(model.intercept_[0]),
        rows=len(annotated),
        positives=sum(gold),
    )


def _fitted(texts: Sequence[str], gold: Sequence[bool]) -> tuple[Any, Any]:
    try:  # by name: it has no types
        tfidf: Any = import_module("sklearn.feature_extraction.text").TfidfVectorizer
        regression: Any = import_module("sklearn.linear_model").LogisticRegression
    except ImportError as error:
        raise MissingExtra("the bag-of-words floor", "floor") from error
    vectorizer: Any = tfidf(analyzer=terms, sublinear_tf=True, min_df=_least(len(texts)), max_features=MAX_WORDS)
    model: Any = regression(C=10.0, class_weight="balanced", solver="liblinear")
    try:
        matrix = vectorizer.fit_transform(texts)
    except ValueError:  # no word is left
        raise InputError("the rows hold no words of two letters or more: nothing can be learned") from None
    return vectorizer, model.fit(matrix, list(gold))


def _least(rows: int) -> int:
    """A word must be in two texts, where there are enough to ask that."""
    return 2 if rows >= 100 else 1


def _first(error: OSError | ValidationError) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"`{'.'.join(map(str, first['loc']))}`: {first['msg']}"
    return (error.strerror or str(error)).lower()


def summary(floor: Floor) -> list[tuple[str, int, int, int]]:
    """What was learned: task, rows, positives, words."""
    return [(task.value, learned.rows, learned.positives, len(learned.words)) for task, learned in floor.tasks.items()]
