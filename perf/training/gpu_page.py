"""What was measured on a GPU, as a page."""

from __future__ import annotations

from datetime import date
from typing import Any

from page import PACKAGES


def markdown(found: dict[str, Any]) -> str:
    """One table per kind of training."""
    chosen, where = found["settings"], found["machine"]
    use = f"Their use is of the maker's dense peak, {where['peak'] / 1e12:,.0f} TFLOP/s." if where["peak"] else ""
    alone = found["examples TRL computes at once"]
    turns = f"Medians of {chosen['repeat']} turns" if chosen["repeat"] > 1 else "One turn"
    packages = ", ".join(f"{name} {where[name]}" for name in PACKAGES)
    lines = [
        f"# Training on one GPU, {date.today().strftime('%d %B %Y').lstrip('0')}",
        "",
        f"`python perf/training/gpu.py{chosen['flags']}` on {where['gpu']}; {packages}. Llama of random weights, "
        f"{found['parameters'] / 1e9:.3f} billion parameters: {chosen['layers']} layers, hidden {chosen['hidden']}, "
        f"MLP {chosen['mlp']}, vocabulary {chosen['vocabulary']:,}; weights in float32, computing in bfloat16, AdamW, "
        "one optimizer step of all rows, at whose end AdamW's moments come: the fullest moment is the backward pass "
        f"without them or that step, and a longer run holds {8 * found['parameters'] / 2**30:.1f} GiB more in the "
        f"backward pass. {turns}, by the clock. Model FLOPs: 6 per weight and token and the attention's; what gradient "
        "checkpointing computes again does not count, nor does the vocabulary where nothing is learnt. "
        f"{use} TRL computes {alone[0]} examples at once in R-SFT, its default, and {alone[1]} pairs in HS-DPO; more "
        "of them, its `packing` and its `padding_free` were not tried.",
    ]
    for title in ("R-SFT", "HS-DPO"):
        if title in found:
            lines += _part(title, found[title], where["peak"])
    return "\n".join(lines) + "\n"


def _part(title: str, part: dict[str, Any], peak: float | None) -> list[str]:
    about = ", ".join(f"{key}: {value:,}" for key, value in part["rows"].items())
    head = f"| | {part['unit']} | ours, the recipe's settings, is | GiB | GiB by the plan | model FLOPs use |"
    own, theirs = part["losses"]["ours"], part["losses"]["TRL"]
    alike = f"Before training, in float32, the loss of four of them is {own:.6f}, TRL's {theirs:.6f}."
    lines = ["", f"## {title}", "", f"{about}. {alike}", "", head, "|---|---|---|---|---|---|"]
    ours = part["speeds"]["ours, the recipe's settings"]
    for name, speed in part["speeds"].items():
        planned, rate = part["planned gib"].get(name), part["flop per second"].get(name)
        cells = [
            name,
            f"{speed:,.2f}",
            f"{ours / speed:.2f} times as fast",
            f"{part['gib'][name]:.1f}",
            "" if planned is None else f"{planned:.1f}",
            "" if rate is None or peak is None else f"{rate / peak:.1%}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    best = {side: max(v for n, v in part["speeds"].items() if n.startswith(side)) for side in ("ours", "TRL")}
    defaults = ours / part["speeds"]["TRL, defaults"]
    to_best = best["ours"] / best["TRL"]
    return [*lines, "", f"Ratio to TRL's defaults {defaults:.2f}; of the best settings of both {to_best:.2f}."]
