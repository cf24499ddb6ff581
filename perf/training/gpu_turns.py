"""From settings to seconds, memory and the use of one GPU."""

# ruff: noqa: T201
from __future__ import annotations

import gc
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch

from guardreasoner.training.needs import GIB, GPUS, Tokens, flop, memory
from guardreasoner.training.shapes import Shape


def device() -> dict[str, Any]:
    """The GPU, and the peak that its use is measured against; without one, of nothing."""
    if not torch.cuda.is_available():
        return {"gpu": "no GPU", "peak": None}
    name = torch.cuda.get_device_name()
    known = [key for key in GPUS if key in name.replace(" ", "").replace("GeForce", "")]
    return {"gpu": name, "peak": GPUS[max(known, key=len)].peak if known else None, "cuda": torch.version.cuda}


def clock() -> float:
    """Seconds, after all that the GPU was told."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def cleared() -> None:
    """Nothing of the turn before is left on the GPU, and its fullest is counted anew."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def measured(turns: dict[str, Callable[[int], float]], repeat: int, few: int) -> dict[str, tuple[float, float]]:
    """Median seconds and the most GiB of each setting, one after another, `repeat` times after a short first pass.

    A setting that runs out of memory is said and left out.
    """
    seconds: dict[str, list[float]] = {name: [] for name in turns}
    held = dict.fromkeys(turns, 0.0)
    for side in ("ours", "TRL"):
        next(turn for name, turn in turns.items() if name.startswith(side))(few)
    for number in range(repeat):
        for name, turn in turns.items():
            cleared()
            try:
                seconds[name].append(turn(10**9))
            except torch.cuda.OutOfMemoryError:
                print(f"{name}: out of memory", file=sys.stderr)
                continue
            if torch.cuda.is_available():
                held[name] = max(held[name], torch.cuda.max_memory_allocated() / GIB)
            print(f"{number + 1}/{repeat} {name}: {seconds[name][-1]:.2f} s, {held[name]:.1f} GiB", file=sys.stderr)
    return {name: (statistics.median(each), held[name]) for name, each in seconds.items() if each}


def figures(
    shape: Shape,
    sections: dict[str, Any],
    counted: Tokens,
    took: dict[str, tuple[float, float]],
    speeds: dict[str, float],
    passes: float = 1.0,
) -> dict[str, Any]:
    """Speeds, memory beside the plan's, FLOPs of the model.

    `passes`: the reference's forward pass is a third of one. There is one optimizer step, and AdamW's moments come at
    its end: the fullest moment is the backward pass without them, or the step itself.
    """
    share = counted.learnt / counted.read
    needed = {name: memory(shape, section, 1, "none", share) for name, section in sections.items()}
    step = 16 * shape.parameters
    planned = {name: max(each.total - each.optimizer, step) / GIB for name, each in needed.items()}
    once = next(iter(sections.values())).model_copy(update={"gradient_checkpointing": False})
    work = passes * flop(shape, counted, once)
    return {
        "seconds": {name: seconds for name, (seconds, _) in took.items()},
        "speeds": speeds,
        "gib": {name: held for name, (_, held) in took.items()},
        "planned gib": planned,
        "flop per second": {name: work / took[name][0] for name in sections if name in took},
    }
