"""From settings to medians of their seconds, and to how many times as fast ours is."""

# ruff: noqa: T201
from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

Settings = dict[str, Any]
Turn = Callable[[], dict[str, float]]
clock = time.process_time


def timed(call: Callable[[], object], clock: Callable[[], float] = clock) -> float:
    """Seconds of one call."""
    start = clock()
    call()
    return clock() - start


def in_precision(settings: dict[str, Settings], wide: tuple[str, ...], bf16: bool) -> dict[str, Settings]:
    """The settings that are measured in this precision, in float32 those of `wide`; the precision is in their names."""
    mark = "bfloat16" if bf16 else "float32"
    return {f"{name}, {mark}": each for name, each in settings.items() if bf16 or name in wide}


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
    """Ours in bfloat16 over each rival that was measured: its defaults, and its best setting in any precision."""
    ours, found = speeds["ours, bfloat16"], {}
    for rival in ("TRL", "LLaMA-Factory"):
        theirs = {name: speed for name, speed in speeds.items() if name.startswith(rival)}
        if theirs:
            best = max(theirs, key=theirs.__getitem__)
            defaults = theirs[f"{rival}, defaults, bfloat16"]
            found[rival] = {"to defaults": ours / defaults, "to best": ours / theirs[best], "best": best}
    return found
