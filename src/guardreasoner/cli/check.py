"""`guardreasoner check`: from a text or a file to a verdict on the screen or a file of verdicts."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from guardreasoner.errors import InputError
from guardreasoner.formats.names import FORMAT_NAMES
from guardreasoner.jsonl import open_binary, reason
from guardreasoner.types import Mode

Text = Annotated[str | None, typer.Argument(help="What the user asked; @FILE reads a file, - standard input.")]
Response = Annotated[str | None, typer.Option(help="What the assistant answered; @FILE or - as above.")]
ModeOption = Annotated[Mode, typer.Option(help="Reason before the answers, or give the answers at once.")]
Model = Annotated[
    str | None, typer.Option(help="A folder, a hub id or a server's address.", show_default="the embedded guard")
]
FormatOption = Annotated[
    str | None, typer.Option("--format", help=f"How the model is asked: {FORMAT_NAMES}.", show_default="by the model")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON record.")]
Input = Annotated[Path | None, typer.Option(help="Judge every row of a .jsonl, .csv or .parquet file.")]
Output = Annotated[Path | None, typer.Option(help="Where the verdicts of --input go, .jsonl, .csv or .parquet.")]
PromptColumn = Annotated[str, typer.Option(help="The column of --input with the prompts.")]
ResponseColumn = Annotated[
    str | None, typer.Option(help="The column with the responses.", show_default="response, if there is one")
]
IdColumn = Annotated[
    str | None, typer.Option(help="The column that names a row; it is kept.", show_default="id, if there is one")
]


def check(
    prompt: Text = None,
    *,
    response: Response = None,
    mode: ModeOption = "reason",
    model: Model = None,
    format: FormatOption = None,
    as_json: Json = False,
    input: Input = None,
    output: Output = None,
    prompt_column: PromptColumn = "prompt",
    response_column: ResponseColumn = None,
    id_column: IdColumn = None,
) -> None:
    """Judge one exchange, or every row of a file.

    Exit status: 0 nothing harmful, 1 flagged, 2 something could not be judged.
    """
    if input is None:
        if output is not None:
            raise InputError("--output needs --input, the file whose rows are judged")
        _check_one(prompt, response, mode, model, format, as_json)
    else:
        if prompt is not None or response is not None:
            raise InputError("--input judges a file; PROMPT and --response cannot stand beside it")
        if output is None:
            raise InputError("--input needs --output, the file that the verdicts go to")
        _check_file(input, output, (prompt_column, response_column, id_column), mode, model, format, as_json)


def _check_one(
    prompt: str | None, response: str | None, mode: Mode, model: str | None, format: str | None, as_json: bool
) -> None:
    from guardreasoner.cli import show
    from guardreasoner.guard import Guard
    from guardreasoner.inputs import as_exchange

    if prompt is None:
        raise InputError("what should be judged? give PROMPT or --input FILE; --help shows how")
    if prompt == response == "-":
        raise InputError("PROMPT and --response cannot both be read from standard input")
    exchange = as_exchange((text_of(prompt, "PROMPT"), None if response is None else text_of(response, "--response")))
    verdict = Guard(model, mode=mode, format=format).check(exchange.prompt, exchange.response)
    with unbroken_pipe():
        if as_json:
            typer.echo(show.as_json(verdict, ascii_only="utf" not in (sys.stdout.encoding or "").lower()))
        elif sys.stdout.isatty():
            from rich.console import Console

            show.to_terminal(verdict, Console(highlight=False))
        else:
            typer.echo(show.as_text(verdict))
    raise typer.Exit(1 if verdict.flagged else 0)


def text_of(given: str, name: str) -> str:
    """The text itself, that of the file behind `@`, or standard input behind `-`; one line end at its end is dropped.

    `@@` stands for a text that begins with `@`.
    """
    if given == "-":
        return _decode(sys.stdin.buffer.read(), "standard input")
    if given.startswith("@") and not given.startswith("@@"):
        path = Path(given[1:])
        with open_binary(path) as file:
            try:
                content = file.read()
            except OSError as error:
                raise InputError(f"cannot read {path}: {reason(error)}") from error
        return _decode(content, str(path))
    text = given[1:] if given.startswith("@@") else given
    return _decode(text.encode(errors="surrogateescape"), name, keep=True)


def _decode(content: bytes, place: str, *, keep: bool = False) -> str:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{place}: not valid UTF-8 at byte {error.start + 1}") from None
    return text if keep else text.removesuffix("\n").removesuffix("\r")


def _check_file(
    input: Path,
    output: Path,
    columns: tuple[str, str | None, str | None],
    mode: Mode,
    model: str | None,
    format: str | None,
    as_json: bool,
) -> None:
    from guardreasoner.cli.batch import check_rows
    from guardreasoner.cli.rows import find_columns, read_rows
    from guardreasoner.data.tables import survey
    from guardreasoner.guard import Guard

    names, total = survey(input)
    found = find_columns(input, names, *columns)
    if output.exists() and output.samefile(input):
        raise InputError(f"--output {output} is the input file itself")
    guard = Guard(model, mode=mode, format=format)
    with progress_bar(total) as progress:
        summary = check_rows(guard, read_rows(input, found), output, id_column=found.id, progress=progress)
    for line, why in summary.unjudged[:10]:
        typer.echo(f"{input}, line {line}: {why}", err=True)
    typer.echo(summary, err=True)
    if as_json:
        record = {"rows": summary.rows, "flagged": summary.flagged, "not_flagged": summary.unflagged}
        record["unjudged"] = [line for line, _ in summary.unjudged]  # pyright: ignore[reportArgumentType]
        typer.echo(json.dumps(record))
    raise typer.Exit(summary.status)


@contextmanager
def progress_bar(total: int) -> Generator[Callable[[int], None]]:
    """Rows done, rate and time left on standard error; nothing where that is not a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total, rate="")

        def advance(rows: int) -> None:
            speed = bar.tasks[0].speed
            bar.update(task, advance=rows, rate="" if speed is None else f"{speed:.1f} rows/s")

        yield advance


@contextmanager
def unbroken_pipe() -> Generator[None]:
    """Who reads only the beginning (`| head`) still gets the verdict as exit status."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stdout = open("/dev/null", "w")  # noqa: SIM115 - lives until the process ends
