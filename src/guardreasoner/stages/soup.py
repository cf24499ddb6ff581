"""From examples and the guard that reasons to its average with one that is taught the answers alone: a model soup."""

from __future__ import annotations

from rich.console import Console

from guardreasoner.errors import InputError
from guardreasoner.processes import is_first
from guardreasoner.recipe import Recipe
from guardreasoner.run import RunFolder


def run(recipe: Recipe, folder: RunFolder) -> None:
    """Reads reasoning.jsonl, what R-SFT starts from and the last model/; writes soup/model/, where the recipe has one.

    soup/answers/model/ is the guard that was taught the answers alone, soup/answers.json what it was taught.
    """
    section = recipe.soup
    if section is None:
        console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True, quiet=not is_first())
        console.print("  the recipe has no section `soup`: nothing to do")
        return
    if (folder.soup / "model").is_dir():
        return
    guard, answers = folder.reasoning_guard(recipe), folder.soup / "answers"
    if not guard.is_dir():
        raise InputError(f"{guard}: not there; the stage `{guard.parent.name}` makes it")
    from guardreasoner.training.averaging import average
    from guardreasoner.training.sft import train_sft

    train_sft(recipe.model_copy(update={"sft": section.of(recipe.sft)}), folder, answers)
    if is_first():
        share = section.guard_share
        average({guard: share, answers / "model": 1 - share}, folder.soup / "model")
