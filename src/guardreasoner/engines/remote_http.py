"""One JSON request to a server and its JSON answer; tries again after what passes, and says clearly what does not."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from guardreasoner.errors import EngineError, InputError

_JSON = {"Content-Type": "application/json"}
MAX_WAIT = 120.0  # seconds; a server that asks for a longer pause is treated as down
CONNECT = 10.0  # seconds
SHOWN = 300  # characters of a server's message
_FILTERED = re.compile(r"content[ _-]?(filter|management|policy)|input was flagged", re.IGNORECASE)
_TOO_LONG = re.compile(r"context[ _-](length|size|window)|max_model_len|too long", re.IGNORECASE)


class Refused(EngineError):
    """The server answered, and not with a result. `status` is its HTTP status, `said` its message."""

    def __init__(self, url: str, status: int, said: str, attempts: int) -> None:
        after = f" after {attempts} attempts" if attempts > 1 else ""
        super().__init__(f"{url}: status {status}{after}, expected 200: {said or 'no message'}")
        self.status = status
        self.said = said

    @property
    def filtered(self) -> bool:
        """A filter stopped the text; another text may pass."""
        return self.status in (400, 403) and _FILTERED.search(self.said) is not None

    @property
    def too_long(self) -> bool:
        """The text does not fit the model; another may."""
        return _TOO_LONG.search(self.said) is not None


class Endpoint:
    """A server under one address. Neither its key nor a password in its address is ever part of a message."""

    def __init__(
        self, base_url: str, *, api_key: str | None, timeout: float, max_retries: int, backoff: float, connections: int
    ) -> None:
        try:
            address = httpx.URL(base_url)
        except httpx.InvalidURL:
            raise InputError("the server's address is not a URL, expected one such as http://localhost:8000") from None
        if address.scheme not in ("http", "https") or not address.host:
            raise InputError(f"{_shown(address)}: no server's address, expected one such as http://localhost:8000")
        if api_key and not (api_key.isascii() and api_key.isprintable()):
            raise InputError("the API key holds a character that no HTTP header may hold, expected printable ASCII")
        self._secrets = [secret for secret in (api_key, address.password) if secret]
        self._address, self._max_retries, self._backoff = address, max_retries, backoff
        self._client = httpx.Client(
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=httpx.Timeout(
                timeout, connect=min(timeout, CONNECT), pool=None
            ),  # waiting for a free connection is not the server's silence
            limits=httpx.Limits(max_connections=connections),
        )

    def get(self, path: str) -> Any:
        return self._request("GET", path, None)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self._request("POST", path, body)

    @property
    def place(self) -> str:
        """The address as messages name it."""
        return _shown(self._address)

    @property
    def close(self) -> Callable[[], None]:
        """Closes the connections; does not keep this object alive."""
        return self._client.close

    def _request(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        url = self._address.copy_with(path=self._address.path.rstrip("/") + path)
        content = None if body is None else _encoded(body)
        for attempt in range(1, self._max_retries + 2):
            wait = None
            try:
                response = self._client.request(method, url, content=content, headers=_JSON)
                if response.is_success:
                    return _json(response)
                wait = _retry_after(response)
                if attempt > self._max_retries or not _passes(response, wait):
                    raise Refused(_shown(url), response.status_code, self._said(response), attempt)
            except (httpx.TransportError, httpx.DecodingError, _NoJson) as error:
                slow = isinstance(error, httpx.ReadTimeout)
                if attempt > (min(1, self._max_retries) if slow else self._max_retries):
                    raise EngineError(f"{_shown(url)}: {_trouble(error)}, tried {attempt} times") from error
            time.sleep(self._pause(attempt) if wait is None else wait)
        raise AssertionError("the last attempt returns or raises")

    def _pause(self, attempt: int) -> float:
        """Seconds: doubled each time, at most 8, and spread so that parallel requests do not return together."""
        return min(8.0, self._backoff * 2 ** (attempt - 1)) * random.uniform(0.5, 1.0)

    def _said(self, response: httpx.Response) -> str:
        text = " ".join(_message(response).split())[:SHOWN]
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


class _NoJson(Exception):
    """A proxy or a dying server cut the text short, or it is no UTF-8."""


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError as error:
        raise _NoJson from error


def _encoded(body: dict[str, Any]) -> bytes:
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError as error:
        raise InputError("the prompt is not valid Unicode, expected no lone surrogates") from error


def _passes(response: httpx.Response, wait: float | None) -> bool:
    return (response.status_code == 429 or response.is_server_error) and (wait or 0) <= MAX_WAIT


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds that the server asks to wait; the header holds seconds or a date (RFC 9110, 10.2.3)."""
    asked = response.headers.get("Retry-After")
    if asked is None:
        return None
    try:
        return max(0.0, float(asked))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(asked)
    except ValueError:
        return None
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _message(response: httpx.Response) -> str:
    """The message wherever this server keeps it: `error.message`, `error`, `message`, `detail`, or the bare text."""
    try:
        said: Any = response.json()
        for key in ("error", "message", "detail"):
            said = said.get(key, said) if hasattr(said, "get") else said
    except ValueError:
        return response.text
    return said if isinstance(said, str) else response.text


def _trouble(error: Exception) -> str:
    if isinstance(error, _NoJson | httpx.DecodingError):
        return "the answer is no complete JSON"
    if isinstance(error, httpx.ConnectTimeout | httpx.ConnectError):
        return "no connection"
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    return "the connection broke off"


def _shown(url: httpx.URL) -> str:
    return str(url.copy_with(username=None, password=None, query=None, fragment=None))
