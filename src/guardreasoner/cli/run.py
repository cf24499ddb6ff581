"""`guardreasoner run RECIPE` walks the stages; `guardreasoner <stage> RECIPE` runs one."""

from __future__ import annotations

import logging
from pathlib import Path

import typer

from guardreasoner.cli.synthesize import Overrides, RecipeFile, synthesize
from guardreasoner.stages import STAGES


def register(app: typer.Typer) -> None:
    """Add `run` and one command per stage, but for those that have more options and a file of their own."""
    app.command("run", help="Run a recipe, all stages in order. Stop it at any moment; run it again to go on.")(_run)
    for stage in STAGES:
        if stage.name == "synthesize":
            app.command("synthesize")(synthesize)
        elif stage.name != "evaluate":
            _add(app, stage.name)


def _run(recipe: RecipeFile, overrides: Overrides = None) -> None:
    _walk(recipe, overrides, [stage.name for stage in STAGES])


def _add(app: typer.Typer, name: str) -> None:
    def one(recipe: RecipeFile, overrides: Overrides = None) -> None:
        _walk(recipe, overrides, [name])

    app.command(name, help=f"Run the stage `{name}` of a recipe alone.")(one)


def _walk(path: Path, overrides: list[str] | None, names: list[str]) -> None:
    from guardreasoner.errors import MissingExtra
    from guardreasoner.processes import is_first, part, wait_for_first
    from guardreasoner.recipe import load_recipe
    from guardreasoner.run import RunFolder

    # transformers' trainer opens bitsandbytes, where it is installed; it warns of a kernel that nothing here needs
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
    recipe = load_recipe(path, overrides or ())
    folder = RunFolder(recipe.output)
    if is_first():
        folder.open(recipe)
    for stage in STAGES:
        if stage.name not in names:
            continue
        wait_for_first(f"before {stage.name}")
        if is_first():
            typer.echo(f"{stage.name}: {stage.does}", err=True)
        elif not stage.spread:
            continue
        try:
            stage.run(recipe, folder)
        except ModuleNotFoundError as error:
            if stage.extra is None or (error.name or "").startswith("guardreasoner"):
                raise
            raise MissingExtra(f"the stage `{stage.name}`", stage.extra) from None
    if is_first():
        typer.echo(f"{recipe.name}: done, in {recipe.output}", err=True)
    part()
