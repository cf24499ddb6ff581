"""Token ids in, keys and values of their longest known beginning out: a prompt that goes on is not read again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]


class PrefixCache:
    """The last sequences' keys and values, [2 * layers, KV, length, D] each; the least recently used go first.

    What it returns is shared and read-only. Safe to use from several threads.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[bytes, tuple[Ids, Floats]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, ids: Sequence[int], limit: int) -> Floats | None:
        """Keys and values of the longest beginning of `ids`, at most `limit` tokens; None if there is none."""
        wanted = np.array(ids[:limit], np.int64)
        with self._lock:
            best = max(self._entries, key=lambda key: _common(self._entries[key][0], wanted), default=None)
            if best is None:
                return None
            known, memory = self._entries[best]
            length = _common(known, wanted)
            if length:
                self._entries.move_to_end(best)
        return memory[:, :, :length] if length else None

    def store(self, ids: Sequence[int], memory: Floats) -> None:
        """Remember `memory`, which the caller must not change any more; an entry that it continues is dropped."""
        added = np.array(ids, np.int64)
        memory.flags.writeable = False
        with self._lock:
            for key, (known, _) in list(self._entries.items()):
                shared = _common(known, added)
                if shared == len(added):
                    self._entries.move_to_end(key)
                    return
                if shared == len(known):
                    self._drop(key)
            self._entries[added.tobytes()] = (added, memory)
            self._bytes += memory.nbytes
            while self._bytes > self._max_bytes:
                self._drop(next(iter(self._entries)))

    def _drop(self, key: bytes) -> None:
        self._bytes -= self._entries.pop(key)[1].nbytes


def _common(left: Ids, right: Ids) -> int:
    """Length of the common beginning."""
    length = min(len(left), len(right))
    different = left[:length] != right[:length]
    first = int(different.argmax()) if length else 0
    return first if length and different[first] else length
