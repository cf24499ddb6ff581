"""From a chat of inspect_ai to a guard's verdict, written in the paper's layout."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from guardreasoner.data.layout import read_prompt
from guardreasoner.errors import InputError
from guardreasoner.guard import Guard
from guardreasoner.interchange.answers import unread, written
from guardreasoner.spreading import fit
from guardreasoner.types import Exchange, Malformed, Mode, Task, Verdict

_models: Any = import_module("inspect_ai.model")
EMBEDDED = "embedded"


class GuardAPI(_models.ModelAPI):
    """A model of inspect_ai that is a guard. P(positive) per task goes along as the output's metadata."""

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: Any = None,
        mode: Mode = "reason",
        format: str | None = None,
        max_reasoning_tokens: int | None = None,
    ) -> None:
        given = config or _models.GenerateConfig()
        # the class comes from an untyped import
        super().__init__(model_name, base_url, api_key, [], given)  # pyright: ignore[reportUnknownMemberType]
        self.mode: Mode = mode
        model = base_url or (None if model_name == EMBEDDED else model_name)
        self.guard = Guard(model, mode=mode, format=format, max_reasoning_tokens=max_reasoning_tokens)
        self._one_at_a_time = threading.Lock()

    async def generate(self, input: Sequence[Any], tools: Any, tool_choice: Any, config: Any) -> Any:
        read = await asyncio.to_thread(self._judge, exchange_of(input))
        message = _models.ChatMessageAssistant(content=written(read), model=self.guard.model, source="generate")
        refused = isinstance(read, Malformed) and read.refused
        choice = _models.ChatCompletionChoice(message=message, stop_reason="content_filter" if refused else "stop")
        return _models.ModelOutput(model=self.guard.model, choices=[choice], usage=_usage(read), metadata=_scores(read))

    def _judge(self, exchange: Exchange) -> Verdict | Malformed:
        """As `guardreasoner evaluate` judges: what does not fit the model is shortened."""
        with self._one_at_a_time:
            (read,) = self.guard.check_each([fit(self.guard, exchange, self.mode)])
        return unread(read) if isinstance(read, str) else read


def exchange_of(messages: Sequence[Any]) -> Exchange:
    """What the last message of the user asks about: the exchange that our task sends along, or the paper's layout."""
    last = next((message for message in reversed(messages) if message.role == "user"), None)
    along: dict[str, object] | None = None if last is None else last.metadata
    sent = None if along is None else along.get("exchange")
    if sent is not None:
        return Exchange.model_validate(sent)
    read = read_prompt(last.text, Task.PROMPT_HARMFULNESS) if last else None
    if read is None:
        raise InputError("the last message of the user is not laid out as 'Human user: .. AI assistant: ..'")
    return read


def _usage(read: Verdict | Malformed) -> Any:
    usage = read.usage
    if usage is None:
        return None
    given, thought = usage.prompt_tokens or 0, usage.reasoning_tokens
    return _models.ModelUsage(
        input_tokens=given, output_tokens=thought, total_tokens=given + thought, reasoning_tokens=thought
    )


def _scores(read: Verdict | Malformed) -> dict[str, Any] | None:
    verdict = read.partial if isinstance(read, Malformed) else read
    scores = None if verdict is None else verdict.scores
    return None if scores is None else {"scores": scores.model_dump(exclude_none=True)}
