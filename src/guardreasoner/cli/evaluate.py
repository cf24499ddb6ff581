"""From `guardreasoner evaluate` to predictions, a report and its table."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from guardreasoner.errors import InputError
from guardreasoner.formats.names import FORMAT_NAMES
from guardreasoner.metrics import Protocol
from guardreasoner.types import Mode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from guardreasoner.data.benchmarks import Chosen
    from guardreasoner.guard import Guard
    from guardreasoner.report.cells import Cell
    from guardreasoner.report.judged import Judged


def evaluate(
    data: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR_OR_FILE",
            help="Benchmark files, the authors' or as upstream has them, or a folder of them. Can be repeated.",
            show_default="the hub",
        ),
    ] = None,
    benchmarks: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...",
            help="Only these; `paper` and `beside` are groups. `guardreasoner benchmarks` lists them.",
            show_default="all that --data holds; without it the paper's",
        ),
    ] = None,
    hub: Annotated[bool, typer.Option("--hub", help="Load from the hub what --data does not hold.")] = False,
    file: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Labelled rows of your own, JSONL, CSV or Parquet. Can be repeated."),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD=COLUMN",
            help="What a column of --file holds: prompt, response, id or a task.",
            show_default="the column of that name",
        ),
    ] = None,
    value: Annotated[
        list[str] | None,
        typer.Option(metavar="[COLUMN:]VALUE=LABEL", help="What a value of --file stands for: 1=harmful."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|PATH|URL",
            help="The guard; without it the embedded one. URL#NAME names a model of a server; `always-positive` and "
            "what `guardreasoner floor` wrote are the floors.",
        ),
    ] = None,
    replica: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL", help="A further server of the same model; batches go to whichever is free. Can be repeated."
        ),
    ] = None,
    format: Annotated[
        str | None, typer.Option("--format", help=f"How the model is asked: {FORMAT_NAMES}; default by the model.")
    ] = None,
    mode: Annotated[
        Literal["reason", "fast", "both"], typer.Option(help="With reasoning, without it, or one after the other.")
    ] = "reason",
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Judge N rows of each set, the same ones each time.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where predictions and report are kept; default evaluation/MODEL."),
    ] = None,
    batch_size: Annotated[
        int, typer.Option(min=1, metavar="N", help="Exchanges judged at once; 1 measures single checks.")
    ] = 32,
    protocol: Annotated[
        Protocol,
        typer.Option(help="strict: a row without an answer counts once, as wrong. released: the authors' own rule."),
    ] = "strict",
    json: Annotated[bool, typer.Option("--json", help="One JSON document; figures are fractions.")] = False,
) -> None:
    """Judge benchmarks with a guard and score it beside the published figures.

    Every batch is kept as it is judged: run the same command again to go on after a stop.
    """
    from guardreasoner.cli.own_files import own_files
    from guardreasoner.data.benchmarks import choose
    from guardreasoner.data.published import benchmark_sizes
    from guardreasoner.guard import Guard
    from guardreasoner.report.cells import evaluation
    from guardreasoner.report.evaluation import show
    from guardreasoner.stages import evaluate as stage

    files = own_files(file or (), column or (), value or ())
    names = None if benchmarks is None else [name.strip() for name in benchmarks.split(",") if name.strip()]
    alone = not data and (names is not None or not files)
    chosen = choose(data or (), names, files, hub=hub or alone)
    for sentence in chosen.missing:
        typer.echo(f"left out: {sentence}", err=True)
    guard = Guard(model, format=format)
    chosen = _judged_by(guard, chosen)
    replicas = [Guard(address, format=format) for address in replica or ()]
    folder = output or Path("evaluation") / file_name(guard.model)
    modes: tuple[Mode, ...] = ("reason", "fast") if mode == "both" else (mode,)
    both = [
        (cell, rows)
        for each in modes
        for cell, rows in _cells(
            chosen, guard, replicas, folder, each, limit=limit, batch=batch_size, protocol=protocol
        )
    ]
    cells = [cell for cell, _ in both]
    report = evaluation(guard.model, cells, benchmark_sizes(), protocol)
    stage.write_report(folder, report, {(cell.benchmark, cell.task, cell.mode): rows for cell, rows in both})
    if json:
        print(report.model_dump_json(indent=2))
    else:
        show(report, Console())
        print(f"# kept in {folder}, with report.html")


def _judged_by(guard: Guard, chosen: Chosen) -> Chosen:
    """What of it the guard judges; what it does not is said, and nothing at all is an error."""
    for each in chosen.asked:
        if each.task not in guard.tasks:
            typer.echo(f"left out: {each.name}, {guard.format.name} does not judge {each.task.value}", err=True)
    asked = tuple(each for each in chosen.asked if each.task in guard.tasks)
    if not asked:
        names = ", ".join(task.value for task in guard.tasks)
        raise InputError(
            f"nothing to judge: {guard.format.name} judges {names}, and no set that was asked is about that"
        )
    stems = {each.stem for each in asked}
    files: dict[str, str] = {}
    for stem in sorted(stems):
        if (other := files.setdefault(file_name(stem), stem)) != stem:
            raise InputError(f"{other!r} and {stem!r} share one file, expected names that differ in a letter")
    return replace(chosen, asked=asked, sets={stem: rows for stem, rows in chosen.sets.items() if stem in stems})


def _cells(
    chosen: Chosen,
    guard: Guard,
    replicas: Sequence[Guard],
    folder: Path,
    mode: Mode,
    *,
    limit: int | None,
    batch: int,
    protocol: Protocol,
) -> Iterator[tuple[Cell, Sequence[Judged]]]:
    """Every set judged once in one mode; a cell for each line that was asked for, and its rows."""
    from guardreasoner.data.published import guardreasoner_f1
    from guardreasoner.report.evaluation import SIZES
    from guardreasoner.report.judged import cell_of
    from guardreasoner.report.kept import Line
    from guardreasoner.stages import evaluate as stage

    lines: dict[str, list[Line]] = {}
    for each in chosen.asked:
        lines.setdefault(each.stem, []).append(Line(name=each.name, task=each.task.value, note=each.note))
    published = guardreasoner_f1()
    judged = {
        stem: stage.evaluate(
            guard,
            stage.draw(samples, limit),
            folder / "predictions" / f"{file_name(stem)}.{mode}.jsonl",
            mode,
            batch_size=batch,
            bar=f"{', '.join(dict.fromkeys(line.name for line in lines[stem]))}, {mode}",
            replicas=replicas,
            lines=lines[stem],
        )
        for stem, samples in chosen.sets.items()
    }
    reasoning = {stem: stage.reasoning(guard, rows, mode) for stem, rows in judged.items()}
    for name, task, stem, note in chosen.asked:
        paper = {size: published[size, task, name] for size in SIZES if (size, task, name) in published}
        found = cell_of(
            *(name, task, mode, judged[stem]),
            paper_f1=paper,
            note=note,
            protocol=protocol,
            reasoning=reasoning[stem],
        )
        yield found, judged[stem]


def file_name(text: str) -> str:
    """`text` as part of a file's name."""
    return re.sub(r"[^\w.-]+", "-", text).strip("-.")
