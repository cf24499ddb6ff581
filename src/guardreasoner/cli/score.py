"""From `guardreasoner score PATH...` to the table of scores, or one JSON document."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from guardreasoner.metrics import Protocol
from guardreasoner.types import Task


def score(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="A generated_predictions.jsonl, its folder, or a tree of such folders."),
    ],
    protocol: Annotated[
        Protocol,
        typer.Option(help="strict: an unreadable answer counts once, as wrong. released: the authors' own rule."),
    ] = "strict",
    task: Annotated[
        Task | None,
        typer.Option(help="The task of files whose folder name is no known benchmark."),
    ] = None,
    reasoning: Annotated[
        bool, typer.Option("--reasoning", help="Also the quality of the reasoning: steps, contradictions, leaks.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON document; figures are fractions.")] = False,
) -> None:
    """Score predictions in the authors' file format: F1 with intervals, beside the paper's figures.

    Which model and benchmark a file is about is read from its path: MODEL/BENCHMARK/generated_predictions.jsonl.
    """
    from guardreasoner.data.layout import read_prompt
    from guardreasoner.data.leaks import find_leak
    from guardreasoner.data.published import benchmark_sizes, guardreasoner_f1
    from guardreasoner.report import reasoning_table
    from guardreasoner.report.predictions import read_cells
    from guardreasoner.report.released import rows_of, with_reasoning
    from guardreasoner.report.scores import Reference, report
    from guardreasoner.report.terminal import show

    cells = read_cells(paths, protocol, task)
    scored = report(cells, protocol, Reference(guardreasoner_f1(), benchmark_sizes()))
    if reasoning:
        scored = with_reasoning(scored, cells, read_prompt, find_leak)
    if json:
        print(scored.model_dump_json(indent=2))
    else:
        show(scored, Console())
        reasoning_table.print_found(rows_of(scored), Console())
