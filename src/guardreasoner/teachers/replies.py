"""From what a chat server sends back, result or error, to what it means for the sample, the pace and the run. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from pydantic import BaseModel, ValidationError

from guardreasoner.teachers.pacing import Load, retry_after

SHOWN = 300  # characters of a server's message
_FILTERED = re.compile(r"content[ _-]?(filter|management|policy)|requires moderation|input was flagged", re.IGNORECASE)
_UNFIT = re.compile(r"context[ _-](length|size|window)|max_model_len|(prompt|input|string) is too long", re.IGNORECASE)
_OUT_OF_MONEY = re.compile(r"insufficient[ _](quota|balance|credit|fund)|exceeded your current quota", re.IGNORECASE)
_PASSING = frozenset({408, 409, 425, 429})
_IMPATIENT = frozenset({429, 503, 529})


@dataclass(frozen=True)
class Reply:
    """An outcome that is final. The tokens are what the server counted, or None."""

    outcome: Literal["answered", "cut", "refused", "filtered"]
    text: str = ""
    detail: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True)
class Setback:
    """No answer. `again`: another try may bring one; `wait`: seconds that the server asked for.

    `waits`: the server asked for patience, which says nothing about the sample. `paid`: the answer may have been
    written and billed, and was lost on the way.
    """

    reason: str
    load: Load = Load.NONE
    wait: float | None = None
    again: bool = True
    waits: bool = False
    paid: bool = False
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True)
class Refusal:
    """The server takes no request of this form or from this user. `row`: or it may be this one sample."""

    status: int
    reason: str
    row: bool = False


Heard = Reply | Setback | Refusal


class _Message(BaseModel):
    content: str | list[dict[str, Any]] | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Usage(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Chat(BaseModel):
    choices: list[_Choice]
    usage: _Usage | None = None


def read_completion(value: object) -> Heard:
    """What the body of a successful response says; some gateways put an error there."""
    if not isinstance(value, dict):
        return Setback("the answer is no JSON object")
    if "choices" not in value and "error" in value:
        body = cast(dict[str, Any], value)
        code = cast(dict[str, object], body["error"]).get("code") if isinstance(body["error"], dict) else None
        return read_error(code if isinstance(code, int) else 500, body, {})
    try:
        chat = _Chat.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return Setback(f"the answer is no chat completion: `{place}`: {first['msg']}")
    usage = chat.usage or _Usage()
    if not chat.choices:
        return Setback("the answer holds no choice", prompt_tokens=usage.prompt_tokens or 0)
    message, finish = chat.choices[0].message, chat.choices[0].finish_reason
    text = _text(message.content)
    if message.refusal:
        return Reply("refused", message.refusal, None, usage.prompt_tokens, usage.completion_tokens)
    if finish == "content_filter":
        return Reply("filtered", text, "finish_reason content_filter", usage.prompt_tokens, usage.completion_tokens)
    if finish == "length":
        return Reply("cut", text, "finish_reason length", usage.prompt_tokens, usage.completion_tokens)
    if not text.strip():
        return Setback(
            "the answer is empty",
            prompt_tokens=usage.prompt_tokens or 0,
            completion_tokens=usage.completion_tokens or 0,
        )
    return Reply("answered", text, None, usage.prompt_tokens, usage.completion_tokens)


def read_error(status: int, body: object, headers: Mapping[str, str]) -> Heard:
    """What a status other than 200 says. The body is JSON where the server sent some, else its text."""
    message, code = _said(body)
    what = f"status {status}: {message or 'no message'}"
    known = f"{code} {message}"
    if status in (400, 403) and _FILTERED.search(known):
        return Reply("filtered", detail=what)
    if (status in (400, 422) and _UNFIT.search(known)) or status == 413:
        return Setback(what, again=False)
    if status == 402 or (status == 429 and _OUT_OF_MONEY.search(known)):
        return Refusal(status, what)
    if status in _PASSING or status >= 500:
        load = Load.PATIENCE if status in _IMPATIENT else Load.STRAIN
        return Setback(what, load, retry_after(headers.get("retry-after")), waits=status == 429)
    return Refusal(status, what, row=status in (400, 422))


def _text(content: str | list[dict[str, Any]] | None) -> str:
    """Text parts are joined, where a server gives parts."""
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content)
    return content or ""


def _said(body: object) -> tuple[str, str]:
    """(message, code) wherever this server keeps them: in `error`, `message`, `detail`, or as bare text."""
    found: object = body
    code: object = None
    for key in ("error", "message", "detail"):
        if isinstance(found, dict):
            place = cast(dict[str, object], found)
            code = code or place.get("code") or place.get("type")
            found = place.get(key, cast(object, found))
    text = found if isinstance(found, str) else "" if found is None else json.dumps(found, default=str)
    return " ".join(text.split())[:SHOWN], str(code or "")
