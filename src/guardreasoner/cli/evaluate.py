"""From `guardreasoner evaluate --data FOLDER` to predictions, a report and its table."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from guardreasoner.formats.names import FORMAT_NAMES
from guardreasoner.types import Mode


def evaluate(
    data: Annotated[
        list[Path],
        typer.Option(metavar="DIR_OR_FILE", help="The authors' benchmark JSON, or a folder of them. Can be repeated."),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|PATH|URL",
            help="The guard; without it the embedded one. URL#NAME names a model of a server; `always-positive` and "
            "what `guardreasoner floor` wrote are the floors.",
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
    batch_size: Annotated[int, typer.Option(min=1, metavar="N", help="Exchanges judged at once.")] = 32,
    json: Annotated[bool, typer.Option("--json", help="One JSON document; figures are fractions.")] = False,
) -> None:
    """Judge the paper's benchmarks with a guard and score it beside the published figures.

    Every batch is kept as it is judged: run the same command again to go on after a stop.
    """
    from guardreasoner.data.benchmarks import find_benchmarks, read_benchmark
    from guardreasoner.data.published import guardreasoner_f1
    from guardreasoner.guard import Guard
    from guardreasoner.report.evaluation import SIZES, Cell, Evaluation, show
    from guardreasoner.report.judged import cell_of
    from guardreasoner.stages import evaluate as stage

    sets = [read_benchmark(path) for path in find_benchmarks(data)]
    guard = Guard(model, format=format)
    for name, task in ((rows.benchmark.name, rows.benchmark.task) for rows in sets):
        if task not in guard.tasks:
            typer.echo(f"{name}: left out, {guard.format.name} does not judge {task.value}", err=True)
    sets = [rows for rows in sets if rows.benchmark.task in guard.tasks]
    folder = output or Path("evaluation") / re.sub(r"[^\w.-]+", "-", guard.model).strip("-.")
    published = guardreasoner_f1()
    modes: tuple[Mode, ...] = ("reason", "fast") if mode == "both" else (mode,)
    cells: list[Cell] = []
    for each in modes:
        for rows in sets:
            name, task = rows.benchmark.name, rows.benchmark.task
            judged = stage.evaluate(
                guard,
                stage.draw(rows.samples, limit),
                folder / "predictions" / f"{rows.benchmark.stem}.{each}.jsonl",
                each,
                batch_size=batch_size,
                bar=f"{name}, {task.value}, {each}",
            )
            paper = {size: published[size, task, name] for size in SIZES if (size, task, name) in published}
            cells.append(cell_of(name, task, each, judged, paper_f1=paper, note=rows.difference))
    evaluation = Evaluation(model=guard.model, cells=tuple(cells))
    stage.write_report(folder, evaluation)
    if json:
        print(evaluation.model_dump_json(indent=2))
    else:
        show(evaluation, Console())
        print(f"# kept in {folder}")
