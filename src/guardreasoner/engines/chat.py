"""Prompts to completions through any OpenAI-compatible /v1/chat/completions: each prompt is one user message.

For hosted chat models that are asked to judge. They write after the message, never on from it, and give no
probability of a choice.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from guardreasoner.engines.remote_http import Endpoint, Refused
from guardreasoner.engines.served import served_at
from guardreasoner.errors import EngineError, InputError, NoProbabilities
from guardreasoner.types import Completion, SamplingParams


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Usage(BaseModel):
    completion_tokens: int | None = None


class _Answer(BaseModel):
    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None


class ChatEngine:
    """A hosted chat model: OpenAI, Anthropic, Google, vLLM; the key is OPENAI_API_KEY.

    Args:
        base_url: the server's address, with or without its version; `#NAME` says which model.
        model: the model's name there; None = what stands after `#`, else the first that the server lists.
        timeout: seconds until a whole answer.
        max_retries: further attempts after the first, for what passes.
        backoff: seconds before the first further attempt; doubled each time, at most 8.
        concurrency: requests under way at the same time.
    """

    def __init__(
        self,
        base_url: str,
        *,
        model: str | None = None,
        api_key: str | None = None,
        timeout: float = 600,
        max_retries: int = 5,
        backoff: float = 0.5,
        concurrency: int = 8,
    ) -> None:
        address, named = served_at(base_url)
        self._named, self._concurrency = model or named, concurrency
        self._endpoint = Endpoint(
            address,
            api_key=api_key or os.environ.get("OPENAI_API_KEY"),
            timeout=timeout,
            max_retries=max_retries,
            backoff=backoff,
            connections=concurrency,
        )
        self._limit_name, self._takes_temperature = "max_tokens", True
        self._finalizer = weakref.finalize(self, self._endpoint.close)

    def close(self) -> None:
        """Close the connections; they also close when the engine is no longer referred to."""
        self._finalizer()

    @property
    def model(self) -> str:
        if self._named is None:
            from guardreasoner.engines.remote_profile import read_models

            self._named = read_models(self._endpoint.get("/models"), None, self._endpoint.place).model
        return self._named

    @property
    def context_length(self) -> None:
        """Unknown."""

    def count_tokens(self, text: str) -> None:
        """Unknown: the tokenizer is the server's."""

    def generate(self, prompts: Sequence[str], params: SamplingParams) -> list[list[Completion]]:
        """As the protocol says; an answer that was declined or withheld has the finish reason `refused`."""
        if not prompts:
            return []
        _ = self.model
        with ThreadPoolExecutor(min(self._concurrency, len(prompts))) as pool:
            return list(pool.map(partial(self._sample, params), prompts))

    def choose(self, prompts: Sequence[str], choices: Sequence[str]) -> list[list[float]]:
        """Never: a chat endpoint does not continue a text."""
        raise NoProbabilities(f"{self._endpoint.place}: a chat endpoint gives no probability of a choice")

    def _sample(self, params: SamplingParams, prompt: str) -> list[Completion]:
        return [self._ask(prompt, params) for _ in range(params.n)]

    def _ask(self, prompt: str, params: SamplingParams) -> Completion:
        for _ in range(3):  # each pass learns one thing that the server does not take
            try:
                return self._completion(self._endpoint.post("/chat/completions", self._body(prompt, params)), params)
            except Refused as error:
                if error.filtered:
                    return Completion(text=error.said, finish_reason="refused", num_tokens=0)
                if error.too_long:
                    raise InputError(f"the prompt does not fit the model: {error}") from error
                if not self._learned(error.said):
                    raise
        raise EngineError(f"{self._endpoint.place}: the server refuses every form of request that is known")

    def _learned(self, said: str) -> bool:
        """Some models take no `max_tokens`, some no `temperature`: True if the next request will differ."""
        if "max_completion_tokens" in said and self._limit_name == "max_tokens":
            self._limit_name = "max_completion_tokens"
            return True
        if "temperature" in said and self._takes_temperature:
            self._takes_temperature = False
            return True
        return False

    def _body(self, prompt: str, params: SamplingParams) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "user", "content": prompt}],
            self._limit_name: params.max_tokens,
        }
        body |= {"temperature": params.temperature} if self._takes_temperature else {}
        body |= {"stop": list(params.stop)} if params.stop else {}
        return body

    def _completion(self, answer: object, params: SamplingParams) -> Completion:
        try:
            read = _Answer.model_validate(answer)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the answer"
            raise EngineError(f"{self._endpoint.place}: `{where}` of the chat: {first['msg'].lower()}") from error
        choice = read.choices[0]
        text = choice.message.content or ""
        tokens = (read.usage.completion_tokens if read.usage else None) or len(text.split())
        if choice.message.refusal or choice.finish_reason == "content_filter":
            return Completion(text=choice.message.refusal or text, finish_reason="refused", num_tokens=tokens)
        finish = "length" if choice.finish_reason == "length" else "stop"
        return Completion(text=text, finish_reason=finish, num_tokens=tokens)
