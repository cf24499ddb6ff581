"""From a tally that changes to a bar on standard error: done, requests a second, under way, cost, time left."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from guardreasoner.teachers.asking import Tally

EVERY = 0.25  # seconds
WINDOW = 240  # looks that the speed is taken over: one minute


async def show(tally: Tally, spent: Callable[[], float | None], pause: Callable[[], float] = lambda: 0.0) -> None:
    """Runs until it is cancelled. `pause`: seconds that the server asked to wait, from now."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[state]}"))
    looks: deque[tuple[float, int, int]] = deque(maxlen=WINDOW)
    with Progress(*columns, console=Console(stderr=True)) as progress:
        row = progress.add_task("synthesize", total=tally.total, state="")
        try:
            while True:
                looks.append((time.monotonic(), tally.calls, sum(tally.outcomes.values())))
                progress.update(row, completed=tally.done, state=state(tally, spent(), looks, pause()))
                await asyncio.sleep(EVERY)
        finally:
            progress.update(row, completed=tally.done, state=state(tally, spent(), looks, pause()))


def state(tally: Tally, dollars: float | None, looks: deque[tuple[float, int, int]], pause: float = 0.0) -> str:
    """`41.2/s, 64 under way, $1.23, 1:02:03 left`; what is not known is left out."""
    (since, calls, settled), (now, calls_now, settled_now) = looks[0], looks[-1]
    parts: list[str] = []
    if now > since:
        parts.append(f"{(calls_now - calls) / (now - since):.1f}/s")
    parts.append(f"{tally.under_way} under way")
    if dollars is not None:
        parts.append(f"${dollars:.2f}")
    if settled_now > settled:
        seconds = round((tally.total - tally.done) * (now - since) / (settled_now - settled))
        parts.append(f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02} left")
    if tally.outcomes["failed"]:
        parts.append(f"{tally.outcomes['failed']} failed")
    if pause > 0:
        parts.append(f"the server asks for {pause:.0f} s of patience")
    return ", ".join([*parts, tally.note] if tally.note else parts)
