"""What was measured, as a page; and on what."""

from __future__ import annotations

import os
import platform
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "transformers", "trl", "accelerate")


def machine() -> dict[str, Any]:
    """Processor, cores and package versions."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    versions = {name: version(name) for name in PACKAGES}
    return {"processor": (names or [platform.processor()])[0], "cores": os.cpu_count(), **versions}


def markdown(found: dict[str, Any]) -> str:
    """One table per kind of training."""
    chosen, where = found["settings"], found["machine"]
    packages = ", ".join(f"{name} {where[name]}" for name in PACKAGES)
    rivals = "TRL"
    if other := where.get("LLaMA-Factory"):
        rivals = "TRL and LLaMA-Factory"
        packages += f"; LLaMA-Factory's own: {', '.join(' '.join(each) for each in other.items())}"
    lines = [
        f"# Training beside {rivals}, {date.today().strftime('%d %B %Y').lstrip('0')}",
        "",
        f"`python perf/training/measure.py{chosen['flags']}` on {where['processor']}, "
        f"{chosen['threads']} of {where['cores']} cores; "
        f"{packages}. Llama of random weights: {chosen['layers']} layers, hidden {chosen['hidden']}, MLP "
        f"{chosen['mlp']}, vocabulary {chosen['vocabulary']:,}; AdamW, {chosen['batch']} examples per optimizer step. "
        f"Medians of {chosen['repeat']} turns, CPU seconds. Before training, all losses are equal to five digits "
        "in float32.",
    ]
    for title in ("R-SFT", "HS-DPO"):
        if title in found:
            lines += _part(title, found[title])
    return "\n".join(lines) + "\n"


def _part(title: str, part: dict[str, Any]) -> list[str]:
    about = ", ".join(f"{key}: {value:,}" for key, value in part["rows"].items())
    lines = ["", f"## {title}", "", f"{about}.", "", f"| | {part['unit']} | ours, bfloat16, is |", "|---|---|---|"]
    ours = part["speeds"]["ours, bfloat16"]
    lines += [f"| {name} | {speed:,.2f} | {ours / speed:.2f} times as fast |" for name, speed in part["speeds"].items()]
    for rival, ratio in part["ratios"].items():
        to_defaults, to_best = ratio["to defaults"], ratio["to best"]
        best = f"to the best of its settings ({ratio['best']}) {to_best:.2f}"
        lines += ["", f"Ratio to {rival}'s defaults {to_defaults:.2f}; {best}."]
    return lines
