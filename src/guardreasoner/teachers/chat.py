"""From one request body to what the server said, through the `openai` client. The edge: nothing is decided here."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import replace
from typing import Any, cast
from urllib.parse import urlsplit

import httpx

from guardreasoner.errors import InputError, MissingExtra
from guardreasoner.recipe import TeacherSection
from guardreasoner.teachers.pacing import Load
from guardreasoner.teachers.replies import Heard, Refusal, Reply, Setback, read_completion, read_error

try:
    import openai
except ImportError:
    raise MissingExtra("the chat teacher", "synthesis") from None

CONNECTIONS = 8  # per client: its pool looks through all of them at each request
FAULTS = (openai.APIError, json.JSONDecodeError, UnicodeDecodeError, TimeoutError)
"""What `ChatServer.explain` understands."""
NO_KEY = "none"  # a server that asks for no key gets this one; the client sends no request without


class ChatServer:
    """The teacher's endpoint. Use it in one event loop; the key never stands in a message."""

    def __init__(self, section: TeacherSection) -> None:
        self._section = section
        self._key = os.environ.get(section.api_key_env, "").strip()
        base_url = section.base_url or os.environ.get("OPENAI_BASE_URL") or None
        base_url, self.place = address(base_url) if base_url else (None, "OpenAI")
        if not self._key and base_url is None:
            raise InputError(
                f"no key for OpenAI: the environment variable {section.api_key_env}, which `teacher.api_key_env` "
                "names, is not set (a server of your own is named by `teacher.base_url`)"
            )
        if not (self._key.isascii() and self._key.isprintable()):
            raise InputError(f"{section.api_key_env} holds a character that no HTTP header may hold")
        # OpenAI's newer models take only the second name, most other servers only the first
        self._limit_name = "max_completion_tokens" if base_url is None else "max_tokens"
        count = -(-section.concurrency // CONNECTIONS)
        context = httpx.create_ssl_context()  # one for all: reading the certificates takes 40 ms
        self._clients = [
            openai.AsyncOpenAI(
                api_key=self._key or NO_KEY,
                base_url=base_url,
                max_retries=0,
                timeout=None,  # `ask` has one for the whole call
                http_client=openai.DefaultAsyncHttpxClient(verify=context),
            )
            for _ in range(count)
        ]

    def body(self, messages: tuple[dict[str, str], ...]) -> dict[str, Any]:
        """The request as the server gets it."""
        section = self._section
        sampling = {} if section.temperature is None else {"temperature": section.temperature}
        limit = {self._limit_name: section.max_tokens}
        return {"model": section.model, "messages": list(messages), **sampling, **limit}

    async def ask(self, worker: int, messages: tuple[dict[str, str], ...]) -> Heard:
        """One call, no retries, at most `teacher.timeout` seconds in all. Calls of one `worker` share a client."""
        heard = await self._post(worker, messages)
        if isinstance(heard, Refusal) and heard.row and "max_completion_tokens" in heard.reason:
            self._limit_name = "max_completion_tokens" if "max_tokens" in heard.reason else "max_tokens"
            heard = await self._post(worker, messages)
        return heard

    async def _post(self, worker: int, messages: tuple[dict[str, str], ...]) -> Heard:
        client = self._clients[worker % len(self._clients)]
        try:
            async with asyncio.timeout(self._section.timeout):
                # `post` gives the body as it came: half the work of `chat.completions.create`, and no field is lost
                return read_completion(await client.post("/chat/completions", cast_to=object, body=self.body(messages)))
        except FAULTS as error:
            return self.explain(error)

    def explain(self, error: Exception) -> Heard:
        """What an exception of the client means."""
        match error:
            case openai.APIStatusError():
                body = cast(object, error.body) or error.response.text
                return self._hidden(read_error(error.status_code, {"error": body}, error.response.headers))
            case openai.APITimeoutError() | TimeoutError():
                return Setback(f"no answer within {self._section.timeout:g} seconds", Load.STRAIN, paid=True)
            case openai.APIConnectionError():
                unheard = type(error.__cause__).__name__ in ("ConnectError", "ConnectTimeout")
                return Setback(
                    "no connection" if unheard else "the connection broke off", Load.STRAIN, paid=not unheard
                )
            case _:
                return Setback("the answer is no complete JSON", paid=True)

    def advise(self, refusal: Refusal, missing: str | None = None) -> str:
        """The sentence that ends a run. `missing`: what a 404 means here."""
        name = self._section.api_key_env
        cure = {
            401: f"; {name} holds no key that it accepts" if self._key else f"; {name} is not set, it may hold a key",
            404: missing or f"; `teacher.model` is {self._section.model!r}, is it that or `teacher.base_url`?",
        }
        return f"{self.place}: {refusal.reason}{cure.get(refusal.status, '')}"

    @property
    def client(self) -> openai.AsyncOpenAI:
        """For files and batches."""
        return self._clients[0].with_options(timeout=self._section.timeout)

    async def close(self) -> None:
        for client in self._clients:
            await client.close()

    def _hidden(self, heard: Heard) -> Heard:
        """Some servers repeat the key in their message."""
        if not self._key:
            return heard
        if isinstance(heard, Reply):
            return replace(heard, detail=heard.detail and heard.detail.replace(self._key, "***"))
        return replace(heard, reason=heard.reason.replace(self._key, "***"))


def address(base_url: str) -> tuple[str, str]:
    """(where requests go, the same as messages name it: without a password or a query); a bare host gets `/v1`."""
    try:
        parts = urlsplit(base_url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:  # brackets that do not close, a port that is no number
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or port is None:
        found = "something" if "@" in base_url else repr(base_url)
        raise InputError(f"`teacher.base_url`: found {found}, expected an address such as http://localhost:8000/v1")
    path = parts.path.rstrip("/") or "/v1"
    return parts._replace(path=path).geturl(), f"{parts.scheme}://{parts.hostname}{port}{path}"
