"""NVIDIA's Aegis guards: 1.0 (defensive, permissive) on LLaMA Guard 7B, and 2.0 on Llama 3.1 8B.

Prompts: the model cards of nvidia/Aegis-AI-Content-Safety-LlamaGuard-{Defensive,Permissive}-1.0, as public baselines
reproduce them: the defensive policy has a thirteenth category, Needs Caution. For 2.0 the prompt of
nvidia/llama-3.1-nemoguard-8b-content-safety in NVIDIA/NeMo-Guardrails (content_safety_check_output), as one user turn
of Llama 3.1 without its dated system message.
Rule: 1.0 the first line, `safe` or `unsafe`; what a permissive guard flags for Needs Caution (O13) alone is safe to it.
2.0: a JSON object, `User Safety` and `Response Safety`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, cast

from guardreasoner.formats.rivals.base import HARMFULNESS, LLAMA_2, AskedApart, Message, turns
from guardreasoner.formats.rivals.reading import (
    Reading,
    Said,
    each_read,
    fill,
    first_line,
    prompt_text,
    said,
    unmarked,
)
from guardreasoner.types import Exchange, Malformed, Task

_CAUTION = "O13"
_FIELDS = {Task.PROMPT_HARMFULNESS: "User Safety", Task.RESPONSE_HARMFULNESS: "Response Safety"}


class AegisFormat(AskedApart):
    """1.0; `name` says which of the two."""

    def __init__(self, name: str) -> None:
        self.name = name

    def render(self, exchange: Exchange, tasks: Sequence[Task]) -> str:
        request, *response = [unmarked(turn["content"], *LLAMA_2) for turn in turns(exchange, tasks)]
        conversation = f"User: {request}\n" + "".join(f"\nAssistant: {text}\n" for text in response)
        return fill(prompt_text(self.name), role="Assistant" if response else "User", conversation=conversation)

    def read(self, text: str, exchange: Exchange, tasks: Sequence[Task]) -> Reading | Malformed:
        found = first_line(text, tasks[0], "unsafe", "safe")
        named = set(re.findall(r"\bO\d+\b", text))
        if isinstance(found, Reading) and self.name == "aegis-permissive" and named == {_CAUTION}:
            return Reading({tasks[0]: Said(tasks[0].labels[1])})
        return found


class Aegis2Format:
    """2.0: both messages in one answer."""

    name = "aegis-2"
    tasks: tuple[Task, ...] = HARMFULNESS
    max_reasoning_tokens = 100  # the categories take most of it

    def asks(self, exchange: Exchange) -> tuple[tuple[Task, ...], ...]:
        return (tuple(task for task in exchange.tasks if task in self.tasks),)

    def render(self, exchange: Exchange, tasks: Sequence[Task]) -> str:
        request, *response = [unmarked(turn["content"]) for turn in turns(exchange, tasks)]
        conversation = f"user: {request}\n\n" + "".join(f"response: agent: {text}\n\n" for text in response)
        return fill(prompt_text(self.name), conversation=conversation)

    def messages(self, exchange: Exchange, tasks: Sequence[Task]) -> tuple[Message, ...] | None:
        return None

    def read(self, text: str, exchange: Exchange, tasks: Sequence[Task]) -> Reading | Malformed:
        """One JSON object and nothing else; a field of what was not asked does not count."""
        answer = _object(text)
        if answer is None:
            return Malformed(text=text, reason="no JSON object")
        return each_read(text, tasks, lambda task: _field(answer, task, text))


def _field(answer: dict[str, Any], task: Task, text: str) -> Said | str:
    name = _FIELDS[task]
    word = answer.get(name)
    if word not in ("safe", "unsafe"):
        return f"`{name}` is {word!r:.40}, expected safe or unsafe"
    place = re.search(rf'"{name}"\s*:\s*"', text)
    return said(task, word, place.end() if place else 0, ("unsafe",), ("safe",))


def _object(text: str) -> dict[str, Any] | None:
    """The object that the whole text is; a field that stands twice makes it none."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError
        return dict(pairs)

    try:
        read: object = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", read) if isinstance(read, dict) else None
