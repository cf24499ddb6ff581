"""`guardreasoner export`: from a run's examples to a file or folder for other tools, or to the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from guardreasoner.data.forms import FormName
from guardreasoner.errors import InputError

Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, or a reasoning.jsonl.")]
To = Annotated[
    FormName,
    typer.Option(
        help="parquet: one file with all fields. datasets: a folder for load_from_disk. prompt-completion: JSONL for "
        "TRL. released: a JSON file per source, as GuardReasonerTrain. llama-factory: alpaca-style JSON and "
        "dataset_info.json."
    ),
]
Output = Annotated[Path, typer.Option(help="The file or folder to write.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export of that name.")]
Push = Annotated[
    str | None,
    typer.Option("--push-to-hub", metavar="REPO", help="Also publish it on the hub, with the run's card."),
]
Private = Annotated[bool, typer.Option("--private", help="A repository that --push-to-hub makes is private.")]


def export(
    run: Run,
    *,
    to: To,
    output: Output,
    overwrite: Overwrite = False,
    push_to_hub: Push = None,
    private: Private = False,
) -> None:
    """Write the examples of a run in the form that another tool opens."""
    from guardreasoner.cli.check import progress_bar
    from guardreasoner.data.export import check_output, count_examples, reasoning_file
    from guardreasoner.data.export import export as write

    if private and push_to_hub is None:
        raise InputError("--private says how --push-to-hub publishes; give both or neither")
    reasoning = reasoning_file(run)
    if push_to_hub is not None:
        from guardreasoner.data.publish import check_name, load_hub

        check_name(load_hub(), push_to_hub)
    check_output(reasoning, to, output, overwrite)
    with progress_bar(count_examples(reasoning)) as progress:
        count = write(reasoning, to, output, overwrite=overwrite, progress=progress)
    typer.echo(f"{output}: {count:,} {'example' if count == 1 else 'examples'}, form {to}")
    if push_to_hub is not None:
        typer.echo(_publish(reasoning, to, output, push_to_hub, private))


def _publish(reasoning: Path, to: FormName, output: Path, repository: str, private: bool) -> str:
    from guardreasoner.data.export import files_of
    from guardreasoner.data.publish import publish
    from guardreasoner.report.card import with_files

    beside = reasoning.with_name("README.md")
    page = beside.read_text(encoding="utf-8") if beside.is_file() else ""
    splits = {split: path.name for split, path in files_of(to, output).items()}
    every = [output] if output.is_file() else sorted(output.iterdir())
    # What load_from_disk needs beside the data keeps load_dataset from opening it.
    files = {path.name: path for path in every if to != "datasets" or path.suffix == ".arrow"}
    pictures = sorted((reasoning.parent / "histograms").glob("*.png")) if page else []
    files |= {f"histograms/{path.name}": path for path in pictures}
    return f"published: {publish(files, with_files(page, splits), repository, private=private)}"
