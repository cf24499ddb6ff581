"""From settings to medians of their seconds, and to how many times as fast ours is."""

# ruff: noqa: T201
from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

Turn = Callable[[], dict[str, float]]
clock = time.process_time


def timed(call: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = clock()
    call()
    return clock() - start


def take_turns(turns: dict[str, Turn], repeat: int) -> dict[str, dict[str, float]]:
    """Medians of each setting's seconds, the settings one after another, `repeat` times."""
    seconds: dict[str, list[dict[str, float]]] = {name: [] for name in turns}
    for number in range(repeat):
        for name, turn in turns.items():
            seconds[name].append(turn())
            print(f"{number + 1}/{repeat} {name}: {seconds[name][-1]}", file=sys.stderr)
    return {name: {key: statistics.median(e[key] for e in each) for key in each[0]} for name, each in seconds.items()}


def check(losses: dict[str, float]) -> None:
    """Stop where a setting's loss is another one."""
    for name, loss in losses.items():
        if not math.isclose(loss, losses["ours"], rel_tol=1e-5):
            raise SystemExit(f"{name}: the loss before training is {loss}, expected ours, {losses['ours']}")


def ratios(speeds: dict[str, float]) -> dict[str, Any]:
    """Ours in bfloat16 over TRL, and over LLaMA-Factory where it was measured."""
    other = "LLaMA-Factory"
    measured = any(name.startswith(other) for name in speeds)
    return _ratios(speeds, "TRL") | ({other: _ratios(speeds, other)} if measured else {})


def _ratios(speeds: dict[str, float], rival: str) -> dict[str, Any]:
    """Over the rival's defaults, and over its best setting in any precision."""
    ours = speeds["ours, bfloat16"]
    best = max((name for name in speeds if name.startswith(rival)), key=speeds.__getitem__)
    return {
        "ratio to defaults": ours / speeds[f"{rival}, defaults, bfloat16"],
        "ratio to best": ours / speeds[best],
        "best": best,
    }
