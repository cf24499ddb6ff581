"""WildGuard: three lines, `Harmful request: yes`, for all three tasks.

Prompt: INSTRUCTION_FORMAT of allenai/wildguard, without the begin token that its tokenizer adds; an absent response is
empty. Rule: its three lines, of which only those are read that apply.
"""

from __future__ import annotations

from collections.abc import Sequence

from guardreasoner.formats.rivals.base import Message, pair
from guardreasoner.formats.rivals.reading import Reading, Said, each_read, one_field, said
from guardreasoner.types import Exchange, Malformed, Task

_LINES = {
    Task.PROMPT_HARMFULNESS: "Harmful request",
    Task.RESPONSE_REFUSAL: "Response refusal",
    Task.RESPONSE_HARMFULNESS: "Harmful response",
}


class WildGuardFormat:
    """All three tasks in one answer."""

    name = "wildguard"
    tasks: tuple[Task, ...] = tuple(Task)
    max_reasoning_tokens = 128

    def asks(self, exchange: Exchange) -> tuple[tuple[Task, ...], ...]:
        return (exchange.tasks,)

    def render(self, exchange: Exchange, tasks: Sequence[Task]) -> str:
        return pair(self.name, exchange)

    def messages(self, exchange: Exchange, tasks: Sequence[Task]) -> tuple[Message, ...] | None:
        return None

    def read(self, text: str, exchange: Exchange, tasks: Sequence[Task]) -> Reading | Malformed:
        def answer(task: Task) -> Said | str:
            found = one_field(text, _LINES[task], ("yes", "no"))
            return found if isinstance(found, str) else said(task, *found, ("yes",), ("no",))

        return each_read(text, tasks, answer)
