"""From token ids to batches: rows of like length together, padded on the right, so that no mask is needed.

With causal attention a real token never looks to its right, hence never at padding; padding costs only its own
arithmetic, which grouping by length keeps to a few percent.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from guardreasoner.training.losses import IGNORE


@dataclass(frozen=True)
class Row:
    """Token ids of one example; the first `prompt` of them are given, the rest is learnt, `weight` times."""

    ids: Sequence[int]
    prompt: int
    weight: float = 1.0


def length_grouped(lengths: Sequence[int], batch_tokens: int, seed: int) -> list[list[int]]:
    """Row numbers per batch: near-equal lengths, at most `batch_tokens` with padding, in seeded random order."""
    shuffled = list(range(len(lengths)))
    rng = random.Random(seed)
    rng.shuffle(shuffled)
    # Rounding the length before the sort keeps neighbours alike in length but random in content.
    ordered = sorted(shuffled, key=lambda row: lengths[row] // 16)
    batches: list[list[int]] = []
    batch: list[int] = []
    widest = 0
    for row in ordered:
        widest = max(widest, lengths[row])
        if batch and widest * (len(batch) + 1) > batch_tokens:
            batches.append(batch)
            batch, widest = [], lengths[row]
        batch.append(row)
    if batch:
        batches.append(batch)
    rng.shuffle(batches)
    return batches


def collate(rows: Sequence[Row]) -> dict[str, Tensor]:
    """`input_ids` and `labels`, both [rows, longest], and `weights` [rows]; padding has id 0 and label IGNORE."""
    longest = max(len(row.ids) for row in rows)
    ids = torch.zeros((len(rows), longest), dtype=torch.long)
    labels = torch.full((len(rows), longest), IGNORE, dtype=torch.long)
    for number, row in enumerate(rows):
        tokens = torch.tensor(row.ids, dtype=torch.long)
        ids[number, : len(tokens)] = tokens
        labels[number, row.prompt : len(tokens)] = tokens[row.prompt :]
    return {"input_ids": ids, "labels": labels, "weights": torch.tensor([row.weight for row in rows])}
