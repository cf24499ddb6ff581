"""`guardreasoner floor`: from labelled files to the bag of words that a guard has to beat."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from guardreasoner.errors import InputError
from guardreasoner.types import Sample

Train = Annotated[
    list[Path],
    typer.Option(
        metavar="FILE",
        help="Labelled rows: .jsonl, .csv or .parquet with the columns prompt, response, prompt_harmfulness, "
        "response_refusal and response_harmfulness (or prompt_harm, response_harm), or samples of a run. "
        "Can be repeated.",
    ),
]
Output = Annotated[Path, typer.Option(metavar="DIR", help="The folder to write; `--model DIR` opens it.")]


def floor(*, train: Train, output: Output) -> None:
    """Train a bag of words (TF-IDF of uni- and bigrams, logistic regression) on labelled rows, in seconds.

    An honest floor: a guard that is not clearly above it, and above `--model always-positive`, has learned nothing.
    """
    from guardreasoner.data.labels import labelled_rows
    from guardreasoner.data.tally import Tally
    from guardreasoner.judges.floor import summary, train_floor

    samples: list[Sample] = []
    for path in train:
        tally = Tally(place=str(path))
        samples += labelled_rows(path, tally)
        left_out = "".join(f", {count:,} {why}" for why, count in tally.left_out.most_common())
        typer.echo(f"{path}: {tally.rows:,} rows, {tally.taken:,} taken{left_out}", err=True)
    if not samples:
        raise InputError("no labelled row in what --train names")
    learned = summary(train_floor(samples, output))
    heading = ("task", "rows", "positives", "words")
    rows = [heading, *((task, f"{n:,}", f"{yes:,}", f"{words:,}") for task, n, yes, words in learned)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heading))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print(f"# {output}: {len(samples):,} rows; judge with `guardreasoner evaluate --model {output}`")
