"""From preference pairs and the R-SFT model to the guard that the paper calls GuardReasoner: HS-DPO (section 4.3)."""

from __future__ import annotations

from guardreasoner.recipe import Recipe
from guardreasoner.run import RunFolder


def run(recipe: Recipe, folder: RunFolder) -> None:
    """Reads pairs.jsonl and sft/model/; writes dpo/model/ and dpo.json."""
    if recipe.dpo is None:
        from rich.console import Console

        Console(stderr=True, highlight=False, markup=False).print("  the recipe has no section `dpo`: nothing to do")
        return
    if (folder.dpo / "model").is_dir():
        return
    from guardreasoner.training.dpo import train_dpo

    train_dpo(recipe, recipe.dpo, folder)
