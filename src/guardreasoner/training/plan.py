"""From the lengths of rows to what every process computes in every optimizer step: pure, and known before the first.

A step's rows are the same on any number of processes. They are divided by length into as many micro-batches as there
are processes, times the rounds of gradient accumulation; what a loss is averaged over is the whole step's.
"""

# torch types these members only in part.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from guardreasoner.training.batches import length_grouped


@dataclass(frozen=True)
class Plan:
    """A whole run. `steps[step][turn]` are the row numbers of one micro-batch, possibly none.

    Every step has `processes` x `rounds` micro-batches: those of the first round, process after process, then those of
    the second. `steps_per_epoch` serves to show epochs.
    """

    steps: Sequence[Sequence[Sequence[int]]]
    processes: int
    rounds: int
    steps_per_epoch: float

    def rows(self, step: int) -> Iterator[int]:
        """Row numbers of one optimizer step, counted from 0."""
        return (row for part in self.steps[step] for row in part)


def plan(
    lengths: Sequence[int],
    *,
    batch_tokens: int,
    batch_size: int | None = None,
    epochs: float = 1.0,
    processes: int = 1,
    seed: int = 0,
) -> Plan:
    """Steps of `batch_size` rows, in an order of their own in each epoch; the last of an epoch may have fewer.

    Without a `batch_size` a step is one batch of `batch_tokens` per process. A micro-batch is at most `batch_tokens`
    wide, padding included, unless a single row is longer.
    """
    every = range(math.ceil(epochs))
    if batch_size is None:
        batches = length_grouped(lengths, batch_tokens, seed)
        order = [batches[number] for epoch in every for number in _shuffled(len(batches), seed, epoch)]
        order = order[: math.ceil(len(batches) * epochs)]
        steps = [order[start : start + processes] for start in range(0, len(order), processes)]
        rounds, per_epoch = 1, len(batches) / processes
    else:
        orders = [_shuffled(len(lengths), seed, epoch) for epoch in every]
        starts = range(0, len(lengths), batch_size)
        whole = [order[start : start + batch_size] for order in orders for start in starts]
        whole = whole[: math.ceil(len(starts) * epochs)]
        divided = [_divided(rows, lengths, batch_tokens) for rows in whole]
        rounds = max((math.ceil(len(parts) / processes) for parts in divided), default=1)
        steps, per_epoch = [_split(parts, lengths, processes * rounds) for parts in divided], len(starts)
    return Plan([_filled(step, processes * rounds) for step in steps], processes, rounds, per_epoch)


def _shuffled(count: int, seed: int, epoch: int) -> list[int]:
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed + epoch)).tolist()


def _width(part: Sequence[int], lengths: Sequence[int]) -> int:
    """Tokens with padding."""
    return len(part) * max(lengths[row] for row in part)


def _divided(rows: Sequence[int], lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """As few parts as hold `rows`, each of like lengths."""
    parts: list[list[int]] = []
    for row in sorted(rows, key=lambda row: -lengths[row]):
        # the longest came first, so it tells how wide the part is
        if parts and lengths[parts[-1][0]] * (len(parts[-1]) + 1) <= batch_tokens:
            parts[-1].append(row)
        else:
            parts.append([row])
    return parts


def _split(parts: Sequence[Sequence[int]], lengths: Sequence[int], wanted: int) -> list[Sequence[int]]:
    """The widest halved again and again: a process that would idle takes work from the others. Widest first."""
    parts = list(parts)
    while len(parts) < wanted and any(len(part) > 1 for part in parts):
        widest = max((part for part in parts if len(part) > 1), key=lambda part: _width(part, lengths))
        parts.remove(widest)
        parts += [widest[: len(widest) // 2], widest[len(widest) // 2 :]]
    return sorted(parts, key=lambda part: -_width(part, lengths))


def _filled(parts: Sequence[Sequence[int]], wanted: int) -> list[Sequence[int]]:
    return [*parts, *([()] * (wanted - len(parts)))]
