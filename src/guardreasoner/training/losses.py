"""Losses as pure functions of tensors. Only positions with a label ever meet the vocabulary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

IGNORE = -100
"""Label of a position that is not trained on (prompt, padding, unannotated)."""


def sft_loss(
    hidden: Tensor,
    labels: Tensor,
    head: Callable[[Tensor], Tensor],
    average: Literal["token", "row"] = "token",
    weights: Tensor | None = None,
) -> Tensor:
    """-log P(completion | prompt), the paper's R-SFT objective (section 4.2), as a scalar in nats.

    hidden [rows, time, width] are the last states, labels [rows, time] the token ids with IGNORE where nothing is
    learnt; the state at t predicts the label at t + 1. `token` averages over all labelled positions of the batch,
    `row` first over those of each row, so that a three-token answer weighs as much as a page of reasoning.
    `weights` [rows] multiply what each row adds, after the averaging: a batch of rare rows counts for more.
    """
    targets = labels[:, 1:]
    wanted = targets != IGNORE
    losses = functional.cross_entropy(head(hidden[:, :-1][wanted]).float(), targets[wanted], reduction="none")
    per_row = wanted.sum(dim=1)
    if average == "token":
        share = torch.ones_like(per_row, dtype=losses.dtype) / per_row.sum()
    else:
        share = 1.0 / (per_row.clamp(min=1) * (per_row > 0).sum())
    if weights is not None:
        share = share * weights
    return torch.dot(losses, share.unsqueeze(1).expand_as(wanted)[wanted])
