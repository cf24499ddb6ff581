"""From a guard and samples to predictions, kept batch by batch, and from predictions to a report."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from guardreasoner.data.leaks import find_leak
from guardreasoner.data.published import benchmark_sizes, published
from guardreasoner.errors import InputError
from guardreasoner.guard import Guard
from guardreasoner.jsonl import Journal, Json, make_folder
from guardreasoner.recipe import Recipe
from guardreasoner.report.evaluation import Cell, Evaluation, markdown
from guardreasoner.report.judged import Judged, cell_of, thought
from guardreasoner.report.kept import Asked, Line, asked_path, read_judged, read_settings, settings_path
from guardreasoner.report.page import Content, evaluation_page
from guardreasoner.report.page.content import Key
from guardreasoner.report.reasoning import Quality, quality
from guardreasoner.run import RunFolder, read_records, write_whole
from guardreasoner.spreading import spread
from guardreasoner.types import Mode, Record, Sample, Task, TaskName

BATCH = 32


class Settings(Record):
    """What a file of predictions was made with; one file never holds two kinds."""

    model: str
    weights: str | None
    mode: Mode
    format: str
    max_reasoning_tokens: int
    thresholds: dict[str, float]
    tasks: tuple[TaskName, ...]
    """What the guard judges: rows may be labelled for more."""


def run(recipe: Recipe, folder: RunFolder) -> None:
    """Judge the development split with what the run made; writes evaluate/."""
    section = recipe.evaluate
    model = folder.quantized if recipe.model.base is None else folder.trained(recipe)
    guard = Guard(model, max_reasoning_tokens=section.max_reasoning_tokens)
    samples = draw(list(read_records(folder.dev, Sample)), section.limit)
    cells: list[Cell] = []
    kept: dict[Key, Sequence[Judged]] = {}
    for mode in section.modes:
        path = folder.evaluate / f"dev.{mode}.jsonl"
        rows = evaluate(guard, samples, path, mode, bar=f"dev, {mode}")
        found = reasoning(guard, rows, mode)
        tasks = [task for task in guard.tasks if any(row.gold.get(task) for row in rows)]
        cells += [cell_of("dev", task, mode, rows, reasoning=found) for task in tasks]
        kept |= {("dev", task, mode): rows for task in tasks}
    write_report(folder.evaluate, Evaluation(model=guard.model, cells=tuple(cells)), kept)


def evaluate(
    guard: Guard,
    samples: Sequence[Sample],
    path: Path,
    mode: Mode,
    *,
    batch_size: int = BATCH,
    bar: str | None = None,
    replicas: Sequence[Guard] = (),
    lines: Sequence[Line] = (),
) -> list[Judged]:
    """Judge every sample once and keep each batch in `path` before the next one starts.

    Rows that `path` holds already are not judged again, so a run that was stopped goes on where it ended; their gold
    labels become those of `samples`.

    Args:
        guard: any guard; its mode is not used.
        samples: unique by source and id.
        path: JSONL of `Judged`; what they were made with stands beside it.
        mode: `reason` or `fast`.
        batch_size: samples per call of the guard.
        bar: title of a progress bar on standard error; None = no bar.
        replicas: further guards of the same model; each batch goes to whichever is free. One that fails is left out
            and its batch goes to another.
        lines: what the report has of these samples, kept beside `path` for who makes it anew.

    Raises:
        InputError: `path` was made with another model, other settings or other samples, or a replica differs.
        EngineError: every replica failed; what was judged is kept.
    """
    for replica in replicas:
        _check_replica(guard, replica, mode)
    make_folder(path.parent)
    with Journal(path) as journal:
        _check_settings(path, guard, mode)
        done = {(row.source, row.id): row for row in read_judged(path)}
        left: list[Sample] = []
        relabelled = False
        for sample in samples:
            row = done.get((sample.source, sample.id))
            if row is None:
                left.append(sample)
            elif row.digest != sample.exchange.digest:
                raise InputError(f"{path}: {sample.source} {sample.id} was judged with another text; remove the file")
            elif row.gold != sample.labels:
                done[sample.source, sample.id] = row.model_copy(update={"gold": sample.labels})
                relabelled = True
        if relabelled:
            journal.replace(map(_line, done.values()))
        asked = Asked(lines=tuple(lines), rows=tuple((sample.source, sample.id) for sample in samples))
        write_whole(asked_path(path), asked.model_dump_json(exclude_none=True) + "\n")
        # longest first: like lengths share a batch, the time left is no promise that breaks, and memory runs out early
        left.sort(key=_length, reverse=True)
        batches = [left[start : start + batch_size] for start in range(0, len(left), batch_size)]
        with _bar(bar is not None) as progress:
            shown = progress.add_task(bar or "", total=len(samples), completed=len(samples) - len(left))
            for rows in spread((guard, *replicas), batches, mode, lambda text: _say(progress.console, text)):
                journal.append(map(_line, rows))
                done |= {(row.source, row.id): row for row in rows}
                progress.advance(shown, len(rows))
    # rows that were kept before texts were get theirs
    return [done[sample.source, sample.id].model_copy(update={"exchange": sample.exchange}) for sample in samples]


def reasoning(guard: Guard, rows: Sequence[Judged], mode: Mode) -> Quality | None:
    """The figures of the rows' reasoning, None if there is none."""
    if mode != "reason":
        return None
    return quality((thought(row, guard.max_reasoning_tokens) for row in rows), find_leak)


def draw(samples: Sequence[Sample], limit: int | None) -> list[Sample]:
    """At most `limit` samples, in order; the same ones each time, and a larger limit adds to them."""
    if limit is None or limit >= len(samples):
        return list(samples)
    order = list(range(len(samples)))
    random.Random(0).shuffle(order)
    return [samples[index] for index in sorted(order[:limit])]


def write_report(folder: Path, evaluation: Evaluation, rows: Mapping[Key, Sequence[Judged]] | None = None) -> None:
    """report.json, report.md, and, from the rows behind the figures, report.html."""
    make_folder(folder)
    write_whole(folder / "report.json", evaluation.model_dump_json(indent=2) + "\n")
    write_whole(folder / "report.md", markdown(evaluation))
    if rows is not None:
        page = evaluation_page(Content(evaluation, rows, published(), benchmark_sizes()))
        write_whole(folder / "report.html", page)


def _settings(guard: Guard, mode: Mode) -> Settings:
    return Settings(
        model=guard.model,
        weights=guard.weights,
        mode=mode,
        format=guard.format.name,
        max_reasoning_tokens=guard.max_reasoning_tokens,
        thresholds={task.value: guard.thresholds[task] for task in Task},
        tasks=tuple(task.value for task in guard.tasks),
    )


def _check_replica(guard: Guard, replica: Guard, mode: Mode) -> None:
    """Both must judge alike, or the file would hold two kinds of rows."""
    here, there = _settings(guard, mode).model_dump(), _settings(replica, mode).model_dump()
    for name, value in here.items():
        if there[name] != value:
            raise InputError(f"a replica has {name} {there[name]!r}, expected {value!r} as the first has it")


def _check_settings(path: Path, guard: Guard, mode: Mode) -> None:
    """Keep the settings beside `path`, or check that they are those it was made with."""
    now = _settings(guard, mode)
    kept = None if path.stat().st_size == 0 else read_settings(path)
    if kept is not None:
        # files from before tasks were kept hold those of the same format
        for name, value in now.model_dump(mode="json").items():
            if kept.get(name) != value and (name != "tasks" or name in kept):
                raise InputError(
                    f"{path}: was made with {name} {kept.get(name)!r}, now it is {value!r}; "
                    "choose another output folder or remove the file"
                )
    if kept is None or "tasks" not in kept:
        write_whole(settings_path(path), now.model_dump_json(indent=2) + "\n")


def _line(row: Judged) -> Json:
    return row.model_dump(exclude_none=True)


def _length(sample: Sample) -> int:
    return len(sample.exchange.prompt) + len(sample.exchange.response or "")


def _say(console: Console, sentence: str) -> None:
    console.print(sentence, markup=False, highlight=False, soft_wrap=True)


def _bar(shown: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), disable=not shown)
