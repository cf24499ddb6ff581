"""Prompts to completions through any OpenAI-compatible /v1/completions server."""

from __future__ import annotations

import os
import re
import threading
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from guardreasoner.engines.remote_answers import (
    WITHHELD,
    Answer,
    NextTokens,
    completions,
    next_tokens,
    read_answer,
    walk,
)
from guardreasoner.engines.remote_http import Endpoint, Refused
from guardreasoner.engines.remote_profile import Served, grammar, read_models
from guardreasoner.errors import InputError, NoProbabilities
from guardreasoner.types import Completion, SamplingParams

T = TypeVar("T")
_FILTERED = re.compile(r"content[ _](filter|management|policy)", re.IGNORECASE)
_TOO_LONG = re.compile(r"context (size|length|window)|max_model_len", re.IGNORECASE)


class RemoteEngine:
    """A model behind a server: vLLM, SGLang, llama.cpp, a hosted one. One prompt a request, which all of them take.

    The server is first asked for its models when it is first used. 429, 5xx, silence, broken connections and answers
    cut short are tried again, at growing intervals or when the server says; other refusals are not.

    Args:
        base_url: the server's address, with or without `/v1`.
        model: the model's name on the server; None = the first that it lists.
        api_key: sent as bearer token; None = the environment variable OPENAI_API_KEY, if set.
        timeout: seconds until a whole answer, a long one included; at most 10 of them to connect.
        max_retries: further attempts after the first; one at most after `timeout`, for the server may still be at work.
        concurrency: requests under way at the same time.
        backoff: seconds before the first further attempt; doubled each time, at most 8.
        top_logprobs: how many next tokens `choose` asks for; None = 100 of llama.cpp, 20 of vLLM and SGLang, else 5.
    """

    def __init__(
        self,
        base_url: str,
        *,
        model: str | None = None,
        api_key: str | None = None,
        timeout: float = 600,
        max_retries: int = 5,
        concurrency: int = 8,
        backoff: float = 0.5,
        top_logprobs: int | None = None,
    ) -> None:
        if concurrency < 1:
            raise InputError(f"concurrency: {concurrency} is not above 0")
        self._endpoint = Endpoint(
            _with_version(base_url),
            api_key=api_key or os.environ.get("OPENAI_API_KEY"),
            timeout=timeout,
            max_retries=max_retries,
            backoff=backoff,
            connections=concurrency,
        )
        self._model, self._concurrency, self._top = model, concurrency, top_logprobs
        self._lock = threading.Lock()
        self._served_once: Served | None = None
        self._takes_n = True
        self._lacks_logprobs = False
        self._finalizer = weakref.finalize(self, self._endpoint.close)

    def close(self) -> None:
        """Close the connections; they also close when the engine is no longer referred to."""
        self._finalizer()

    @property
    def model(self) -> str:
        return self._served.model

    @property
    def context_length(self) -> int | None:
        return self._served.context_length

    def count_tokens(self, text: str) -> None:
        """Unknown: the tokenizer is the server's."""

    def generate(self, prompts: Sequence[str], params: SamplingParams) -> list[list[Completion]]:
        """As the protocol says. `num_tokens` is an estimate where the server counts several completions together.

        Log-probabilities are None where the server gave none.
        """
        return self._each(prompts, lambda index, prompt: self._fitting(index, prompt, params))

    def choose(self, prompts: Sequence[str], choices: Sequence[str]) -> list[list[float]]:
        """From the likeliest next tokens that the server lists, read along each choice.

        A choice outside the list gets an upper bound, the least log-probability listed; where none is listed, all get
        -inf.

        Raises:
            NoProbabilities: the server gives none. It is asked once, not for every prompt.
        """
        if not choices:
            return [[] for _ in prompts]
        return self._each(prompts, lambda index, prompt: walk(partial(self._next, index, choices), prompt, choices))

    def _each(self, prompts: Sequence[str], work: Callable[[int, str], T]) -> list[T]:
        """In parallel, in order; the first failure cancels what has not begun."""
        if not prompts:
            return []
        with ThreadPoolExecutor(min(self._concurrency, len(prompts))) as pool:
            return list(pool.map(work, range(len(prompts)), prompts))

    @property
    def _served(self) -> Served:
        with self._lock:
            if self._served_once is None:
                try:
                    answer = self._endpoint.get("/models")
                except Refused:
                    if self._model is None:
                        raise
                    answer = None  # many gateways serve completions alone
                self._served_once = read_models(answer, self._model, self._endpoint.place)
            return self._served_once

    def _fitting(self, index: int, prompt: str, params: SamplingParams) -> list[Completion]:
        """Some servers refuse a prompt that fits if it does not fit together with `max_tokens`: ask for less then."""
        try:
            return self._sample(prompt, params)
        except Refused as error:
            if not _TOO_LONG.search(error.said):
                raise
            if params.max_tokens <= 1:
                raise InputError(f"prompt {index} does not fit the model: {error}") from error
        return self._fitting(index, prompt, params.model_copy(update={"max_tokens": max(1, params.max_tokens // 4)}))

    def _sample(self, prompt: str, params: SamplingParams) -> list[Completion]:
        """`n` completions; a server that ignores `n` or refuses it is asked n times, greedy ones are the same."""
        if params.temperature <= 0:
            return self._complete(prompt, params, 1, 0)[:1] * params.n
        done: list[Completion] = []
        while len(done) < params.n:
            missing = params.n - len(done) if self._takes_n else 1
            try:
                done += self._complete(prompt, params, missing, len(done))[:missing]
            except Refused as error:
                if missing == 1 or error.status >= 500 or _TOO_LONG.search(error.said):
                    raise
                self._takes_n = False
            else:
                self._takes_n = self._takes_n and (missing == 1 or len(done) == params.n)
        return done

    def _complete(self, prompt: str, params: SamplingParams, n: int, offset: int) -> list[Completion]:
        body: dict[str, Any] = {
            "prompt": prompt,
            "max_tokens": params.max_tokens,
            "temperature": params.temperature,
            "top_p": params.top_p,
        }
        body |= {"n": n} if n > 1 else {}
        body |= {"stop": list(params.stop)} if params.stop else {}
        body |= {"seed": params.seed + offset} if params.seed is not None else {}
        body |= {"logprobs": 1} if params.logprobs else {}
        return completions(self._ask(body), params, self._endpoint.place)

    def _next(self, index: int, choices: Sequence[str], prompt: str) -> NextTokens:
        """The likeliest next tokens after `prompt`."""
        if self._lacks_logprobs:
            raise self._no_probabilities()
        held = {"grammar": grammar(list(choices))} if self._served.dialect.grammar else {}
        try:
            found = self._likeliest(prompt, held)
        except Refused as error:
            if _TOO_LONG.search(error.said):
                raise InputError(f"prompt {index} does not fit the model: {error}") from error
            raise
        if found is None and self._likeliest("1 2 3", {}) is None:  # a plain prompt: it is the server, not this prompt
            self._lacks_logprobs = True
            raise self._no_probabilities()
        if found is None:
            raise InputError(f"the server gave no log-probabilities for prompt {index}, as it does for others")
        return found

    def _likeliest(self, prompt: str, held: dict[str, Any]) -> NextTokens | None:
        top = self._top or self._served.dialect.top
        body = {"prompt": prompt, "max_tokens": 1, "temperature": 0, "logprobs": top, **held}
        try:
            return next_tokens(self._ask(body))
        except Refused as error:
            if "logprobs" in error.said:  # refused by name, not ignored
                self._lacks_logprobs = True
                raise self._no_probabilities() from error
            raise

    def _ask(self, body: dict[str, Any]) -> Answer:
        served = self._served
        whole = {"model": served.model, **served.dialect.fields, **body}
        try:
            answer = self._endpoint.post("/completions", whole)
        except Refused as error:
            if _FILTERED.search(error.said):
                raise InputError(f"{WITHHELD} ({error})") from error
            raise
        return read_answer(answer, self._endpoint.place)

    def _no_probabilities(self) -> NoProbabilities:
        return NoProbabilities(f"{self._endpoint.place}: the server gave no log-probabilities, expected `logprobs`")


def _with_version(base_url: str) -> str:
    """The address that `/completions` is appended to: `/v1` is added unless the path ends with a version."""
    bare = base_url.rstrip("/").removesuffix("/completions")
    return bare if re.search(r"/v\d+$", bare) else bare + "/v1"
