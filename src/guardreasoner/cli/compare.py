"""From `guardreasoner compare A B` to how two guards differ on the same rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from guardreasoner.metrics import Protocol
from guardreasoner.types import Mode

_HELP = "A folder that `evaluate` wrote, or predictions that `score` reads."


def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help=_HELP)],
    b: Annotated[Path, typer.Argument(metavar="B", help=_HELP)],
    mode_a: Annotated[
        Mode | None, typer.Option(help="Compare only what A judged in this mode; default each mode with its like.")
    ] = None,
    mode_b: Annotated[Mode | None, typer.Option(help="The same for B.")] = None,
    protocol: Annotated[
        Protocol,
        typer.Option(help="strict: a row without an answer counts once, as wrong. released: the authors' own rule."),
    ] = "strict",
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write a page of the rows they answer differently; of two evaluations."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document; figures are fractions.")] = False,
) -> None:
    """Compare two guards on the rows that both judged: difference of F1 with its interval, and McNemar's test.

    Rows are joined by benchmark and id. Rows that only one side has are counted and left out; other text under the
    same id is an error.
    """
    from guardreasoner.data.benchmarks import BENCHMARKS
    from guardreasoner.data.layout import read_prompt
    from guardreasoner.data.published import benchmark_sizes
    from guardreasoner.report.comparison import compare as compared
    from guardreasoner.report.comparison_table import show
    from guardreasoner.report.pairing import pair, read_predictions

    names = {benchmark.stem: benchmark.name for benchmark in BENCHMARKS}
    left = read_predictions(a, names, mode_a, protocol, read_prompt)
    right = read_predictions(b, names, mode_b, protocol, read_prompt)
    found = compared(str(a), str(b), pair(left, right), benchmark_sizes(), protocol)
    if html is not None:
        from guardreasoner.cli.report import content_of
        from guardreasoner.report.page import compare_page
        from guardreasoner.report.page.significance import significance
        from guardreasoner.run import write_whole

        sides = content_of(a, protocol, mode=mode_a), content_of(b, protocol, mode=mode_b)
        called = f"{sides[0].evaluation.model} (A)", f"{sides[1].evaluation.model} (B)"
        write_whole(html, compare_page(*sides, names=called, tests=significance(found)))
    if json:
        print(found.model_dump_json(indent=2))
    else:
        show(found, Console())
