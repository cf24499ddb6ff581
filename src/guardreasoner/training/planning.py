"""From a recipe and named devices to one document: what each training stage needs, and whether it fits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from guardreasoner.errors import InputError
from guardreasoner.recipe import DPOSection, Recipe, SFTSection
from guardreasoner.run import RunFolder
from guardreasoner.training.corpus import dpo_tokens, member_tokens, sft_tokens
from guardreasoner.training.needs import GIB, GPU, GPUS, Memory, Sharding, Tokens, fits, flop, hours, memory
from guardreasoner.training.shapes import shape_of

Stage = tuple[str, SFTSection | DPOSection, Tokens]


def needed(
    recipe: Recipe, folder: RunFolder, gpus: Sequence[str], sharding: Sharding, utilisation: float
) -> dict[str, Any]:
    """As `guardreasoner plan --json` prints it; memory in GiB per device."""
    shape = shape_of(recipe)
    stages, uncounted = _stages(recipe, folder)
    work = {name: flop(shape, tokens, section) for name, section, tokens in stages}
    devices: list[dict[str, Any]] = []
    for named in gpus:
        name, gpu, count = _gpu(named)
        held = {
            stage: memory(shape, section, count, sharding, tokens.learnt / max(1, tokens.read))
            for stage, section, tokens in stages
            if not stage.startswith(("ensemble", "soup"))  # as R-SFT
        }
        took = {stage: hours(each, gpu, count, utilisation) for stage, each in work.items()}
        devices.append(
            {
                "gpu": name,
                "count": count,
                "sharding": sharding,
                "gib": gpu.memory,
                "peak": gpu.peak,
                "source": gpu.source,
                "fits": all(fits(each, gpu) for each in held.values()),
                # every process loads the whole base first: float32, or the frozen weights' two bytes
                "host gib": round(count * shape.parameters * (4 if recipe.sft.lora is None else 2) / GIB, 1),
                "memory": {stage: _gib(each) for stage, each in held.items()},
                "hours": {stage: round(each, 2) for stage, each in took.items()},
                "gpu hours": round(sum(took.values()) * count, 2),
            }
        )
    lora = recipe.sft.lora
    return {
        "recipe": recipe.name,
        "base": recipe.model.base,
        "parameters": shape.parameters,
        "trained": shape.parameters if lora is None else shape.adapters(lora.r),
        "utilisation": utilisation,
        "stages": [
            {
                "stage": name,
                "examples": tokens.examples,
                "tokens": tokens.read,
                "learnt tokens": tokens.learnt,
                "counted from": tokens.source,
                "epochs": section.epochs,
                "flop": work[name],
            }
            for name, section, tokens in stages
        ],
        "not counted": uncounted,
        "devices": devices,
    }


def _stages(recipe: Recipe, folder: RunFolder) -> tuple[list[Stage], list[str]]:
    """The training stages that the recipe has, and what no figure is given for."""
    whole = sft_tokens(recipe, folder)
    stages: list[Stage] = [("sft", recipe.sft, whole)]
    uncounted: list[str] = []
    if recipe.model.base is None:
        uncounted.append("pretraining")
    stages += [(f"ensemble {name}", recipe.sft, tokens) for name, tokens in member_tokens(recipe, whole).items()]
    if recipe.mine is not None:
        uncounted.append("sampling for mining, which an inference server does")
    if recipe.dpo is not None:
        pairs = dpo_tokens(recipe, folder, whole)
        if pairs is None:
            uncounted.append("dpo: how many pairs there will be is known after mining")
        else:
            stages.append(("dpo", recipe.dpo, pairs))
            uncounted.append("the log-probabilities of the reference model: one forward pass over the pairs")
    if recipe.soup is not None:
        for number, guard in enumerate(recipe.soup.guards):
            taught = guard.taught(recipe.sft)
            if (taught.reasoning, taught.cutoff) == (recipe.sft.reasoning, recipe.sft.cutoff):
                stages.append((f"soup guard {number}", taught, whole))
            else:
                uncounted.append(f"soup guard {number}: a further training, on examples of another length")
    return stages, uncounted


def _gpu(named: str) -> tuple[str, GPU, int]:
    name, colon, number = named.partition(":")
    if name not in GPUS:
        raise InputError(f"--gpu {named}: unknown, expected one of {', '.join(GPUS)}, with :COUNT behind it")
    if colon and not (number.isdecimal() and int(number) > 0):
        raise InputError(f"--gpu {named}: found the count {number!r}, expected a number above 0")
    return name, GPUS[name], int(number or 1)


def _gib(held: Memory) -> dict[str, float]:
    parts = {
        "weights": held.weights,
        "gradients": held.gradients,
        "optimizer": held.optimizer,
        "activations": held.activations,
        "logits": held.logits,
        "total": held.total,
    }
    return {name: round(each / GIB, 2) for name, each in parts.items()}
