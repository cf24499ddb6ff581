"""From `guardreasoner benchmarks` to a list: what there is, where it is, and how what is missing is had."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def benchmarks(
    data: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR_OR_FILE",
            help="Where benchmark files may lie, the authors' or as upstream has them. Can be repeated.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document, with fields and label rules.")] = False,
) -> None:
    """List the benchmarks: what --data holds and how it departs from what it must be, and how to get the rest."""
    from guardreasoner.data.benchmarks.listing import listing
    from guardreasoner.report.benchmarks import show

    entries = listing(data or ())
    if as_json:
        print(json.dumps(entries, indent=2, ensure_ascii=False))
    else:
        show(entries, Console())
