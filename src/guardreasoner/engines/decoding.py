"""Rows and their prompts' keys and values in, finished rows out: many rows per pass, new ones filling the gaps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from guardreasoner.engines.onnx_model import SLOT_BLOCK, Floats, OnnxModel
from guardreasoner.engines.sampling import Ending, Row
from guardreasoner.types import SamplingParams

MAX_ROWS = 32  # a token costs a quarter at 32 rows of what it costs alone, and hardly less at 64
MAX_PLACES = 8_192  # rows x slots of one batch: at 6 layers and 4 key-value heads of 64, some 100 MB
Started = tuple[Row, Floats]
"""A row whose first token is sampled, and the keys and values of its prompt."""


def decode(
    model: OnnxModel, started: Iterator[Started], params: SamplingParams, ending: Ending
) -> Iterator[tuple[Row, Floats]]:
    """Each row once it is at its end, with the keys and values of `row.fed` positions.

    `started` is asked for another row whenever there is room for one.
    """
    batch = _Batch(model)
    waiting: Started | None = next(started, None)
    while waiting is not None or batch.active:
        joining: list[Started] = []
        while waiting is not None and batch.has_room(waiting[0].fed, [row.fed for row, _ in joining]):
            if _finished(waiting[0], ending):
                yield waiting
            else:
                joining.append(waiting)
            waiting = next(started, None)
        batch.join(joining)
        if not batch.active:
            continue
        for index, logits in batch.step():
            row = batch.active[index]
            row.add(logits, params)
            if _finished(row, ending):
                yield row, batch.leave(index)


def _finished(row: Row, ending: Ending) -> bool:
    return len(row.tokens) >= row.limit or ending.reached(row.tokens)


class _Batch:
    """Rows that share their passes; `active` maps a row of the memory to what stands there."""

    def __init__(self, model: OnnxModel) -> None:
        self.active: dict[int, Row] = {}
        self._model = model
        self._slots = model.slots(0, 0)

    @property
    def _size(self) -> tuple[int, int]:
        """(rows, slots per row) of the memory."""
        return self._slots.memory.shape[1], self._slots.memory.shape[3]

    def has_room(self, length: int, joining: list[int]) -> bool:
        """Whether a row of `length` fits beside the active ones and those joining; an empty batch takes any."""
        lengths = [row.fed for row in self.active.values()] + joining
        rows = len(lengths) + 1
        return rows == 1 or (rows <= MAX_ROWS and rows * _roomy(max([*lengths, length])) <= MAX_PLACES)

    def join(self, rows: list[Started]) -> None:
        """Put rows in gaps of the memory; make a new one where it is too small, or half empty with no one waiting."""
        lengths = [row.fed for row in self.active.values()] + [row.fed for row, _ in rows]
        if not lengths:
            return
        held, slots = self._size
        if len(lengths) > held or len(lengths) <= held * 3 // 4 or max(lengths) >= slots:
            self._rebuild(len(lengths), _roomy(max(lengths)))
        gaps = (index for index in range(len(lengths)) if index not in self.active)
        for (row, memory), index in zip(rows, gaps, strict=False):
            self._slots.memory[:, index, :, : memory.shape[2]] = memory
            self.active[index] = row

    def step(self) -> list[tuple[int, Floats]]:
        """Feed each row's last token; the logits of the next one by row of the memory."""
        rows = self._size[0]
        ids, starts = np.zeros((rows, 1), np.int64), np.zeros(rows, np.int64)
        for index, row in self.active.items():
            ids[index, 0], starts[index] = row.tokens[-1], row.fed
        read: npt.NDArray[np.int64] = np.array(sorted(self.active), np.int64)
        logits = self._model.forward(self._slots, ids, starts, read)
        return list(zip(read.tolist(), logits, strict=True))

    def leave(self, index: int) -> Floats:
        """Take a row out; its keys and values are a copy."""
        row = self.active.pop(index)
        return self._slots.memory[:, index, :, : row.fed].copy()

    def _rebuild(self, rows: int, slots: int) -> None:
        old, self._slots = self._slots.memory, self._model.slots(rows, slots)
        kept = self.active
        self.active = dict(enumerate(kept.values()))
        for new, (before, row) in enumerate(kept.items()):
            self._slots.memory[:, new, :, : row.fed] = old[:, before, :, : row.fed]


def _roomy(length: int) -> int:
    """Slots for `length` positions and at least half a block more, so that a batch is not rebuilt at every token."""
    return -(-(length + SLOT_BLOCK // 2) // SLOT_BLOCK) * SLOT_BLOCK
