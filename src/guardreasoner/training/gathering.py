"""From weights spread over processes (FSDP2, ZeRO-3) to a whole model on the first of them."""

# torch, deepspeed and transformers type these members only in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from guardreasoner import processes


def gather(model: torch.nn.Module) -> None:
    """Make `model` whole, on the CPU of the first process; elsewhere its weights are dropped. All processes call it.

    A model that every process has whole stays as it is.
    """
    if not any(_is_spread(weight) for weight in model.parameters()):
        return
    seen: dict[int, tuple[torch.nn.Parameter, torch.nn.Parameter]] = {}  # tied weights stay tied
    for module in model.modules():
        for name, weight in module.named_parameters(recurse=False, remove_duplicate=False):
            if id(weight) not in seen:
                seen[id(weight)] = (weight, _whole(weight))
            module._parameters[name] = seen[id(weight)][1]  # pyright: ignore[reportPrivateUsage]
        kinds = type(module).__mro__
        if kinds[0].__name__.startswith("FSDP") and any(kind.__name__ == "FSDPModule" for kind in kinds):
            module.__class__ = kinds[2]  # fully_shard made a class of FSDPModule and this one


def _is_spread(weight: Tensor) -> bool:
    return hasattr(weight, "full_tensor") or hasattr(weight, "ds_id")


def _whole(weight: torch.nn.Parameter) -> torch.nn.Parameter:
    spread: Any = weight
    with torch.no_grad():
        if hasattr(weight, "ds_id"):
            zero: Any = import_module("deepspeed").zero
            with zero.GatheredParameters([weight]):
                full = weight.data.cpu().clone() if processes.is_first() else torch.empty(0)
        else:
            full = spread.full_tensor() if hasattr(weight, "full_tensor") else weight.data
            full = full.cpu().clone() if processes.is_first() else torch.empty(0)
    return torch.nn.Parameter(full, requires_grad=weight.requires_grad)
