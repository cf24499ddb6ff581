"""From what a caller hands in to what a guard works with, or one sentence that says what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from guardreasoner.errors import InputError
from guardreasoner.types import Exchange, Mode, Task

DEFAULT_THRESHOLD = 0.5

Asked = Exchange | str | tuple[str, str | None]


def as_exchange(asked: Asked, response: str | None = None) -> Exchange:
    """The exchange that was meant; a blank response is none. What no model could judge is an InputError."""
    prompt: object
    answer: object
    if isinstance(asked, Exchange):
        prompt, answer = asked.prompt, asked.response
    elif isinstance(asked, tuple):
        prompt, answer = asked
    else:
        prompt, answer = asked, response
    text = checked_text(prompt, "prompt")
    if not text.strip():
        raise InputError("the prompt is empty")
    said = None if answer is None else checked_text(answer, "response")
    return Exchange(prompt=text, response=said if said and said.strip() else None)


def checked_text(text: object, name: str) -> str:
    """Text that can be encoded; `name` is what the sentence calls it."""
    if not isinstance(text, str):
        raise InputError(f"the {name} is not a string but {type(text).__name__}")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(f"the {name} is not valid Unicode: a lone surrogate at character {error.start + 1}") from None
    return text


def checked_mode(mode: str) -> Mode:
    """`reason` or `fast`."""
    for known in get_args(Mode):
        if mode == known:
            return known
    raise InputError(f"unknown mode {mode!r}, expected one of {', '.join(get_args(Mode))}")


def checked_budget(tokens: int | None) -> int | None:
    """Reasoning tokens, 0 or more; None = the format's default."""
    if tokens is not None and tokens < 0:
        raise InputError(f"max_reasoning_tokens: {tokens} is below 0")
    return tokens


def checked_thresholds(given: Mapping[Task, float]) -> Mapping[Task, float]:
    """A threshold in [0, 1] for each task, 0.5 where none is given."""
    for task, threshold in given.items():
        if not 0 <= threshold <= 1:
            raise InputError(f"threshold of {task.value}: {threshold} is not between 0 and 1")
    return {task: given.get(task, DEFAULT_THRESHOLD) for task in Task}
