"""From `guardreasoner evaluate --data FOLDER` to predictions, a report and its table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from guardreasoner.metrics import Protocol
from guardreasoner.types import Mode


def evaluate(
    data: Annotated[
        list[Path],
        typer.Option(metavar="DIR_OR_FILE", help="The authors' benchmark JSON, or a folder of them. Can be repeated."),
    ],
    model: Annotated[
        str | None, typer.Option(metavar="NAME|PATH|URL", help="The guard; without it the embedded one.")
    ] = None,
    format: Annotated[
        str | None, typer.Option("--format", help="How the model is asked: paper or nano; default by the model.")
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
    protocol: Annotated[
        Protocol,
        typer.Option(help="strict: a row without an answer counts once, as wrong. released: the authors' own rule."),
    ] = "strict",
    json: Annotated[bool, typer.Option("--json", help="One JSON document; figures are fractions.")] = False,
) -> None:
    """Judge the paper's benchmarks with a guard and score it beside the published figures.

    Every batch is kept as it is judged: run the same command again to go on after a stop.
    """
    from guardreasoner.data.benchmarks import find_benchmarks, read_benchmark
    from guardreasoner.data.published import benchmark_sizes, guardreasoner_f1
    from guardreasoner.guard import Guard
    from guardreasoner.report.cells import Cell, evaluation
    from guardreasoner.report.evaluation import SIZES, show
    from guardreasoner.report.judged import Judged, cell_of
    from guardreasoner.report.page.content import Key
    from guardreasoner.stages import evaluate as stage

    sets = [read_benchmark(path) for path in find_benchmarks(data)]
    guard = Guard(model, format=format)
    folder = output or Path("evaluation") / re.sub(r"[^\w.-]+", "-", guard.model).strip("-.")
    published = guardreasoner_f1()
    modes: tuple[Mode, ...] = ("reason", "fast") if mode == "both" else (mode,)
    cells: list[Cell] = []
    kept: dict[Key, Sequence[Judged]] = {}
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
            quality = stage.reasoning(guard, judged, each)
            found = cell_of(
                *(name, task, each, judged),
                paper_f1=paper,
                note=rows.difference,
                protocol=protocol,
                reasoning=quality,
            )
            cells.append(found)
            kept[name, task, each] = judged
    report = evaluation(guard.model, cells, benchmark_sizes(), protocol)
    stage.write_report(folder, report, kept)
    if json:
        print(report.model_dump_json(indent=2))
    else:
        show(report, Console())
        print(f"# kept in {folder}, with report.html")
