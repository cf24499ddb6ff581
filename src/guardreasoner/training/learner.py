"""From a language model and an objective to one module whose forward is the loss.

DDP, FSDP2 and DeepSpeed act on the forward of the module that they wrap: they gather weights before it and send
gradients after it. So for the time of training the model's own forward is the loss; its weights, their names and its
class stay as they are, and every checkpoint is a plain one of the model.
"""

# transformers and torch type these members only in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from types import MethodType
from typing import Any

import torch
from torch import Tensor

from guardreasoner.errors import InputError
from guardreasoner.training.objectives import Head, Objective


@dataclass(frozen=True)
class Batch:
    """A batch that no wrapper looks into: FSDP2 and DeepSpeed would round the floats among its tensors to bf16."""

    tensors: dict[str, Tensor]


@contextmanager
def learning(model: torch.nn.Module, objective: Objective[Any]) -> Generator[None]:
    """While it lasts, `model(Batch(...))` is the loss of `objective`."""

    def forward(self: torch.nn.Module, batch: Batch) -> Tensor:
        return loss_of(self, objective, batch.tensors)

    check_head(model)
    model.forward = MethodType(forward, model)
    try:
        yield
    finally:
        for name in ("forward", "_original_forward"):  # the second is accelerate's
            model.__dict__.pop(name, None)


def loss_of(model: torch.nn.Module, objective: Objective[Any], batch: dict[str, Tensor]) -> Tensor:
    """The objective's loss of one batch."""
    return objective.loss(*states_of(model, batch), batch)


def states_of(model: torch.nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Head]:
    """Last hidden states of one batch, [rows, longest, width], and what makes logits of them."""
    language_model = causal(model)
    hidden = language_model.base_model(
        input_ids=batch["input_ids"],
        position_ids=batch["position_ids"],
        attention_mask=_mask(batch.get("attention_mask"), language_model.config),
        use_cache=False,
    ).last_hidden_state
    return hidden, head_of(language_model)


def causal(model: torch.nn.Module) -> Any:
    """The language model itself: PEFT's adapters sit inside the layers of the model that they adapt."""
    whole: Any = model
    return whole.get_base_model() if hasattr(whole, "get_base_model") else whole


def head_of(language_model: Any) -> Head:
    """Hidden states -> logits, with what some families do to them: scaling (Cohere, Granite), a soft cap (Gemma)."""
    projection, config = language_model.get_output_embeddings(), language_model.config
    scale = getattr(config, "logit_scale", None) or 1 / (getattr(config, "logits_scaling", None) or 1)
    cap = getattr(config, "final_logit_softcapping", None)

    def head(hidden: Tensor) -> Tensor:
        logits = projection(hidden)
        if scale != 1:
            logits = logits * scale
        return logits if cap is None else cap * torch.tanh(logits / cap)

    return head


def check_head(model: torch.nn.Module) -> None:
    """InputError if the logits of `model` are not what `head_of` makes of its hidden states."""
    language_model, name = causal(model), type(causal(model)).__name__
    if getattr(language_model, "base_model", language_model) is language_model:
        raise InputError(f"{name} has no backbone apart from its head, expected a causal language model")
    if language_model.get_output_embeddings() is None:
        raise InputError(f"{name} has no output head, expected a causal language model")
    first = next(language_model.parameters())
    if first.is_meta or hasattr(first, "ds_id"):  # no weights here to compute with
        return
    ids = torch.tensor([[1, 2, 3, 4]], device=first.device)
    training = language_model.training
    language_model.eval()
    with torch.no_grad():
        theirs = language_model(input_ids=ids, use_cache=False).logits
        ours = head_of(language_model)(language_model.base_model(input_ids=ids, use_cache=False).last_hidden_state)
    language_model.train(training)
    if not torch.allclose(ours.float(), theirs.float(), rtol=1e-3, atol=1e-3, equal_nan=True):
        raise InputError(
            f"{name}: its logits are not its head applied to its last hidden states, expected such a model"
        )


def _mask(mask: Tensor | None, config: Any) -> Tensor | None:
    """A tree's mask as the model's way of attending reads it."""
    if mask is None:
        return None
    way = getattr(config, "_attn_implementation", "sdpa")
    if way == "eager":  # adds the mask to the scores
        return torch.zeros(mask.shape, device=mask.device).masked_fill_(~mask, torch.finfo(torch.float32).min)
    if way != "sdpa":
        raise InputError(f"attention `{way}` cannot read rows that share prompts, expected `sdpa` or `eager`")
    window = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
    if window is not None and mask.shape[-1] > window:
        raise InputError(
            f"a row of {mask.shape[-1]} tokens shares prompts, and the model's attention reaches back {window} tokens, "
            "expected shorter rows: a smaller `row_tokens`"
        )
    return mask
