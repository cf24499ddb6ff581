"""From a base to one whose low-rank adapters alone are trained (LoRA, QLoRA), and from that to plain weights again."""

# peft, transformers and torch type these members only in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import warnings
from importlib.util import find_spec
from typing import Any, cast

import torch
from transformers import PreTrainedModel

from guardreasoner.errors import InputError, MissingExtra
from guardreasoner.recipe import LoraSection, Optimisation
from guardreasoner.training.bases import open_model


def open_trainable(start: str, section: Optimisation, lora: LoraSection | None) -> torch.nn.Module:
    """The weights of a base, ready to train: all of them in float32, or adapters in front of frozen ones.

    Frozen weights are kept in bfloat16 where the section says so, or in four bits (`quantize` = `nf4`).
    """
    if lora is None:
        return open_model(start)
    if find_spec("peft") is None:
        raise MissingExtra("`lora`", "lora")
    dtype = torch.bfloat16 if section.bf16 else torch.float32
    if lora.quantize == "none":
        return _adapted(open_model(start, dtype=dtype), lora, section.seed)
    if find_spec("bitsandbytes") is None:
        raise MissingExtra("`lora.quantize` = 'nf4'", "lora")
    from transformers import BitsAndBytesConfig

    # as QLoRA has it (Dettmers et al. 2023): NormalFloat, the constants quantized too
    four_bits = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )
    return _adapted(open_model(start, dtype=dtype, quantization_config=four_bits), lora, section.seed)


def merged(model: torch.nn.Module) -> PreTrainedModel:
    """Plain weights: the model itself, or its base in float32 with the adapters added.

    A base in four bits is first brought back to what those bits say, for that is what the adapters were trained on.
    """
    if isinstance(model, PreTrainedModel):
        return model
    from peft import get_peft_model_state_dict, set_peft_model_state_dict

    whole: Any = model
    state, config = get_peft_model_state_dict(whole), whole.peft_config["default"]
    base: Any = whole.unload()
    if getattr(base, "is_quantized", False):
        base = base.dequantize()
    with_adapters: Any = _with(base.float(), config)
    set_peft_model_state_dict(with_adapters, state)
    return cast(PreTrainedModel, with_adapters.merge_and_unload())


def _adapted(model: PreTrainedModel, lora: LoraSection, seed: int) -> torch.nn.Module:
    from peft import LoraConfig

    modules = lora.target_modules if isinstance(lora.target_modules, str) else list(lora.target_modules)
    config = LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=modules,
        task_type="CAUSAL_LM",
    )
    torch.manual_seed(seed)  # the adapters start at random
    try:
        return _with(model, config)
    except ValueError as error:
        raise InputError(f"`lora.target_modules`: {' '.join(str(error).split())}") from error


def _with(model: Any, config: Any) -> torch.nn.Module:
    from peft import get_peft_model

    with warnings.catch_warnings():
        # peft 0.21 asks transformers 5 whether it recomputes activations, under a name that is going away
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        return cast(torch.nn.Module, get_peft_model(model, config))
