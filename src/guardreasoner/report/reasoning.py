"""From a guard's reasoning texts to figures of their quality: steps, length, contradiction, repetition, leaks. Pure.

None of them says whether a step is true. What is read, and what is not:

- Steps and conclusions: in the paper's form (`formats/steps.py`, `formats/conclusions.py`) and in the embedded guard's
  (`formats/short.py`). Free prose has neither; its rows count under `without_steps`.
- A contradiction is a conclusion that plainly states the other label than the answer. Where a conclusion states none
  plainly, nothing is said, so the rate is over `stated`, not over all rows, and is a lower bound.
- `repetition` is the share of word 4-grams that stood in the text before (seq-rep-4: Welleck et al., Neural Text
  Generation with Unlikelihood Training, arXiv 1908.04319). Whoever judges three tasks of one exchange repeats words
  without looping: `looping` counts texts that end in the same words three times or more, the sign of a guard that is
  stuck.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from guardreasoner.formats.conclusions import stated_answer
from guardreasoner.formats.short import amounts_to, read_short
from guardreasoner.formats.steps import TaskReasoning, read_reasoning
from guardreasoner.types import Exchange, Labels, Record, Task

FindLeak = Callable[[str, Exchange], str | None]
"""From a text and what it is about to the words that give a label away, or None: `data/leaks.py`."""
GRAM = 4
LOOP_WORDS = 24  # a shorter ending said three times is style: `No harm. No harm. No harm.`
LONGEST_LOOP = 120
_WORD = re.compile(r"\S+")


@dataclass(frozen=True)
class Thought:
    """The reasoning of one row. `answers`: the labels it was followed by, where they could be read.

    `exchange` None: what it is about is not at hand, and so leaks cannot be told from quotations.
    """

    exchange: Exchange | None
    text: str
    answers: Labels | None
    tokens: int | None = None
    cut: bool | None = None
    """The token budget ended it; None = not known."""

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks that apply, as far as it is known."""
        return self.exchange.tasks if self.exchange else self.answers.tasks if self.answers else ()


class TaskQuality(Record):
    """One question over the rows that it applies to. `stated` of `rows` conclude plainly, `contradicting` of these."""

    rows: int
    steps: float
    stated: int
    contradicting: int


class Quality(Record):
    """The reasoning of one set and mode. Means are over `rows`, the texts there are; counts are rows of these."""

    rows: int
    without_text: int
    without_steps: int
    tasks: dict[str, TaskQuality]
    steps: float
    characters: float
    tokens: float | None
    stated: int
    """Conclusions, of any task, that state a label plainly beside a readable answer."""
    contradicting: int
    repetition: float
    looping: int
    cut: int | None
    leaking: int | None
    """None where the texts that the reasoning is about are not at hand."""
    leaks: dict[str, int]
    """Kind of phrase -> rows whose first leak is of that kind."""

    @property
    def contradiction_rate(self) -> float | None:
        return self.contradicting / self.stated if self.stated else None


def quality(thoughts: Iterable[Thought | None], find_leak: FindLeak) -> Quality | None:
    """The figures of all texts together; None if there is not one. A row of None is one without reasoning."""
    every = list(thoughts)
    there = [thought for thought in every if thought is not None and thought.text.strip()]
    if not there:
        return None
    read = [(thought, read_thought(thought.text)) for thought in there]
    about = [(thought.text, thought.exchange) for thought in there if thought.exchange is not None]
    leaks = Counter(leak.partition(":")[0] for each in about if (leak := find_leak(*each)))
    tasks = {task.value: each for task in Task if (each := _task(task, read)) is not None}
    tokens = [thought.tokens for thought in there if thought.tokens is not None]
    cuts = [thought.cut for thought in there if thought.cut is not None]
    steps = [sum(len(part.steps) for part in parts) for _, parts in read]
    return Quality(
        rows=len(there),
        without_text=len(every) - len(there),
        without_steps=steps.count(0),
        tasks=tasks,
        steps=sum(steps) / len(there),
        characters=sum(len(thought.text) for thought in there) / len(there),
        tokens=sum(tokens) / len(tokens) if tokens else None,
        stated=sum(each.stated for each in tasks.values()),
        contradicting=sum(each.contradicting for each in tasks.values()),
        repetition=sum(repetition(thought.text) for thought in there) / len(there),
        looping=sum(is_looping(thought.text) for thought in there),
        cut=sum(cuts) if cuts else None,
        leaking=leaks.total() if len(about) == len(there) else None,
        leaks=dict(leaks.most_common()),
    )


def read_thought(text: str) -> tuple[TaskReasoning, ...]:
    """What stands under each task, in whichever of the two forms; empty where the text has neither."""
    return read_short(text) or read_reasoning(text)


def contradictions(text: str, answers: Labels) -> tuple[Task, ...]:
    """The tasks whose conclusion states the other label."""
    return tuple(task for task, stated, answer in _stated(read_thought(text), answers) if stated != answer)


def repetition(text: str) -> float:
    """Share of word 4-grams that repeat an earlier one; 0 in a text too short to hold two."""
    words = _WORD.findall(text.lower())
    grams = [tuple(words[start : start + GRAM]) for start in range(len(words) - GRAM + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def is_looping(text: str) -> bool:
    """True if the text ends in the same words, at least three times in a row and 24 words long in all.

    The last word is not looked at: the token budget may have cut it.
    """
    words = _WORD.findall(text)[:-1]
    for period in range(1, min(LONGEST_LOOP, len(words) // 3) + 1):
        span = max(3 * period, LOOP_WORDS)
        tail = words[-span:]
        if len(tail) == span and tail[period:] == tail[:-period]:
            return True
    return False


def _task(task: Task, read: Sequence[tuple[Thought, tuple[TaskReasoning, ...]]]) -> TaskQuality | None:
    """None where the task applies to no row. Steps under no task's name belong to none."""
    rows = [(thought, parts) for thought, parts in read if task in thought.tasks]
    if not rows:
        return None
    steps = sum(len(part.steps) for _, parts in rows for part in parts if part.task is task)
    stated = [
        said != answer
        for thought, parts in rows
        if thought.answers is not None
        for named, said, answer in _stated(parts, thought.answers)
        if named is task
    ]
    return TaskQuality(rows=len(rows), steps=steps / len(rows), stated=len(stated), contradicting=sum(stated))


def _stated(parts: Sequence[TaskReasoning], answers: Labels) -> list[tuple[Task, str, str]]:
    """(task, stated label, answer) where both are there. Steps without a task's name make the other names doubtful."""
    if any(part.task is None for part in parts):
        return []
    found: list[tuple[Task, str, str]] = []
    for part in parts:
        stated = amounts_to(part) or stated_answer(part)
        answer = None if part.task is None else answers.get(part.task)
        if part.task is not None and stated is not None and answer is not None:
            found.append((part.task, stated, answer))
    return found
