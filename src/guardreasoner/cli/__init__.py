"""From the command line to the library: parse, call, print."""

from __future__ import annotations

import io
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.exceptions import TyperException

from guardreasoner import __version__
from guardreasoner.cli import benchmarks, check, compare, evaluate, export, floor, interchange, plan, report, run, score
from guardreasoner.errors import GuardReasonerError, Stopped

COULD_NOT_JUDGE = 2
STOPPED = 3

app = typer.Typer(name="guardreasoner", add_completion=False, pretty_exceptions_enable=False)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"guardreasoner {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """A guard for LLM applications that reasons before it judges."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(COULD_NOT_JUDGE)


app.command("check")(check.check)
run.register(app)
app.command("plan")(plan.plan)
app.command("benchmarks")(benchmarks.benchmarks)
app.command("compare")(compare.compare)
app.command("evaluate")(evaluate.evaluate)
app.command("report")(report.report)
app.command("export")(export.export)
app.command("floor")(floor.floor)
app.command("interchange")(interchange.interchange)
app.command("score")(score.score)


def status_of(arguments: Sequence[str]) -> int:
    """Do what the command line says; returns the exit status. Every failure is one sentence on standard error."""
    try:
        status = app(args=list(arguments), prog_name="guardreasoner", standalone_mode=False)
    except TyperException as error:
        return _fail(error.format_message())
    except Stopped as why:
        typer.echo(f"stopped: {why}", err=True)
        return STOPPED
    except GuardReasonerError as error:
        return _fail(str(error))
    except Exception:  # noqa: BLE001 - a defect of ours must not exit with 1, which says `flagged`
        traceback.print_exc()
        return _fail("this is a defect of guardreasoner; please report it with the lines above")
    return status if isinstance(status, int) else 0


def _fail(sentence: str) -> int:
    typer.echo(f"error: {' '.join(sentence.split())}", err=True)
    return COULD_NOT_JUDGE


def main() -> None:
    """The console entry point."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a text that the terminal cannot show must not end in an error
            stream.reconfigure(errors="backslashreplace")
    sys.exit(status_of(sys.argv[1:]))
