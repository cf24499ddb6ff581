"""From examples with reasoning to a reasoning guard: the paper's R-SFT (section 4.2)."""

from __future__ import annotations

from guardreasoner.recipe import Recipe
from guardreasoner.run import RunFolder


def run(recipe: Recipe, folder: RunFolder) -> None:
    """Reads reasoning.jsonl and the base, or pretrain/model/; writes sft/model/ and sft.json."""
    if (folder.sft / "model").is_dir():
        return
    from guardreasoner.training.sft import train_sft

    train_sft(recipe, folder, folder.sft)
