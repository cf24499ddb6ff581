"""From labelled samples to examples with reasoning: the paper's stage one (section 4.1), by rule or by chat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from guardreasoner.recipe import Recipe
from guardreasoner.run import RunFolder, read_records, write_records
from guardreasoner.teachers.lessons import label_weights, views, write
from guardreasoner.teachers.rule import train_teacher
from guardreasoner.types import Sample, TeacherAnswer

if TYPE_CHECKING:
    from guardreasoner.data.overlap import Overlap
    from guardreasoner.teachers.asking import Tally
    from guardreasoner.teachers.synthesis import Options


def run(recipe: Recipe, folder: RunFolder) -> None:
    """Reads samples.jsonl, writes reasoning.jsonl and synthesize.json; a chat teacher's answers in answers.jsonl."""
    if folder.reasoning.is_file():
        return
    if recipe.synthesize.teacher == "chat":
        teach(recipe, folder)
        return
    samples = list(read_records(folder.train, Sample))
    teacher = train_teacher(samples)
    asked = list(views(samples, recipe.synthesize, recipe.data.seed))
    counts = Counter((view.task, view.label) for _, view in asked)
    shares: dict[str, float] = dict(recipe.synthesize.positive_share.items())
    weights = label_weights(counts, shares)
    examples = (write(sample, view, teacher, weights[view.task, view.label]) for sample, view in asked)
    count = write_records(folder.reasoning, examples)
    labels = {f"{task.value}: {label}": number for (task, label), number in sorted(counts.items(), key=str)}
    folder.note("synthesize", {"samples": len(samples), "examples": count, "labels": labels})


def teach(recipe: Recipe, folder: RunFolder, options: Options | None = None) -> Tally:
    """By the chat teacher: ask what is not answered yet, then make of the answers what is taught."""
    from guardreasoner.report.histograms import require_matplotlib
    from guardreasoner.teachers.synthesis import Options, ask_all

    require_matplotlib()  # what finishing needs is looked for before anything is paid
    _benchmarks(recipe)
    tally = ask_all(recipe, folder, options or Options())
    finish(recipe, folder)
    return tally


def finish(recipe: Recipe, folder: RunFolder) -> None:
    """From answers.jsonl to reasoning.jsonl and all that explains it, when every sample has a line there."""
    from guardreasoner.data.seeds import SEEDS
    from guardreasoner.teachers.answers import Answers, count_lines

    licences = {seed.name: seed.licence for seed in SEEDS}
    pairs = Answers(folder.answers).pairs(folder.train, recipe.teacher)
    counts = write_outcome(recipe, folder, pairs, total=count_lines(folder.train), licences=licences)
    folder.note("synthesize", counts)


def _benchmarks(recipe: Recipe) -> Overlap | None:
    """What samples must not overlap with; InputError if the folder cannot be read."""
    from guardreasoner.data.benchmarks import benchmark_prompts
    from guardreasoner.data.overlap import Overlap

    folder = recipe.synthesize.benchmarks
    return None if folder is None else Overlap(benchmark_prompts(folder))


def write_outcome(
    recipe: Recipe,
    folder: RunFolder,
    pairs: Iterable[tuple[Sample, TeacherAnswer]],
    *,
    total: int | None = None,
    licences: Mapping[str, str] | None = None,
) -> dict[str, object]:
    """From a chat teacher's answers to reasoning.jsonl and all that explains it; the counts for synthesize.json.

    Args:
        recipe: its section `synthesize` says which filters hold.
        folder: where everything goes, reasoning.jsonl last.
        pairs: read once, in order, and never held together.
        total: how many there are, for the progress bar.
        licences: source -> its licence as its publisher states it, for the dataset card.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from guardreasoner.data.sift import sift
    from guardreasoner.report.outcome import write_files
    from guardreasoner.report.synthesis import show

    overlap = _benchmarks(recipe)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        tracked = progress.track(pairs, total=total, description="sift")
        statistics = write_files(recipe, folder, sift(tracked, recipe.synthesize.keep, overlap), licences)
    show(statistics, Console())
    return statistics.counts
