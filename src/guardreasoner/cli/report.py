"""From `guardreasoner report DIR` to the reports of an evaluation, made anew from what it kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from guardreasoner.cli.evaluate import file_name
from guardreasoner.errors import InputError
from guardreasoner.metrics import Protocol
from guardreasoner.types import Mode, Task

if TYPE_CHECKING:
    from guardreasoner.report.page import Content
    from guardreasoner.types import Exchange


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What `guardreasoner evaluate` wrote.")],
    data: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR_OR_FILE", help="Benchmark files, for predictions that were kept without texts."),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Another evaluation; differences.html in DIR shows where the two differ."),
    ] = None,
    protocol: Annotated[
        Protocol,
        typer.Option(help="strict: a row without an answer counts once, as wrong. released: the authors' own rule."),
    ] = "strict",
) -> None:
    """Write report.json, report.md and report.html of an evaluation anew, without judging again."""
    from guardreasoner.report.evaluation import show
    from guardreasoner.report.page import compare_page
    from guardreasoner.run import write_whole
    from guardreasoner.stages.evaluate import write_report

    texts = _texts(data or [])
    content = content_of(folder, protocol, texts)
    other = None if against is None else content_of(against, protocol, texts)
    write_report(folder, content.evaluation, content.rows)
    show(content.evaluation, Console())
    if other is not None:
        write_whole(folder / "differences.html", compare_page(content, other))
    print(f"# written to {folder}")


def content_of(
    folder: Path,
    protocol: Protocol = "strict",
    texts: dict[tuple[str, str], Exchange] | None = None,
    mode: Mode | None = None,
) -> Content:
    """An evaluation on disk with its rows, of one mode or all.

    `texts`, by source and id, are for rows that were kept without.
    """
    from guardreasoner.data.benchmarks import BENCHMARKS
    from guardreasoner.data.leaks import find_leak
    from guardreasoner.data.published import benchmark_sizes, guardreasoner_f1, published
    from guardreasoner.report.cells import Cell, evaluation
    from guardreasoner.report.evaluation import SIZES
    from guardreasoner.report.judged import Judged, cell_of, thought
    from guardreasoner.report.kept import Line
    from guardreasoner.report.page import Content
    from guardreasoner.report.page.content import Key
    from guardreasoner.report.reasoning import quality
    from guardreasoner.report.stored import MODES, read_stored

    known: dict[str, dict[Task, str]] = {}
    for benchmark in BENCHMARKS:
        known.setdefault(file_name(benchmark.stem), {})[benchmark.task] = benchmark.name
    own = guardreasoner_f1()
    cells: list[Cell] = []
    rows: dict[Key, Sequence[Judged]] = {}
    every = read_stored(folder, {stem: number for number, stem in enumerate(known)}, texts or {})
    stored = [each for each in every if mode in (None, each.mode)]
    if not stored:
        raise InputError(f"{folder}: no predictions of mode {mode}")
    for each in stored:
        # folders from before it was kept what was asked: the files are told by their names
        names = known.get(each.stem) or dict.fromkeys(each.tasks, each.stem)
        lines = each.lines or [Line(name=name, task=task.value) for task, name in names.items() if task in each.tasks]
        thoughts = (thought(row, each.budget) for row in each.rows)
        found = quality(thoughts, find_leak) if each.mode == "reason" else None
        for line in lines:
            task = Task(line.task)
            paper = {size: own[size, task, line.name] for size in SIZES if (size, task, line.name) in own}
            rows[line.name, task, each.mode] = each.rows
            cells.append(
                cell_of(
                    *(line.name, task, each.mode, each.rows),
                    paper_f1=paper,
                    note=line.note,
                    protocol=protocol,
                    reasoning=found,
                )
            )
    if not cells:
        raise InputError(f"{folder}: holds predictions, but none of a row that was asked and is labelled")
    place = {(benchmark.name, benchmark.task): number for number, benchmark in enumerate(BENCHMARKS)}
    cells.sort(key=lambda cell: (MODES.index(cell.mode), place.get((cell.benchmark, cell.task), len(place))))
    report = evaluation(stored[0].model, cells, benchmark_sizes(), protocol)
    return Content(report, rows, published(), benchmark_sizes())


def _texts(data: Sequence[Path]) -> dict[tuple[str, str], Exchange]:
    from guardreasoner.data.benchmarks import choose

    sets = choose(data, None, ()).sets if data else {}
    return {(sample.source, sample.id): sample.exchange for rows in sets.values() for sample in rows}
