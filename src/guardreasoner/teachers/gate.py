"""From a pace to turns: who may call now, and who waits until others are through or the server's pause is over."""

from __future__ import annotations

import asyncio
import time
from collections import deque

from guardreasoner.teachers.pacing import Pace


class Gate:
    """For one event loop. Once it is shut nobody enters and nobody sleeps."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._queue: deque[asyncio.Future[None]] = deque()
        self._shut = asyncio.Event()
        self.inside = 0

    @property
    def closed(self) -> bool:
        return self._shut.is_set()

    def shut(self) -> None:
        self._shut.set()
        self._wake()

    async def enter(self) -> bool:
        """Wait for a turn; False if the gate is shut before it comes."""
        while not self.closed:
            if (pause := self._pace.not_before - time.monotonic()) > 0:
                await self.sleep(pause)
            elif self.inside >= self._pace.limit:
                turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._queue.append(turn)
                await turn
            else:
                self.inside += 1
                return True
        return False

    def leave(self) -> None:
        self.inside -= 1
        self._wake()

    async def sleep(self, seconds: float) -> None:
        """So long, or until the gate is shut."""
        try:
            async with asyncio.timeout(seconds):
                await self._shut.wait()
        except TimeoutError:
            return

    def _wake(self) -> None:
        turns = len(self._queue) if self.closed else self._pace.limit - self.inside
        for _ in range(min(turns, len(self._queue))):
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
