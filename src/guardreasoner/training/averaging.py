"""From checkpoints that were trained from one start to the mean of their weights: a model soup.

Wortsman et al. 2022, arXiv 2203.05482: it often judges better than each of them, and costs no more than one.
"""

# safetensors and torch type these functions only in part.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from guardreasoner.errors import InputError
from guardreasoner.training.checkpoints import written

Weights = dict[str, torch.Tensor]
WEIGHTS = "*.safetensors"


def average(shares: Mapping[Path, float], out: Path) -> None:
    """Write `out`, a checkpoint like the first of `shares` with the mean of all weights, there whole or not at all.

    `shares`: a checkpoint's folder -> its part of the mean; they are made to sum to one. Summed up in float32, file by
    file, and kept in the type of the first.

    Raises:
        InputError: weights are not there, torn or not of one shape, or the disk is full.
    """
    first, files = next(iter(shares)), [_files(checkpoint) for checkpoint in shares]
    for checkpoint, found in zip(shares, files, strict=True):
        if not found or found != files[0]:
            raise InputError(f"{checkpoint}: found the weights {found}, expected {files[0] or WEIGHTS}")
    beside = out.with_name(out.name + ".partial")
    shutil.rmtree(beside, ignore_errors=True)
    with written(beside):
        shutil.copytree(first, beside, ignore=shutil.ignore_patterns(WEIGHTS))
    for name in files[0]:
        mean = _mean({checkpoint / name: share for checkpoint, share in shares.items()})
        with written(beside):
            save_file(mean, beside / name, {"format": "pt"})
    beside.replace(out)


def _files(checkpoint: Path) -> list[str]:
    return sorted(path.name for path in checkpoint.glob(WEIGHTS))


def _mean(shares: Mapping[Path, float]) -> Weights:
    """Of one file of each checkpoint."""
    whole = sum(shares.values())
    (first, share), *others = shares.items()
    kept = _load(first)
    mean = {name: tensor.float() * (share / whole) for name, tensor in kept.items()}
    for path, share in others:
        found = _load(path)
        if _shapes(found) != _shapes(kept):
            raise InputError(f"{path}: found weights of another shape than in {first}, expected the same")
        for name, tensor in found.items():
            mean[name] += tensor.float() * (share / whole)
    return {name: tensor.to(kept[name].dtype) for name, tensor in mean.items()}


def _load(path: Path) -> Weights:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise InputError(f"{path}: its weights cannot be read: {error}") from error


def _shapes(weights: Weights) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in weights.items()}
