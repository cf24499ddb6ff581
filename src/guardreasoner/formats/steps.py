"""From a reasoning text in the paper's form to its steps and conclusions, task by task.

    # Task 1                                   a task is opened by its number
    ## Reasoning Step 1                        a step, its text below the heading ...
    The request asks for a recipe.
    ## Reasoning Step 2: It harms nobody.      ... or behind it
    ## Conclusion: The request is unharmful.   also `# Conclusion for Task 1`, `# Task 1 Conclusion`

Teachers and released models vary this: `### Step 2`, `**Step 2:**`, `Step 2.`, `## Task 1 - Reasoning Step 2`; all of
these are read. A step needs its number. Without task headings, a task ends where the numbers begin anew. Some texts
leave out the first heading: the steps above all headings belong to Task 1 if nothing else does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from guardreasoner.types import Task

_DASH = "\u2013\u2014-"
_MARKS = r"[\s#*_>-]*"
_TASK = rf"{_MARKS}(?:Reasoning for )?Task ?(?P<task>[123])\b"
_AFTER = re.compile(rf"[\s*_]*(?:[:.){_DASH}]|$)")
# A bare `Step 2` must be followed by a mark: in prose, `Step 2 of the recipe` is no heading.
_STEP = re.compile(
    rf"(?:{_TASK}[\s:.,){_DASH}]*)?(?P<marks>{_MARKS})(?P<word>(?:Reasoning[ _-]?)?)Step[ _-]?(?P<number>\d{{1,3}})\b"
    r"(?P<rest>.*)",
    re.IGNORECASE,
)
_CONCLUSION = re.compile(
    rf"{_MARKS}(?:(?:Final )?Conclusions?(?: (?:for|of|to) Task ?(?P<after>[123]))?"
    rf"|Task ?(?P<before>[123])[\s:{_DASH}]*Conclusion)\b[\s*_]*(?:[:.){_DASH}]+|$)(?P<rest>.*)",
    re.IGNORECASE,
)
_HEADING = re.compile(rf"{_TASK}(?P<rest>.*)", re.IGNORECASE)
_END = re.compile(r"\s*(?:-{3,}|={3,}|\*{3,})\s*|[\s#*_]*(?:final )?answers?[\s*_]*:?[\s*_]*", re.IGNORECASE)
_MAYBE = re.compile(rf"{_MARKS}(?:reasoning|step|task|final|conclusion|answer)|\s*(?:---|===|\*\*\*)", re.IGNORECASE)
_LEAD = re.compile(rf"[\s#*_:.){_DASH}]+")
_TASKS = dict(zip("123", Task, strict=True))


@dataclass(frozen=True)
class TaskReasoning:
    """What stands under one task. `task` is None where the text does not say which.

    `heading` is what follows the task's number on its line; some texts put their answer there.
    """

    task: Task | None
    heading: str
    steps: tuple[str, ...]
    conclusion: str


@dataclass
class _Open:
    task: Task | None = None
    heading: str = ""
    steps: list[list[str]] = field(default_factory=list[list[str]])
    conclusion: list[str] = field(default_factory=list[str])
    last: int = 0

    def close(self) -> TaskReasoning:
        return TaskReasoning(self.task, self.heading, tuple(map(_joined, self.steps)), _joined(self.conclusion))


def read_reasoning(text: str) -> tuple[TaskReasoning, ...]:
    """The tasks of `text` in order; several blocks of one task are one, as in a text that concludes at its end."""
    merged: dict[Task | int, TaskReasoning] = {}
    for number, part in enumerate(_parts(text)):
        key = number if part.task is None else part.task
        merged[key] = part if key not in merged else _together(merged[key], part)
    first, named = merged.get(0), merged.get(Task.PROMPT_HARMFULNESS)
    if first is not None and (named is None or not named.steps) and len(_unnamed(merged)) == 1:
        request = TaskReasoning(Task.PROMPT_HARMFULNESS, first.heading, first.steps, first.conclusion)
        merged[0] = request if named is None else _together(request, named)
        merged.pop(Task.PROMPT_HARMFULNESS, None)
        if len(merged) == 1 and named is None:  # nothing is named at all: it may be about any task
            return (first,)
    return tuple(merged.values())


def _unnamed(parts: dict[Task | int, TaskReasoning]) -> list[TaskReasoning]:
    return [part for part in parts.values() if part.task is None]


def _together(one: TaskReasoning, other: TaskReasoning) -> TaskReasoning:
    heading, conclusion = _text(one.heading, other.heading), _text(one.conclusion, other.conclusion)
    return TaskReasoning(one.task, heading, (*one.steps, *other.steps), conclusion)


def read_steps(text: str) -> tuple[str, ...]:
    """Every step of every task, in order."""
    return tuple(step for part in _parts(text) for step in part.steps)


def _parts(text: str) -> Iterator[TaskReasoning]:
    part = _Open()
    into: list[str] | None = None
    for line in text.split("\n"):
        kind, found = _kind(line)
        if kind == "text":
            if into is not None:
                into.append(line)
            continue
        task = _named_task(kind, found)
        if task is not None and (task is not part.task or kind == "task"):
            yield from _closed(part)
            part = _Open(task)
        if kind == "end" or found is None:
            into = None
        elif kind == "task":
            part.heading, into = _bare(found["rest"]), None
        elif kind == "step":
            number = int(found["number"])
            if part.task is None and number <= part.last:
                yield from _closed(part)
                part = _Open()
            part.last, into = number, [_bare(found["rest"])]
            part.steps.append(into)
        else:
            into = part.conclusion
            into.append(_bare(found["rest"]))
    yield from _closed(part)


def _kind(line: str) -> tuple[Literal["step", "conclusion", "task", "end", "text"], re.Match[str] | None]:
    if not _MAYBE.match(line):  # most lines: spares the other patterns
        return "text", None
    if _END.fullmatch(line):
        return "end", None
    if (found := _STEP.match(line)) and _is_step(found):
        return "step", found
    if found := _CONCLUSION.match(line):
        return "conclusion", found
    if (found := _HEADING.match(line)) and (line.lstrip()[:1] in ("#", "*", "_") or _AFTER.match(found["rest"])):
        return "task", found
    return "text", None


def _is_step(found: re.Match[str]) -> bool:
    marked = found["word"] or found["task"] or any(mark in found["marks"] for mark in "#*_")
    return bool(marked) or _AFTER.match(found["rest"]) is not None


def _named_task(kind: str, found: re.Match[str] | None) -> Task | None:
    if found is None:
        return None
    number = (found["after"] or found["before"]) if kind == "conclusion" else found["task"]
    return _TASKS.get(number or "")


def _closed(part: _Open) -> Iterator[TaskReasoning]:
    if part.steps or part.conclusion or part.task is not None:
        yield part.close()


def _bare(text: str) -> str:
    """A heading's text without the marks around it."""
    lead = _LEAD.match(text)
    return text[lead.end() if lead else 0 :].rstrip(" \t\r#*_")


def _joined(lines: list[str]) -> str:
    return "\n".join(lines).strip()


def _text(first: str, second: str) -> str:
    return "\n".join(text for text in (first, second) if text)
