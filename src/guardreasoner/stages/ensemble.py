"""From examples with reasoning to further reasoning guards, each trained without some sources (section 4.3)."""

from __future__ import annotations

from collections import Counter

from rich.console import Console

from guardreasoner.errors import InputError
from guardreasoner.recipe import Recipe
from guardreasoner.run import RunFolder, read_records
from guardreasoner.types import SFTExample


def run(recipe: Recipe, folder: RunFolder) -> None:
    """Reads reasoning.jsonl and what R-SFT starts from, writes ensemble/<member>/model/ per `ensemble.leave_out`."""
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    if recipe.mine is None or not recipe.ensemble.leave_out:
        lacks = "no section `mine`" if recipe.mine is None else "no members in `ensemble.leave_out`"
        console.print(f"  the recipe has {lacks}: nothing to do")
        return
    waiting = {
        member: sources
        for member, sources in recipe.ensemble.leave_out.items()
        if member not in recipe.mine.models and not (folder.ensemble / member / "model").is_dir()
    }
    if not waiting:
        return
    examples = Counter(example.source for example in read_records(folder.reasoning, SFTExample))
    check(recipe, examples)
    from guardreasoner.training.sft import train_sft

    for member, sources in waiting.items():
        console.print(f"  {member}: without {', '.join(sources)}")
        train_sft(recipe, folder, folder.ensemble / member, leave_out=sources)
    left = {
        member: sum(count for source, count in examples.items() if source not in sources)
        for member, sources in recipe.ensemble.leave_out.items()
    }
    folder.note("ensemble", {"examples": examples.total(), "examples by member": left})


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
