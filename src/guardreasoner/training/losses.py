"""Losses as pure functions of tensors. Only positions that are learnt ever meet the vocabulary."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional


def token_losses(hidden: Tensor, before: Tensor, targets: Tensor, head: Callable[[Tensor], Tensor]) -> Tensor:
    """-log P(target) in nats, [learnt].

    `hidden` [rows, time, width]; `before` [learnt]: the positions in it, row after row, that predict `targets`.
    """
    return functional.cross_entropy(head(hidden.flatten(0, 1)[before]).float(), targets, reduction="none")


def sft_loss(losses: Tensor, weights: Tensor, units: Tensor) -> Tensor:
    """-log P(completion | prompt), the paper's R-SFT objective (section 4.2), as a scalar in nats.

    `losses` and `weights` [learnt]; `units`: what the weighted sum is averaged over, the number of learnt tokens or of
    examples. A batch of rare, heavy examples counts for more: weights are not made to sum to one in each batch.
    """
    return (losses * weights).sum() / units
