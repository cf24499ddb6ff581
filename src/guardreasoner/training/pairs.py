"""From preference pairs to rows, batches and the HS-DPO loss: a pair is one row, its prompt computed once."""

# torch types these members only in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from guardreasoner.training.batches import collate
from guardreasoner.training.losses import answer_sums, hs_dpo_loss, preference_margins, token_losses
from guardreasoner.training.objectives import Head
from guardreasoner.training.packing import Example, Row, pack


@dataclass(frozen=True, kw_only=True)
class PairRow(Row):
    """A prompt with two branches. The first `chosen` of `learnt` are the chosen answer's, the rest the rejected's."""

    chosen: int
    weight: float
    """alpha of HS-DPO."""
    reference: tuple[float, float] | None = None
    """log P of chosen and rejected under the model that training starts from."""


def pair_row(
    prompt: Sequence[int], chosen: Sequence[int], rejected: Sequence[int], weight: float, prefix: int = 0
) -> PairRow:
    """One pair as one row; no part may be empty. The first `prefix` tokens see each other both ways."""
    answers = (Example([*prompt, *answer], len(prompt), prefix=prefix) for answer in (chosen, rejected))
    (row,) = pack(answers, len(prompt) + len(chosen) + len(rejected))
    return PairRow(
        *(row.ids, row.parents, row.depths, row.learnt, row.weights, 1, row.prefix), chosen=len(chosen), weight=weight
    )


def collate_pairs(rows: Sequence[PairRow]) -> dict[str, Tensor]:
    """What `collate` gives, with `units` pairs, and what belongs to pairs.

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


class PreferenceObjective:
    """HS-DPO on pairs whose reference log-probabilities are known."""

    def __init__(self, beta: float, sft_weight: float) -> None:
        self._beta, self._sft_weight = beta, sft_weight
        self._sums: Tensor | None = None

    def tokens(self, row: PairRow) -> int:
        return len(row.ids)

    def units(self, row: PairRow) -> float:
        return row.units

    def collate(self, rows: Sequence[PairRow]) -> dict[str, Tensor]:
        return collate_pairs(rows)

    def loss(self, hidden: Tensor, head: Head, batch: dict[str, Tensor]) -> Tensor:
        chosen, rejected = answer_log_probs(hidden, head, batch).unbind(1)
        losses = hs_dpo_loss(
            *(chosen, rejected, batch["reference"], batch["alphas"], batch["lengths"]),
            beta=self._beta,
            sft_weight=self._sft_weight,
        )
        if torch.isfinite(batch["units"]):  # else these pairs are another process's
            self._count(chosen.detach(), rejected.detach(), batch)
        return losses.sum() / batch["units"]

    def _count(self, chosen: Tensor, rejected: Tensor, batch: dict[str, Tensor]) -> None:
        margins = preference_margins(chosen, rejected, batch["reference"], self._beta)
        preference = batch["alphas"] * -logsigmoid(margins)
        rows = (torch.ones_like(margins), preference, -chosen / batch["lengths"], margins, (margins > 0).float())
        sums = torch.stack(rows).sum(1)
        self._sums = sums if self._sums is None else self._sums + sums

    def figures(self) -> dict[str, float]:
        """Means over this process's pairs: both terms, the margin, how often the margin is above 0."""
        if self._sums is None:
            return {}
        pairs, *sums = self._sums.tolist()
        self._sums = None
        names = ("preference_loss", "chosen_sft_loss", "margin", "preference_accuracy")
        return {name: value / pairs for name, value in zip(names, sums, strict=True)}


def answer_log_probs(hidden: Tensor, head: Head, batch: dict[str, Tensor]) -> Tensor:
    """Summed log-probabilities of chosen and rejected answers, [pairs, 2]."""
    losses = token_losses(hidden, batch["before"], batch["targets"], head)
    return answer_sums(losses, batch["answers"], 2 * len(batch["alphas"])).view(-1, 2)
