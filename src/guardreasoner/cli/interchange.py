"""From `guardreasoner interchange lm-eval|geh` to benchmark files that another framework loads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def interchange(
    to: Annotated[Literal["lm-eval", "geh"], typer.Argument(help="lm-eval, or geh for guard-eval-harness.")],
    data: Annotated[
        list[Path],
        typer.Option(
            metavar="DIR_OR_FILE",
            help="Benchmark files, the authors' or as upstream has them, or a folder of them. Can be repeated.",
        ),
    ],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Where the files are written.")],
    format: Annotated[
        Literal["nano", "paper"],
        typer.Option(
            "--format", help="How lm-eval asks. nano: as the embedded guard is. paper: as the released weights are."
        ),
    ] = "nano",
) -> None:
    """Write the benchmarks as lm-eval tasks or as files for guard-eval-harness, and say how they are run.

    inspect_ai needs no files: `inspect eval guardreasoner/benchmark --model guardreasoner/embedded -T data=DIR`.
    """
    from guardreasoner.guard import Guard
    from guardreasoner.interchange import geh, lm_eval
    from guardreasoner.interchange.cells import load_cells
    from guardreasoner.spreading import fit

    cells = load_cells(data)
    left_out = []
    if to == "geh":
        cells, left_out = geh.export(cells, output)
        command = f"geh run --config {output / geh.CONFIG}"
    else:
        guard = Guard()
        lm_eval.export(cells, output, format, (lambda e: fit(guard, e, "fast")) if format == "nano" else None)
        model = "guardreasoner" if format == "nano" else "hf --model_args pretrained=FOLDER"
        start = "python -m guardreasoner.interchange.lm_eval_model run" if format == "nano" else "lm_eval run"
        command = f"{start} --model {model} --tasks {lm_eval.GROUP} --include_path {output}"
    for cell in cells:
        print(f"{cell.name}  {len(cell.samples):,} rows{f'  ({cell.note})' if cell.note else ''}")
    for cell in left_out:
        print(f"# left out: {cell.name}, which guard-eval-harness has no label for")
    print(f"# run it with: {command}")
