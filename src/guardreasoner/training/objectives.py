"""From a batch's last hidden states to its loss: what one training loop can be told to learn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from torch import Tensor

from guardreasoner.training.batches import collate
from guardreasoner.training.losses import sft_loss, token_losses
from guardreasoner.training.packing import Row

R = TypeVar("R", contravariant=True)
Head = Callable[[Tensor], Tensor]
"""Hidden states [..., width] -> logits [..., vocabulary]."""


class Objective(Protocol[R]):
    """What `train` asks about its rows. `R` is the kind of row: a packed `Row`, or a pair."""

    def tokens(self, row: R) -> int:
        """How wide the row is in a batch."""
        ...

    def units(self, row: R) -> float:
        """What the row adds to the number that the loss of an optimizer step is averaged over."""
        ...

    def collate(self, rows: Sequence[R]) -> dict[str, Tensor]:
        """One batch, at least one row.

        `input_ids`, `position_ids` and, where rows branch, a boolean `attention_mask` [rows, 1, longest, longest] go to
        the backbone. `units` is the sum over the rows; the loop sets it to that of the whole optimizer step (or to
        infinity where a process has nothing to do). The rest is whatever `loss` needs.
        """
        ...

    def loss(self, hidden: Tensor, head: Head, batch: dict[str, Tensor]) -> Tensor:
        """The summed loss divided by `batch["units"]`, a float32 scalar in nats.

        `hidden` [rows, longest, width]; `head` is called once (FSDP2 gathers its weights for one call), with the
        states of the learnt positions alone.
        """
        ...

    def figures(self) -> dict[str, float]:
        """What else `metrics.jsonl` is told: means since the last call, of what this process saw."""
        ...


class SFTObjective:
    """-log P of what is learnt, given what comes before: pretraining and R-SFT."""

    def tokens(self, row: Row) -> int:
        return len(row.ids)

    def units(self, row: Row) -> float:
        return row.units

    def collate(self, rows: Sequence[Row]) -> dict[str, Tensor]:
        return collate(rows)

    def loss(self, hidden: Tensor, head: Head, batch: dict[str, Tensor]) -> Tensor:
        return sft_loss(token_losses(hidden, batch["before"], batch["targets"], head), batch["weights"], batch["units"])

    def figures(self) -> dict[str, float]:
        return {}
