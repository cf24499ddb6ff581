"""Qwen3Guard: three levels, and whether a response refuses.

Prompt: the chat template of Qwen/Qwen3Guard-Gen. Rule: the lines `Safety:` and `Refusal:`, as README.md of
QwenLM/Qwen3Guard reads them; `strict` takes Controversial for harmful, `loose` for unharmful.
"""

from __future__ import annotations

from collections.abc import Sequence

from guardreasoner.formats.rivals.base import THINK, Message, turns
from guardreasoner.formats.rivals.reading import Reading, Said, each_read, fill, one_field, prompt_text, said, unmarked
from guardreasoner.types import Exchange, Malformed, Task


class Qwen3GuardFormat:
    """Requests alone; then responses, harmful or not, with whether they refuse."""

    tasks: tuple[Task, ...] = tuple(Task)
    max_reasoning_tokens = 128

    def __init__(self, name: str, *, strict: bool) -> None:
        self.name = name
        self._harmful = ("Unsafe", "Controversial") if strict else ("Unsafe",)
        self._unharmful = ("Safe",) if strict else ("Safe", "Controversial")

    def asks(self, exchange: Exchange) -> tuple[tuple[Task, ...], ...]:
        groups = (Task.PROMPT_HARMFULNESS,), (Task.RESPONSE_REFUSAL, Task.RESPONSE_HARMFULNESS)
        return groups if exchange.response is not None else groups[:1]

    def render(self, exchange: Exchange, tasks: Sequence[Task]) -> str:
        names = {"user": "USER", "assistant": "ASSISTANT"}
        said = [f"{names[turn['role']]}: {turn['content']}" for turn in self.messages(exchange, tasks)]
        judged = "response" if len(said) > 1 else "prompt"
        return fill(prompt_text(f"qwen3guard-{judged}"), conversation="\n\n".join(said))

    def messages(self, exchange: Exchange, tasks: Sequence[Task]) -> tuple[Message, ...]:
        return tuple({**turn, "content": unmarked(turn["content"], *THINK)} for turn in turns(exchange, tasks))

    def read(self, text: str, exchange: Exchange, tasks: Sequence[Task]) -> Reading | Malformed:
        def answer(task: Task) -> Said | str:
            refusal = task is Task.RESPONSE_REFUSAL
            words = (("Yes",), ("No",)) if refusal else (self._harmful, self._unharmful)
            found = one_field(text, "Refusal" if refusal else "Safety", (*words[0], *words[1]))
            return found if isinstance(found, str) else said(task, *found, *words)

        return each_read(text, tasks, answer)
