"""From the launcher's environment to who does what: the first of several processes writes, the others wait for it.

torchrun, accelerate and deepspeed all set RANK and WORLD_SIZE. Without them there is one process, and nothing to wait
for.
"""

# torch types these functions only in part.
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import atexit
import os
import sys
import time
from collections.abc import Callable
from functools import cache
from typing import Any, cast


def count() -> int:
    """Processes of this run, over all nodes."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def number() -> int:
    """Which of them this is, from 0."""
    return int(os.environ.get("RANK", "0"))


def local_number() -> int:
    """Which of this node's processes this is, from 0: the device that it has."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def is_first() -> bool:
    """Whether this process writes the run folder and shows progress."""
    return number() == 0


def said_by_first(about: str, say: Callable[[], str]) -> str:
    """What the first process says; the others wait for it, for hours if need be. Each `about` is used in turn."""
    if count() == 1:
        return say()
    store, turns = _store()
    turns[about] = turns.get(about, 0) + 1
    key = f"{about} {turns[about]}"
    if is_first():
        said = say()
        store.set(key, said)
        return said
    while not store.check([key]):  # `get` would give up after some minutes, and could not be interrupted
        time.sleep(0.1)
    return store.get(key).decode()


def wait_for_first(place: str) -> None:
    """Go on when the first process is here too."""
    said_by_first(place, lambda: "here")


def part() -> None:
    """The last call of all processes. Of several, each ends here, its exit functions run and its output written.

    Were they to wind down by themselves, a thread of PyTorch's that asks for Python meanwhile would now and then abort
    a run that has done all its work (exit status -6).
    """
    if count() > 1:
        wait_for_first("the end")
        import torch.distributed as dist

        if dist.is_available() and dist.is_initialized():
            dist.destroy_process_group()
        store, _ = _store()
        if is_first():
            while store.add("left", 0) < count() - 1:  # it may be the one that keeps the store
                time.sleep(0.05)
        else:
            store.add("left", 1)
        atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage]
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


@cache
def _store() -> tuple[Any, dict[str, int]]:
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    store, _, _ = next(cast(Any, rendezvous)("env://"))
    # after a restart by torchrun the store still holds what was said before
    return PrefixStore(f"guardreasoner {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store), {}
