"""From records that come one by one to a journal: one fsync for all that came while the last one was at work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from guardreasoner.errors import GuardReasonerError
from guardreasoner.jsonl import Journal, Json


class Disk:
    """`keep` from any task of one event loop while `write` runs in one of them.

    A record waits for its fsync, and whoever brought it does not; `room` holds them back when the disk is slow, so
    that a kill never costs more than `most` records beside the calls under way.
    """

    def __init__(self, journal: Journal, most: int, broken: Callable[[GuardReasonerError], None]) -> None:
        """`broken` hears why the journal cannot be written."""
        self._journal, self._most, self._broken = journal, most, broken
        self._records: list[tuple[Json, Callable[[], None]]] = []
        self._some = asyncio.Event()
        self._written = asyncio.Event()
        self._left = 0

    def keep(self, record: Json, then: Callable[[], None]) -> None:
        """`then` is called when the record is on disk."""
        self._records.append((record, then))
        self._left += 1
        self._some.set()

    async def room(self, most: int | None = None) -> None:
        """Wait until no more than `most` records wait."""
        while self._left > (self._most if most is None else most):
            self._written.clear()
            await self._written.wait()

    async def write(self) -> None:
        """Until it is cancelled."""
        while True:
            await self._some.wait()
            self._some.clear()
            batch, self._records = self._records, []
            try:
                await asyncio.to_thread(self._journal.append, [record for record, _ in batch])
            except GuardReasonerError as error:
                self._broken(error)
            else:
                for _, then in batch:
                    then()
            self._left -= len(batch)
            self._written.set()
