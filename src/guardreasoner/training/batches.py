"""From packed rows to batches: rows of like length together, padded on the right."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import Tensor

from guardreasoner.training.packing import Row


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
    """One batch. Padding has id 0 and attends to itself alone.

    `input_ids` and `position_ids` [rows, longest]; `attention_mask` [rows, 1, longest, longest], True where a token
    sees another, absent if all rows are causal (the model's own attention is right then, and faster); `before` and
    `targets` [learnt]: the flat positions that predict, and the tokens they are to predict; `weights` [learnt];
    `units`, what the loss is averaged over.
    """
    longest = max(len(row.ids) for row in rows)
    ids = torch.zeros((len(rows), longest), dtype=torch.long)
    positions = torch.zeros((len(rows), longest), dtype=torch.long)
    before: list[int] = []
    targets: list[int] = []
    weights: list[float] = []
    for number, row in enumerate(rows):
        ids[number, : len(row.ids)] = torch.tensor(row.ids, dtype=torch.long)
        positions[number, : len(row.ids)] = torch.tensor(row.depths, dtype=torch.long)
        before += [number * longest + row.parents[at] for at in row.learnt]
        targets += [row.ids[at] for at in row.learnt]
        weights += row.weights
    batch = {
        "input_ids": ids,
        "position_ids": positions,
        "before": torch.tensor(before, dtype=torch.long),
        "targets": torch.tensor(targets, dtype=torch.long),
        "weights": torch.tensor(weights),
        "units": torch.tensor(sum(row.units for row in rows)),
    }
    if not all(row.causal for row in rows):
        batch["attention_mask"] = torch.stack([_ancestors(row, longest) for row in rows]).unsqueeze(1)
    return batch


def _ancestors(row: Row, longest: int) -> Tensor:
    """[longest, longest] bool: True at [i, j] where j is i, comes before it in its text, or both are in the prefix."""
    seen = torch.eye(longest, dtype=torch.bool)
    seen[: row.prefix, : row.prefix] = True
    count = len(row.ids)
    starts = [at for at in range(count) if row.parents[at] != at - 1 or at == 0]
    for start, stop in zip(starts, [*starts[1:], count], strict=True):  # a run of tokens, each after the one before it
        if (parent := row.parents[start]) >= 0:
            seen[start:stop] |= seen[parent]
        seen[start:stop, start:stop] |= torch.ones((stop - start, stop - start), dtype=torch.bool).tril()
    return seen
