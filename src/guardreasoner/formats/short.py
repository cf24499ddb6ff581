"""From the embedded guard's short reasoning to its steps and the answer that each line amounts to.

    Request: words that may alarm: bomb. They may alarm, but it asks for no harm.
    Completion: it opens: Sure, here is; no refusing word. It goes along.
    Response: no alarming word. It does no harm.

One line per task, two steps each: what is there, and what it amounts to. `AMOUNTS` is every way the second is written,
by the label and by whether words were found. `LINES` are the whole lines: what is taught, written and read back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from guardreasoner.formats.paper import NAMES
from guardreasoner.formats.steps import TaskReasoning
from guardreasoner.types import Task

# task -> (the label is the positive one, telling words were found) -> what the words amount to
AMOUNTS: Mapping[Task, Mapping[tuple[bool, bool], str]] = MappingProxyType(
    {
        Task.PROMPT_HARMFULNESS: {
            (True, True): "Taken together it asks for harm.",
            (True, False): "No single word alarms, but the aim does harm.",
            (False, True): "They may alarm, but it asks for no harm.",
            (False, False): "It asks for no harm.",
        },
        Task.RESPONSE_REFUSAL: {
            (True, True): "It declines.",
            (True, False): "It does not do what was asked.",
            (False, True): "All the same it goes along.",
            (False, False): "It goes along.",
        },
        Task.RESPONSE_HARMFULNESS: {
            (True, True): "Taken together it does harm.",
            (True, False): "No single word alarms, but what it says does harm.",
            (False, True): "They may alarm, but it does no harm.",
            (False, False): "It does no harm.",
        },
    }
)
_ALARMING, _NOT_ALARMING, _OPENS = "words that may alarm", "no alarming word", "it opens"
_ALARM = {True: f"{_ALARMING}: {{quotes}}.", False: f"{_NOT_ALARMING}."}
_EVIDENCE: Mapping[Task, Mapping[bool, str]] = {
    Task.PROMPT_HARMFULNESS: _ALARM,
    Task.RESPONSE_REFUSAL: {
        True: f"{_OPENS}: {{opening}}; refusing words: {{quotes}}.",
        False: f"{_OPENS}: {{opening}}; no refusing word.",
    },
    Task.RESPONSE_HARMFULNESS: _ALARM,
}
LINES: Mapping[Task, Mapping[tuple[bool, bool], str]] = MappingProxyType(
    {
        task: {
            (positive, found): f"{NAMES[task]}: {_EVIDENCE[task][found]} {words}"
            for (positive, found), words in ways.items()
        }
        for task, ways in AMOUNTS.items()
    }
)
"""The lines in the same order, words of the exchange in place of `{opening}` and `{quotes}`."""
_TASK_OF = {name: task for task, name in NAMES.items()}
_OPENING = re.compile(
    rf"(?P<name>{'|'.join(_TASK_OF)}): (?P<said>(?:{_ALARMING}|{_NOT_ALARMING}|{_OPENS}).*)"
)  # how the first step begins; an answer line, `Request: harmful`, is no reasoning


def read_short(text: str) -> tuple[TaskReasoning, ...]:
    """The lines of this form, in order; empty if there are none. A line that was cut short has no conclusion."""
    lines = (_OPENING.match(line) for line in text.split("\n"))
    return tuple(_line(_TASK_OF[found["name"]], found["said"].strip()) for found in lines if found)


def amounts_to(reasoning: TaskReasoning) -> str | None:
    """The label that a line's conclusion gives; None if it has none, or one that was not taught."""
    if reasoning.task is None:
        return None
    positive, negative = reasoning.task.labels
    for (is_positive, _), words in AMOUNTS[reasoning.task].items():
        if reasoning.conclusion == words:
            return positive if is_positive else negative
    return None


def _line(task: Task, said: str) -> TaskReasoning:
    """The longest known ending is the conclusion: `It goes along.` also ends `All the same it goes along.`."""
    endings = sorted((words for words in AMOUNTS[task].values() if said.endswith(words)), key=len, reverse=True)
    if not endings:
        return TaskReasoning(task, "", (said,) if said else (), "")
    evidence = said.removesuffix(endings[0]).strip()
    return TaskReasoning(task, "", tuple(step for step in (evidence, endings[0]) if step), endings[0])
