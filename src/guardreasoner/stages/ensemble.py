"""From examples with reasoning to further reasoning guards, each trained without some sources (section 4.3)."""

from __future__ import annotations

from collections import Counter

from rich.console import Console

from guardreasoner.errors import InputError
from guardreasoner.processes import is_first, said_by_first, wait_for_first
from guardreasoner.recipe import Recipe
from guardreasoner.run import RunFolder, read_records
from guardreasoner.types import SFTExample


def run(recipe: Recipe, folder: RunFolder) -> None:
    """Reads reasoning.jsonl and what R-SFT starts from, writes ensemble/<member>/model/ per `ensemble.leave_out`."""
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True, quiet=not is_first())
    if recipe.mine is None or not recipe.ensemble.leave_out:
        lacks = "no section `mine`" if recipe.mine is None else "no members in `ensemble.leave_out`"
        console.print(f"  the recipe has {lacks}: nothing to do")
        return
    # one list for all processes, whenever each of them looks
    waiting = said_by_first("ensemble", lambda: " ".join(untrained(recipe, folder))).split()
    if not waiting:
        return
    check(recipe, Counter(example.source for example in read_records(folder.reasoning, SFTExample)))
    from guardreasoner.training.sft import train_sft

    for member in waiting:
        sources = recipe.ensemble.leave_out[member]
        console.print(f"  {member}: without {', '.join(sources)}")
        train_sft(recipe, folder, folder.ensemble / member, leave_out=sources)
        wait_for_first(f"{member} is saved")


def untrained(recipe: Recipe, folder: RunFolder) -> list[str]:
    """Members that are neither here nor, by `mine.models`, elsewhere."""
    elsewhere = {} if recipe.mine is None else recipe.mine.models
    return [
        member
        for member in recipe.ensemble.leave_out
        if member not in elsewhere and not (folder.ensemble / member / "model").is_dir()
    ]


def check(recipe: Recipe, examples: Counter[str]) -> None:
    """InputError for a source that is not there, which would be left out of nothing, and for a member without any."""
    for member, sources in recipe.ensemble.leave_out.items():
        for source in sources:
            if source not in examples:
                raise InputError(
                    f"recipe: `ensemble.leave_out.{member}`: no example of the source {source!r}, "
                    f"expected one of {', '.join(sorted(examples)) or 'none: there are no examples'}"
                )
        if not examples.keys() - set(sources):
            raise InputError(f"recipe: `ensemble.leave_out.{member}` leaves out every source, expected some to stay")
