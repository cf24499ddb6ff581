"""From Ctrl-C to an orderly end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager

from guardreasoner.errors import Stopped

GO_ON = "what was answered is kept; run the same command again to go on"


@contextmanager
def interrupts(end: Callable[[], None] | None = None, go_on: str = GO_ON) -> Generator[None]:
    """Ctrl-C, and a polite kill, call `end`; the second one, or the first without `end`, cancels the task."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    told = False

    def stop() -> None:
        nonlocal told
        if told or end is None:
            task.cancel()
        else:
            end()
        told = True

    names = (signal.SIGINT, signal.SIGTERM)
    try:
        for name in names:
            loop.add_signal_handler(name, stop)
    except (NotImplementedError, RuntimeError):  # Windows, or not the main thread: KeyboardInterrupt does it
        names = ()
    try:
        yield
    except asyncio.CancelledError:
        if not told:
            raise
        raise Stopped(go_on) from None
    finally:
        for name in names:
            loop.remove_signal_handler(name)
