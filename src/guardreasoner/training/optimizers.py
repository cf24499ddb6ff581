"""From a model to its optimizer: AdamW, or Muon for the weight matrices with AdamW for the rest."""

# torch types these members only in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.optim import AdamW, Muon, Optimizer

from guardreasoner.recipe import Optimisation


def optimizer_of(model: torch.nn.Module, section: Optimisation) -> Optimizer:
    """Weight decay falls on matrices alone; embeddings, tied to the output here, count as vectors."""
    named = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    matrices = [weight for name, weight in named if weight.ndim == 2 and "embed" not in name]
    others = [weight for name, weight in named if not (weight.ndim == 2 and "embed" not in name)]
    rate, decay = section.learning_rate, section.weight_decay
    if section.optimizer == "muon":
        # `match_rms_adamw` scales an update as AdamW's is, so that one learning rate serves both (Liu et al. 2025)
        muon = Muon(matrices, lr=rate, weight_decay=decay, momentum=0.95, adjust_lr_fn="match_rms_adamw")
        return Together(muon, AdamW(others, lr=rate, betas=section.betas, weight_decay=0.0))
    groups = [{"params": matrices, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
    return AdamW(groups, lr=rate, betas=section.betas)


class Together(Optimizer):
    """Several optimizers, each for its own weights, that a trainer handles as one."""

    def __init__(self, *parts: Optimizer) -> None:
        self.parts = parts
        super().__init__([group for part in parts for group in part.param_groups], {})
        self._share()

    def _share(self) -> None:
        """One set of groups: what a scheduler sets here holds for the parts."""
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = None if closure is None else closure()
        for part in self.parts:
            part.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        return {"parts": [part.state_dict() for part in self.parts], "state": {}, "param_groups": []}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for part, state in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self._share()
