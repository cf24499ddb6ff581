"""What every rival's format has in common: which tasks it judges, how it is asked, how its text is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from guardreasoner.formats.rivals.reading import Reading, fill, prompt_text, unmarked
from guardreasoner.types import Exchange, Malformed, Task

Message = Mapping[str, Any]
HARMFULNESS = (Task.PROMPT_HARMFULNESS, Task.RESPONSE_HARMFULNESS)
LLAMA_2 = ("<s>", "</s>")
GEMMA = ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>")
THINK = ("<think>", "</think>")
"""Special tokens that no user text may speak in, besides those that start with `<|`."""


class RivalFormat(Protocol):
    """How one family of other people's guards is asked, in its own words, and read, by its own rule.

    The model writes its whole answer, which `read` reads; nothing is forced. What a family does not judge is not in
    `tasks` and never in an answer.
    """

    name: str
    tasks: tuple[Task, ...]
    max_reasoning_tokens: int
    """How much the model may write in all, if the caller does not say."""

    def asks(self, exchange: Exchange) -> tuple[tuple[Task, ...], ...]:
        """The tasks that apply and are judged, in the groups that are asked together."""
        ...

    def render(self, exchange: Exchange, tasks: Sequence[Task]) -> str:
        """The text that the model continues. The begin token is left to the tokenizer."""
        ...

    def messages(self, exchange: Exchange, tasks: Sequence[Task]) -> tuple[Message, ...] | None:
        """The same as chat messages, where the family is asked through its tokenizer's own chat template."""
        ...

    def read(self, text: str, exchange: Exchange, tasks: Sequence[Task]) -> Reading | Malformed:
        """What the model wrote after `render`, or what is wrong with it. Unreadable is never safe."""
        ...


class AskedApart:
    """Base of the families that judge one message at a time: the request, then the response in its context."""

    tasks: tuple[Task, ...] = HARMFULNESS
    max_reasoning_tokens = 32

    def asks(self, exchange: Exchange) -> tuple[tuple[Task, ...], ...]:
        return tuple((task,) for task in exchange.tasks if task in self.tasks)

    def messages(self, exchange: Exchange, tasks: Sequence[Task]) -> tuple[Message, ...] | None:
        return None


def turns(exchange: Exchange, tasks: Sequence[Task]) -> tuple[Message, ...]:
    """The request, and the response where it is judged, as chat messages."""
    user = {"role": "user", "content": exchange.prompt}
    if exchange.response is None or not any(task.needs_response for task in tasks):
        return (user,)
    return user, {"role": "assistant", "content": exchange.response}


def pair(name: str, exchange: Exchange) -> str:
    """The prompt of that name with request and response in their places; no response is an empty one."""
    response = unmarked(exchange.response or "", *LLAMA_2)
    return fill(prompt_text(name), prompt=unmarked(exchange.prompt, *LLAMA_2), response=response)


def after_thinking(text: str) -> tuple[str | None, int] | str:
    """(what was thought, where the answer begins); a thought that never ends has no answer."""
    if "<think>" in text and "</think>" not in text:
        return "the thinking does not end"
    before, ended, _ = text.rpartition("</think>")
    thought = before.partition("<think>")[2] if "<think>" in before else before
    return (thought.strip() or None) if ended else None, len(before) + len(ended)
