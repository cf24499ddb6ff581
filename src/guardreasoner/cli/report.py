"""From `guardreasoner report DIR` to the reports of an evaluation, made anew from what it kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from guardreasoner.report.page import Content
    from guardreasoner.report.stored import Stored
    from guardreasoner.types import Exchange


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What `guardreasoner evaluate` wrote.")],
    data: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR_OR_FILE", help="The benchmark files again: their texts stand in the page."),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Another evaluation of the same sets: DIR/differences.html shows where they differ."),
    ] = None,
) -> None:
    """Write report.json, report.md and report.html of an evaluation anew, without judging again."""
    from guardreasoner.report.evaluation import show
    from guardreasoner.report.page import compare_page
    from guardreasoner.run import write_whole
    from guardreasoner.stages.evaluate import write_report

    texts = _exchanges(data or [])
    content = content_of(folder, texts)
    other = None if against is None else content_of(against, texts)
    write_report(folder, content.evaluation, content)
    show(content.evaluation, Console())
    if other is not None:
        write_whole(folder / "differences.html", compare_page(content, other))
        print(f"# differences in {folder / 'differences.html'}")
    print(f"# written to {folder}")


def content_of(folder: Path, texts: dict[tuple[str, str], Exchange]) -> Content:
    """An evaluation on disk, with its rows and those of `texts` that they are about."""
    from guardreasoner.data.benchmarks import BENCHMARKS
    from guardreasoner.report.stored import read_stored

    order = {benchmark.stem: number for number, benchmark in enumerate(BENCHMARKS)}
    return _content(read_stored(folder, order), texts)
