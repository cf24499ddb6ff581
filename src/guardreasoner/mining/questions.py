"""From samples to questions: the prompts of R-SFT, each with the gold labels of what it asks."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from guardreasoner.formats import FORMATS, Format
from guardreasoner.recipe import Recipe
from guardreasoner.types import Exchange, Labels, Sample, Task

UNLABELLED, REPEATED, BEYOND = "no gold label", "repeated prompt", "beyond `mine.limit`"


@dataclass(frozen=True)
class Question:
    """One input of mining. `gold`: the labels of `tasks`; a task that has none there is asked, and never decides."""

    id: str
    source: str
    exchange: Exchange
    tasks: tuple[Task, ...]
    gold: Labels
    prompt: str


@dataclass(frozen=True)
class Drawn:
    """The questions, and how many others were left out, by the reason."""

    questions: tuple[Question, ...]
    left_out: Counter[str]


def format_of(recipe: Recipe) -> Format:
    """The format that the recipe's teacher writes, and so the one that its guards are asked in."""
    return FORMATS["nano" if recipe.synthesize.teacher == "rule" else "paper"]


def draw(samples: Iterable[Sample], form: Format, limit: int | None = None, seed: int = 0) -> Drawn:
    """One question per sample and group of tasks that the format asks together, at most `limit` of them.

    A prompt that comes twice is asked once, with the labels of the first, as R-SFT teaches it: a format that asks about
    the request alone asks once about a request that has many responses.
    """
    left_out = Counter[str]()
    seen: set[str] = set()
    kept: list[Question] = []
    for question in _questions(samples, form):
        if not question.gold.tasks:
            left_out[UNLABELLED] += 1
        elif question.prompt in seen:
            left_out[REPEATED] += 1
        else:
            seen.add(question.prompt)
            kept.append(question)
    if limit is not None and limit < len(kept):
        left_out[BEYOND] = len(kept) - limit
        kept = _some(kept, limit, seed)
    return Drawn(tuple(kept), left_out)


def _questions(samples: Iterable[Sample], form: Format) -> Iterable[Question]:
    for sample in samples:
        groups = form.asks(sample.exchange)
        for tasks in groups:
            asked = "" if len(groups) == 1 else "-" + "-".join(task.value for task in tasks)
            yield Question(
                id=sample.id + asked,
                source=sample.source,
                exchange=sample.exchange,
                tasks=tasks,
                gold=Labels.model_validate({task.value: sample.labels.get(task) for task in tasks}),
                prompt=form.render(sample.exchange, tasks) + form.think,
            )


def _some(questions: Sequence[Question], limit: int, seed: int) -> list[Question]:
    """In order; a larger limit adds to a smaller one."""
    order = list(range(len(questions)))
    random.Random(seed).shuffle(order)
    return [questions[index] for index in sorted(order[:limit])]
