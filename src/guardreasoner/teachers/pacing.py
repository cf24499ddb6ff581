"""From what a server answered to how many requests may be under way, and when the next may start. Pure: time is given.

The limit starts at what the user allows. Each success adds a little, a server that asks for patience halves it, one
that fails takes a fifth: additive increase, multiplicative decrease, as TCP shares a line. Requests that were under
way when the limit last fell belong to the same trouble and do not lower it again. A server's Retry-After holds for
every request.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum

CLIMB = 16  # rounds of successes from nothing back to all
BASE, LONGEST = 0.5, 30.0  # seconds of the first pause, and of the longest


class Load(Enum):
    """What a failed call says about the server; the value is what is left of the limit."""

    PATIENCE = 0.5
    """It said that this is too much: 429, 503."""
    STRAIN = 0.8
    """It failed, was silent or broke off: it may be this request alone."""
    NONE = 1.0
    """It answered in good time, with something of no use."""


class Pace:
    """How many at once, and from when. One object per server; not thread-safe, for one event loop."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._limit = float(most)
        self._lowered = float("-inf")
        self.not_before = float("-inf")
        """No request starts before this moment: the server said so."""

    @property
    def limit(self) -> int:
        """Requests that may be under way; at least one."""
        return max(1, int(self._limit))

    def succeeded(self) -> None:
        """A whole answer came: `limit` of them make one round, `CLIMB` rounds lead from nothing to all."""
        self._limit = min(float(self.most), self._limit + max(1.0, self.most / CLIMB) / self._limit)

    def failed(self, load: Load, started: float, now: float, wait: float | None = None) -> None:
        """`started`: when the failed call began. `wait`: seconds that the server asked for."""
        if load is not Load.NONE and started >= self._lowered:
            self._limit = max(1.0, self._limit * load.value)
            self._lowered = now
        if wait is not None:
            self.not_before = max(self.not_before, now + wait)


def backoff(attempt: int, chance: random.Random, wait: float | None = None) -> float:
    """Seconds before attempt `attempt` + 1: doubled each time and spread, so that calls do not return together.

    What the server asked for comes first; the spread is added to it.
    """
    longest = min(LONGEST, BASE * 2.0 ** min(attempt - 1, 16))
    return longest * chance.uniform(0.5, 1.0) if wait is None else wait + BASE * chance.random()


def retry_after(asked: str | None, now: datetime | None = None) -> float | None:
    """Seconds that a Retry-After header asks for: it holds seconds or a date (RFC 9110, 10.2.3); None = neither."""
    if asked is None:
        return None
    try:
        seconds = float(asked)
    except ValueError:
        try:
            moment = parsedate_to_datetime(asked)
        except ValueError:
            return None
        seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - (now or datetime.now(UTC))).total_seconds()
    return max(0.0, seconds) if seconds < float("inf") else None
