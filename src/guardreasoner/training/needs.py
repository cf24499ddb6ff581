"""From a recipe, a shape and devices to what training needs: tokens, memory per device, hours. Arithmetic alone.

An estimate before a run, not a measurement: each function says its formula and where it is from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from guardreasoner.recipe import DPOSection, LoraSection, SFTSection
from guardreasoner.training.shapes import Shape

Sharding = Literal["none", "fsdp2", "zero3"]
UTILISATION = 0.2
"""Assumed share of the peak that training reaches, what is computed again counted. On an H100 the 1B model with its
recipe's settings reached 0.21 in R-SFT and about half of that in HS-DPO; without gradient checkpointing 0.27 and 0.20
(perf/training). Larger models and batches reach more: 0.35 to 0.5 are reported (Chowdhery et al. 2022, PaLM, table 3;
Touvron et al. 2023)."""
SPARE = 0.08  # of a device's memory: CUDA's context, the allocator's gaps
GIB = 2**30


@dataclass(frozen=True)
class GPU:
    """Dense bfloat16 peak in FLOP/s, memory in GiB as the driver shows it, and the maker's sheet."""

    peak: float
    memory: float
    source: str


GPUS = {
    "A100-40": GPU(312e12, 39.4, "NVIDIA A100 datasheet"),
    "A100": GPU(312e12, 79.3, "NVIDIA A100 80GB datasheet"),
    "H100": GPU(989e12, 79.6, "NVIDIA H100 SXM datasheet (1,979 with sparsity)"),
    "H200": GPU(989e12, 140.4, "NVIDIA H200 SXM datasheet (1,979 with sparsity)"),
    "B200": GPU(2250e12, 178.4, "NVIDIA HGX B200 datasheet (4,500 with sparsity)"),
    "L4": GPU(121e12, 22.5, "NVIDIA L4 datasheet (242 with sparsity)"),
    "L40S": GPU(362e12, 44.5, "NVIDIA L40S datasheet (733 with sparsity)"),
    "MI300X": GPU(1307e12, 191.5, "AMD Instinct MI300X datasheet"),
    "RTX3090": GPU(71e12, 23.7, "NVIDIA GA102 whitepaper, appendix A"),
    "RTX4090": GPU(165e12, 23.6, "NVIDIA Ada whitepaper, appendix A"),
}


@dataclass(frozen=True)
class Tokens:
    """Of one epoch. `learnt` of them meet the vocabulary."""

    examples: int
    read: int
    learnt: int
    source: str


@dataclass(frozen=True)
class Memory:
    """Bytes on one device."""

    weights: float
    gradients: float
    optimizer: float
    activations: float
    logits: float

    @property
    def total(self) -> float:
        return self.weights + self.gradients + self.optimizer + self.activations + self.logits


def memory(
    shape: Shape, section: SFTSection | DPOSection, devices: int, sharding: Sharding, learnt_share: float
) -> Memory:
    """What one device holds at its fullest.

    Full-parameter: float32 weights, gradients and AdamW's two moments, 4 + 4 + 8 bytes each (mixed precision after
    Micikevicius et al. 2018; Rajbhandari et al. 2020, ZeRO, section 3.1, counts the same 16). Under bf16 autocast the
    weights' 2-byte copies live through the forward pass. `none` on several devices (DDP) has the gradients a second
    time, in its buckets. `fsdp2` and `zero3` divide the 16 bytes by the devices and gather one layer, and the
    embeddings, at a time. A learnt token's logits: in float32 they, their log-softmax and its gradient, 12
    bytes each, and under bf16 the 2 that they are cast from. What an H100 held beside this: perf/training.
    """
    parts = devices if sharding != "none" else 1
    cast = 2 if section.bf16 else 0
    trained = shape.adapters(section.lora.r) if section.lora is not None else shape.parameters
    frozen = _frozen_bytes(shape, section.lora, 2 if section.bf16 else 4) if section.lora is not None else 0
    gathered = 0.0
    if sharding != "none" and section.lora is None:
        gathered = (2 * shape.layer + shape.head) * (2 if section.bf16 else 4)
    elif section.lora is None:
        gathered = cast * trained
    copies = 2 if sharding == "none" and devices > 1 else 1
    batch = max(section.batch_tokens, section.cutoff)
    return Memory(
        weights=(4 * trained + frozen) / parts + gathered,
        gradients=4 * trained * copies / parts,
        optimizer=8 * trained / parts,
        activations=_activation_bytes(shape, section) * batch,
        logits=(12 + (2 if section.bf16 else 0)) * shape.vocab_size * batch * learnt_share,
    )


def _frozen_bytes(shape: Shape, lora: LoraSection, each: int) -> float:
    """A frozen base: 2 or 4 bytes per weight, in nf4 the matrices 4.127 bits.

    4 bits, and 0.127 of constants that are quantized too (Dettmers et al. 2023, QLoRA, section 3).
    """
    if lora.quantize == "none":
        return each * shape.parameters
    matrices = shape.num_hidden_layers * shape.linear
    return matrices * 4.127 / 8 + each * (shape.parameters - matrices)


def _activation_bytes(shape: Shape, section: SFTSection | DPOSection) -> float:
    """Per token of a batch, over all layers; what Korthikanti et al. 2022, section 4, count, for a gated MLP.

    Kept for the backward pass of one layer: the residual stream at both norms and what they make of it (float32, 4 x
    hidden), the normed inputs, queries, keys, values and the attention's output (4 x hidden + 2 x keys' width), and the
    MLP's four widths. transformers repeats keys and values for all heads and lays the attention's output out once more.
    Scores are not kept: attention is computed in blocks. With gradient checkpointing the layers' inputs alone, and one
    layer in full.
    """
    each = 2 if section.bf16 else 4
    keys = shape.num_key_value_heads * shape.head_dim
    repeated = 2 * (shape.num_attention_heads * shape.head_dim - keys) + shape.hidden_size
    layer = 16 * shape.hidden_size + each * (4 * shape.hidden_size + 2 * keys + repeated + 4 * shape.intermediate_size)
    if section.gradient_checkpointing:
        return 4 * shape.hidden_size * shape.num_hidden_layers + layer
    return layer * shape.num_hidden_layers


def flop(shape: Shape, tokens: Tokens, section: SFTSection | DPOSection) -> float:
    """Of all epochs: 6 per weight and token, 2 forward and 4 backward (Kaplan et al. 2020, section 2.1).

    2 more where activations are computed again; adapters save the weights' own gradients, 2 of the 6. The projection
    onto the vocabulary counts at learnt tokens alone.
    Attention adds 6 x layers x width x length (PaLM, appendix B, halved: causal).
    """
    again = 2 if section.gradient_checkpointing else 0
    per_weight = (4 if section.lora is not None else 6) + again
    length = tokens.read / max(1, tokens.examples)
    attention = (1 + again / 6) * 6 * shape.num_hidden_layers * shape.num_attention_heads * shape.head_dim * length
    backbone = per_weight * shape.num_hidden_layers * shape.layer + attention
    head = 6 * shape.head
    return section.epochs * (tokens.read * backbone + tokens.learnt * head)


def hours(work: float, gpu: GPU, devices: int, utilisation: float = UTILISATION) -> float:
    """Wall-clock hours at a share of the peak."""
    return work / (gpu.peak * utilisation * devices) / 3600


def fits(needed: Memory, gpu: GPU) -> bool:
    """Whether one device holds it, with a little to spare."""
    return needed.total <= gpu.memory * GIB * (1 - SPARE)
