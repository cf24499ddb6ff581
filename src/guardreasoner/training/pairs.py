"""From preference pairs to rows and batches: one row per pair, the prompt that both answers share computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from guardreasoner.training.batches import collate
from guardreasoner.training.packing import Example, Row, pack


@dataclass(frozen=True)
class PairRow(Row):
    """A prompt with two branches. The first `chosen` of `learnt` are the chosen answer's, the rest the rejected's."""

    chosen: int
    weight: float
    """alpha of HS-DPO."""
    reference: tuple[float, float] | None = None
    """log P of chosen and rejected under the model that training starts from."""


def pair_row(prompt: Sequence[int], chosen: Sequence[int], rejected: Sequence[int], weight: float) -> PairRow:
    """One pair as one row; no part may be empty."""
    answers = (Example([*prompt, *answer], len(prompt)) for answer in (chosen, rejected))
    (row,) = pack(answers, len(prompt) + len(chosen) + len(rejected))
    return PairRow(row.ids, row.parents, row.depths, row.learnt, row.weights, 1, chosen=len(chosen), weight=weight)


def collate_pairs(rows: Sequence[PairRow]) -> dict[str, Tensor]:
    """What `collate` gives, its `units` being pairs, and of the pairs:

    `answers` [learnt], 2n for the chosen answer of pair n and 2n + 1 for the rejected; `alphas` and `lengths` [pairs],
    the chosen answers' tokens; `reference` [pairs, 2], absent while it is not known.
    """
    batch = collate(rows)
    counts = [count for row in rows for count in (row.chosen, len(row.learnt) - row.chosen)]
    batch["answers"] = torch.repeat_interleave(torch.tensor(counts))
    batch["alphas"] = torch.tensor([row.weight for row in rows])
    batch["lengths"] = torch.tensor([row.chosen for row in rows])
    known = [row.reference for row in rows if row.reference is not None]
    if len(known) == len(rows):
        batch["reference"] = torch.tensor(known)
    return batch
