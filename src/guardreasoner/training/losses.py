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


def answer_sums(losses: Tensor, answers: Tensor, count: int) -> Tensor:
    """P(answer | prompt) as a logarithm in nats, [count]. `answers` [learnt]: the answer of each learnt token."""
    return -losses.new_zeros(count).index_add(0, answers, losses)


def preference_margins(chosen: Tensor, rejected: Tensor, reference: Tensor, beta: float) -> Tensor:
    """How much more the model prefers the chosen answers than the reference does, times `beta`, [pairs].

    `chosen` and `rejected` [pairs]: summed log-probabilities under the model; `reference` [pairs, 2]: both under the
    reference.
    """
    return beta * ((chosen - reference[:, 0]) - (rejected - reference[:, 1]))


def hs_dpo_loss(
    chosen: Tensor,
    rejected: Tensor,
    reference: Tensor,
    weights: Tensor,
    lengths: Tensor,
    *,
    beta: float,
    sft_weight: float,
) -> Tensor:
    """HS-DPO (section 4.3), [pairs]; their mean is the objective. Log-probabilities as in `preference_margins`.

    alpha * -log sigmoid(margin) + `sft_weight` * -log P(chosen) / its length. `weights` [pairs]: alpha, on the
    preference alone, as in the authors' script; `lengths` [pairs]: tokens of the chosen answers. With weights of 1 it
    is plain DPO with LLaMA-Factory's `pref_ftx`.
    """
    margins = preference_margins(chosen, rejected, reference, beta)
    return weights * -functional.logsigmoid(margins) + sft_weight * -chosen / lengths
