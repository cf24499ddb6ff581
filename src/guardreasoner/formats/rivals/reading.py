"""From what a rival wrote to its answers, each with the place where it stands, so that it can be weighed there."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from guardreasoner.types import Malformed, Task


@dataclass(frozen=True)
class Said:
    """One answer. `at`: where its word begins in the text, None if it cannot be weighed.

    `positive` and `negative`: the words that could stand there, and which label each would be.
    """

    label: str
    at: int | None = None
    positive: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reading:
    """An answer: one `Said` per task that was asked, and the reasoning that came before it.

    `problem`: why a task that was asked has none, None if all have one.
    """

    said: Mapping[Task, Said]
    reasoning: str | None = None
    problem: str | None = None


def each_read(
    text: str, tasks: Sequence[Task], read: Callable[[Task], Said | str], reasoning: str | None = None
) -> Reading | Malformed:
    """The answers to several tasks in one text, Malformed if none can be read. `read`: an answer, or what is wrong."""
    answers = {task: read(task) for task in tasks}
    found = {task: answer for task, answer in answers.items() if isinstance(answer, Said)}
    problem = next((answer for answer in answers.values() if isinstance(answer, str)), None)
    if not found:
        return Malformed(text=text, reason=problem or "nothing was asked")
    return Reading(found, reasoning, problem)


def said(task: Task, word: str, at: int, positive: Sequence[str], negative: Sequence[str]) -> Said:
    """The answer that `word` is; it must be one of the words, in their very case."""
    label = task.labels[0 if word in positive else 1]
    return Said(label, at, tuple(positive), tuple(negative))


def first_line(text: str, task: Task, positive: str, negative: str) -> Reading | Malformed:
    """The rule of the families that answer with one word on the first line, such as `unsafe` above its categories.

    Line ends and spaces above the word do not count. A second word on its line, another word or half a word is no
    answer; neither is a safe one with categories below it.
    """
    lead = len(text) - len(text.lstrip())
    word, _, below = text[lead:].partition("\n")
    word = word.rstrip()
    if word not in (positive, negative):
        return Malformed(text=text, reason=f"the first line is {word[:40]!r}, expected {positive} or {negative}")
    if word == negative and re.search(r"\b[SO]\d+\b", below):
        return Malformed(text=text, reason=f"{negative}, and categories that are violated")
    return Reading({task: said(task, word, lead, (positive,), (negative,))})


def one_field(text: str, name: str, words: Sequence[str], start: int = 0) -> tuple[str, int] | str:
    """(word, place) of the one line `name: word` after `start`, or the sentence that says what is wrong with it."""
    lines = re.compile(rf"^[ \t]*{re.escape(name)}:[ \t]*(\S.*?)?[ \t\r]*$", re.MULTILINE)
    found = [(match[1] or "", match.start(1)) for match in lines.finditer(text, start)]
    values = {word for word, _ in found}
    if not found:
        return f"no line `{name}:`"
    if len(values) > 1:
        return f"two different answers to `{name}`"
    word, at = found[0]
    if word not in words:
        return f"{word[:40]!r} is no answer to `{name}`, expected {', '.join(words)}"
    return word, at


@cache
def prompt_text(name: str) -> str:
    """A family's own words, byte by byte as its source has them, with places such as {prompt} to fill."""
    return files("guardreasoner.formats.rivals").joinpath("prompts", f"{name}.txt").read_text(encoding="utf-8")


def fill(template: str, **parts: str) -> str:
    """`template` with its places filled in one pass: what is put in is not looked at again."""
    return re.sub(r"\{(" + "|".join(parts) + r")\}", lambda match: parts[match[1]], template)


def unmarked(text: str, *markers: str) -> str:
    """`text` with a space inside each marker that a tokenizer of the family would read as a special token."""
    for marker in ("<|", *markers):
        text = text.replace(marker, f"{marker[0]} {marker[1:]}")
    return text
