"""From samples and R-SFT models to preference pairs: hard-sample mining (section 4.3)."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from guardreasoner.engines import Engine
from guardreasoner.engines.opening import engine_name, fingerprint, open_engine
from guardreasoner.errors import InputError
from guardreasoner.formats import Format
from guardreasoner.mining.grading import grades, weigh_up
from guardreasoner.mining.pairs import balance, merge, pair_of, weigh
from guardreasoner.mining.questions import Question, draw
from guardreasoner.mining.report import markdown, sentences
from guardreasoner.mining.sampling import Settings, digest, rollouts, sample
from guardreasoner.mining.tally import Tally, pair_figures
from guardreasoner.recipe import MineSection, Recipe
from guardreasoner.recipe.training import MAIN
from guardreasoner.run import RunFolder, read_records, write_records, write_whole
from guardreasoner.training.lessons import format_of
from guardreasoner.types import PreferencePair, Sample


def run(recipe: Recipe, folder: RunFolder) -> None:
    """Reads samples.jsonl, sft/model/ and ensemble/*/model/; writes rollouts/, mine.json, mine.md and pairs.jsonl."""
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    section = recipe.mine
    if section is None:
        console.print("  the recipe has no section `mine`: nothing to do")
        return
    if folder.pairs.is_file():
        return
    form = format_of(recipe)
    if form.think and recipe.sft.reasoning == "drop":
        raise InputError("`mine` samples reasoning, and `sft.reasoning` = 'drop' teaches none: expected 'keep'")
    models = models_of(recipe, folder)
    drawn = draw(read_records(folder.train, Sample), form, section.limit, section.seed)
    if not drawn.questions:
        raise InputError(f"{folder.train}: no sample has a gold label, expected at least one")
    mined: dict[str, list[PreferencePair]] = {}
    tallies: dict[str, Tally] = {}
    for name, place in models.items():
        own = recipe.model.base is None and name not in section.models
        roll(name, place, drawn.questions, folder, form, section, embedded=own and form.name == "nano")
        mined[name], tallies[name] = look(name, drawn.questions, folder, form, section)
    merged = merge(mined, recipe.ensemble.leave_out, section.merge)
    merged = balance(merged, {**section.positive_share}, section.seed)
    pairs = weigh(merged.pairs, section.gamma)
    figures: dict[str, Any] = {
        "inputs": len(drawn.questions),
        "left out": dict(drawn.left_out),
        "rules": section.model_dump(exclude={"models", "concurrency"}),
        "models": {name: tally.figures() for name, tally in tallies.items()},
        "pairs": pair_figures(pairs, merged),
    }
    folder.note("mine", figures)
    write_whole(folder.root / "mine.md", markdown(figures))
    write_records(folder.pairs, pairs)
    for sentence in sentences(figures):
        console.print(f"  {sentence}")


def models_of(recipe: Recipe, folder: RunFolder) -> dict[str, str | Path]:
    """Where each model is, the main one first; InputError if one is not there."""
    own = {MAIN: folder.sft / "model"}
    own |= {member: folder.ensemble / member / "model" for member in recipe.ensemble.leave_out}
    given = {} if recipe.mine is None else recipe.mine.models
    if unknown := sorted(given.keys() - own.keys()):
        raise InputError(f"recipe: `mine.models.{unknown[0]}`: no such model, expected one of {', '.join(own)}")
    for name, place in own.items():
        if name not in given and not place.is_dir():
            stage = "sft" if name == MAIN else "ensemble"
            raise InputError(f"{place}: not there; the stage `{stage}` makes it, or `mine.models.{name}` names another")
    for place in given.values():
        engine_name(place)  # what cannot be opened is no surprise after hours of sampling from the one before
    return {name: given.get(name, place) for name, place in own.items()}


def roll(
    name: str,
    place: str | Path,
    questions: Sequence[Question],
    folder: RunFolder,
    form: Format,
    section: MineSection,
    *,
    embedded: bool,
) -> None:
    """Have one model answer every question; what is in its journal already is not asked again."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        opened(place, section, embedded=embedded) as (engine, kind),
        Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress,
    ):
        bar = progress.add_task(f"mine, {name}", total=len(questions))
        settings = Settings(
            weights=fingerprint(place) or engine.model,
            engine=kind,
            format=form.name,
            prompts=digest(questions),
            completions=section.completions,
            temperature=section.temperature,
            top_p=section.top_p,
            max_tokens=section.max_tokens,
            seed=section.seed,
        )
        path = journal(folder, name)
        sample(engine, name, questions, path, form, settings, lambda done: progress.advance(bar, done))


@contextmanager
def opened(place: str | Path, section: MineSection, *, embedded: bool) -> Generator[tuple[Engine, str]]:
    """The engine for a model, and its kind.

    `embedded`: a checkpoint of the run's own small model, in the embedded guard's format. It runs in the embedded
    engine, in float32, which reads a prompt once for all of its answers and draws the same ones in any batch.
    Everything else is opened by its look, as anywhere.
    """
    kind = engine_name(place)
    if kind == "remote":
        yield open_engine(place, concurrency=section.concurrency), kind
    elif embedded and kind == "hf":
        from guardreasoner.training.export import export

        with tempfile.TemporaryDirectory() as exported:
            export(Path(place), Path(exported), name=str(place), precision="float32")
            yield open_engine(Path(exported)), "embedded"
    else:
        yield open_engine(place), kind


def look(
    name: str, questions: Sequence[Question], folder: RunFolder, form: Format, section: MineSection
) -> tuple[list[PreferencePair], Tally]:
    """One model's pairs, in the order of the questions, and its counts."""
    places: Mapping[tuple[str, str], int] = {
        (question.source, question.id): index for index, question in enumerate(questions)
    }
    found: dict[int, PreferencePair] = {}
    tally = Tally()
    for rollout in rollouts(journal(folder, name)):
        index = places[rollout.source, rollout.id]
        question = questions[index]
        graded = grades(rollout, question, form)
        verdicts = weigh_up(graded, section.decides)
        tally.add(question, rollout, graded, verdicts)
        if verdicts.difficulty == "hard":
            found[index] = pair_of(question, rollout, verdicts, section.pair, section.seed)
    return [found[index] for index in sorted(found)], tally


def journal(folder: RunFolder, name: str) -> Path:
    """Where a model's rollouts are."""
    return folder.rollouts / f"{name}.jsonl"
