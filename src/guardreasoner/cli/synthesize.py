"""From `guardreasoner synthesize RECIPE` to reasoning by a teacher, asked one by one or in batches, or to a preview."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from guardreasoner.recipe import Recipe
    from guardreasoner.run import RunFolder
    from guardreasoner.teachers.synthesis import Options, Preview

RecipeFile = Annotated[Path, typer.Argument(help="The run as TOML, recipes/nano.toml for example.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change one value of the recipe.")
]


def synthesize(
    recipe: RecipeFile,
    overrides: Overrides = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show one prompt, the number of calls, tokens and cost; ask nothing.")
    ] = False,
    max_cost: Annotated[
        float | None,
        typer.Option(min=0, metavar="USD", help="Stop before all that this run paid, ever, would pass so much."),
    ] = None,
    batch: Annotated[
        bool, typer.Option("--batch", help="Ask by the provider's batch files: half the price, within a day.")
    ] = False,
    poll: Annotated[
        float, typer.Option(min=0.01, metavar="SECONDS", help="With --batch: pause between looks at the batches.")
    ] = 30.0,
) -> None:
    """Run the stage `synthesize` of a recipe alone: reasoning for its samples, by the teacher that it names.

    Stop it at any moment; run it again to go on. No answer that was kept is asked for again, but those that failed.
    """
    from guardreasoner.recipe import load_recipe
    from guardreasoner.run import RunFolder
    from guardreasoner.stages import STAGES
    from guardreasoner.teachers.synthesis import Options

    read = load_recipe(recipe, overrides or ())
    folder = RunFolder(read.output)
    _check(read, folder, recipe, bool(dry_run or batch or max_cost is not None))
    options = Options(max_cost=max_cost, batch=batch, poll=poll)
    if dry_run:
        _show(read, folder, options)
        return
    folder.open(read)
    typer.echo(f"synthesize: {next(stage.does for stage in STAGES if stage.name == 'synthesize')}", err=True)
    _run(read, folder, options)


def _run(recipe: Recipe, folder: RunFolder, options: Options) -> None:
    from guardreasoner.stages.synthesize import run, teach

    if recipe.synthesize.teacher == "rule":
        run(recipe, folder)
    elif not folder.sft.exists():  # once it is trained on, reasoning.jsonl stays as it is
        outcomes = teach(recipe, folder, options).outcomes
        said = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(outcomes.items()))
        again = "; run it again to ask the failed ones again" if outcomes["failed"] else ""
        typer.echo(f"teacher: {said or 'nothing was left to ask'}{again}", err=True)
    typer.echo(f"{recipe.name}: done, in {recipe.output}", err=True)


def _check(recipe: Recipe, folder: RunFolder, path: Path, chat_only: bool) -> None:
    from guardreasoner.errors import InputError

    if chat_only and recipe.synthesize.teacher != "chat":
        raise InputError(
            f"{path.name}: `synthesize.teacher` is {recipe.synthesize.teacher!r}, which asks nobody and costs nothing; "
            "--dry-run, --max-cost and --batch are for 'chat'"
        )
    if not folder.train.is_file():
        raise InputError(f"{folder.train}: not there; `guardreasoner data {path}` makes it")


def _show(recipe: Recipe, folder: RunFolder, options: Options) -> None:
    from guardreasoner.teachers.synthesis import preview

    seen = preview(recipe, folder, options)
    for message in seen.messages or ():
        typer.echo(f"--- {message['role']}\n{message['content'].rstrip()}\n")
    typer.echo("---")
    for line in _lines(recipe, seen, options):
        typer.echo(line)


def _lines(recipe: Recipe, seen: Preview, options: Options) -> list[str]:
    from guardreasoner.teachers.cost import CHARACTERS_PER_TOKEN

    teacher = recipe.teacher
    again = f", {seen.failed:,} of them failed before" if seen.failed else ""
    lines = [
        f"model: {teacher.model}, at {teacher.base_url or 'OpenAI'}",
        f"calls: {seen.left:,} left to do, of {seen.samples:,} samples{again}",
        f"prompt tokens: {seen.prompt_tokens:,}, estimated at {CHARACTERS_PER_TOKEN} characters each",
        f"completion tokens: {seen.completion_tokens:,}, estimated at {seen.expected_completion:.0f} an answer",
    ]
    if seen.cost is None:
        lines.append(
            "cost: not known; set `teacher.price_prompt` and `teacher.price_completion`, US dollars per million tokens"
        )
    else:
        way = ", by batch files" if options.batch else ""
        lines.append(f"cost: about ${seen.cost:,.2f}{way}; paid so far: ${seen.spent or 0:,.2f}")
    return lines
