"""From examples and the guard that reasons to its average with guards that are trained anew: a model soup."""

from __future__ import annotations

from rich.console import Console

from guardreasoner.errors import InputError
from guardreasoner.processes import is_first
from guardreasoner.recipe import Recipe
from guardreasoner.run import RunFolder


def run(recipe: Recipe, folder: RunFolder) -> None:
    """Reads reasoning.jsonl, what R-SFT starts from and the last model/; writes soup/model/, where the recipe has one.

    soup/*/model/ are the other guards, soup/*.json what they were taught.
    """
    section = recipe.soup
    if section is None:
        console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True, quiet=not is_first())
        console.print("  the recipe has no section `soup`: nothing to do")
        return
    if (folder.soup / "model").is_dir():
        return
    guard = folder.reasoning_guard(recipe)
    if not guard.is_dir():
        raise InputError(f"{guard}: not there; the stage `{guard.parent.name}` makes it")
    from guardreasoner.training.averaging import average
    from guardreasoner.training.sft import train_sft

    averaged = [guard]
    for number, other in enumerate(section.guards):
        into = folder.soup / f"guard-{number}"
        train_sft(recipe.model_copy(update={"sft": other.taught(recipe.sft)}), folder, into)
        averaged.append(into / "model")
    if is_first():
        shares = section.shares or [1.0] * len(averaged)
        average(dict(zip(averaged, shares, strict=True)), folder.soup / "model")
