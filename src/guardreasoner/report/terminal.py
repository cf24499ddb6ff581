"""From a report to what a terminal or a pipe shows. Percent; `-` where a figure is undefined or not published."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from guardreasoner.metrics import Interval
from guardreasoner.report.scores import Cell, ModelMean, Report
from guardreasoner.types import Task

PROTOCOLS = {
    "strict": "strict: an unreadable answer counts once, as wrong",
    "released": "released, the authors' rule: an unreadable answer is left out if gold is harmful, else counted twice",
}
TITLES = {
    Task.PROMPT_HARMFULNESS: "prompt harmfulness",
    Task.RESPONSE_REFUSAL: "response refusal",
    Task.RESPONSE_HARMFULNESS: "response harmfulness",
}
SHORT = {Task.PROMPT_HARMFULNESS: "prompt", Task.RESPONSE_REFUSAL: "refusal", Task.RESPONSE_HARMFULNESS: "response"}
MEAN, PLAIN_MEAN = "weighted mean", "plain mean"


def show(report: Report, console: Console) -> None:
    """Tables on a terminal; elsewhere `lines`, never wrapped and without a space inside a column."""
    if not console.is_terminal:
        for line in lines(report):
            console.print(line, soft_wrap=True, markup=False, highlight=False)
        return
    for model in dict.fromkeys(cell.model for cell in report.cells):
        console.print(_table(report, model))
    notes = [
        f"Protocol {PROTOCOLS[report.protocol]}.",
        "Percent; 95 % bootstrap intervals. Paper: arXiv 2501.18492, its means over the same cells.",
        *(f"{mean.model}, {TITLES[mean.task]}: {_missing(mean)}." for mean in report.means if mean.missing),
    ]
    for note in notes:
        console.print(note, style="dim", markup=False, highlight=False)


def lines(report: Report) -> Iterator[str]:
    """One line per cell and per mean under one heading, in aligned columns; comments start with #."""
    heading = [
        "model",
        "task",
        "benchmark",
        "f1",
        "low",
        "high",
        "paper",
        "precision",
        "recall",
        "fpr",
        "unreadable",
        "n",
    ]
    means = (line for mean in report.means for line in _mean_lines(mean))
    rows = [heading, *map(_cell_line, report.cells), *means]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heading))]
    yield f"# protocol {PROTOCOLS[report.protocol]}; percent; 95 % bootstrap intervals"
    for row in rows:
        padded = [
            text.ljust(width) if column < 3 else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(padded)
    for mean in report.means:
        if mean.missing:
            yield f"# {mean.model} {mean.task.value}: {_missing(mean)}"


def tenths(value: float | None) -> str:
    """`85.4`, in percent, or `-` for None: where columns are narrow."""
    return "-" if value is None else f"{100 * value:.1f}"


def percent(value: float | None) -> str:
    """`85.41`, or `-` for None."""
    return "-" if value is None else f"{100 * value:.2f}"


def _cell_line(cell: Cell) -> list[str]:
    score = cell.score
    return [
        *(word(cell.model), cell.task.value, word(cell.benchmark)),
        *(percent(score.f1), *_bounds(score.f1_interval), percent(cell.paper_f1)),
        *(percent(score.precision), percent(score.recall), percent(score.fpr)),
        *(str(score.unreadable), str(score.n)),
    ]


def _mean_lines(mean: ModelMean) -> Iterator[list[str]]:
    for name, value, bounds, paper in (
        (MEAN, mean.f1, mean.f1_interval, mean.paper_f1),
        (PLAIN_MEAN, mean.unweighted_f1, mean.unweighted_f1_interval, None),
    ):
        names = [word(mean.model), mean.task.value, f"{word(name)}[{_share(mean, '/')}]"]
        yield [*names, percent(value), *_bounds(bounds), percent(paper), "-", "-", "-", "-", "-"]


def word(text: str) -> str:
    """`text` as one column of a pipe: no space inside, never empty."""
    return "_".join(text.split()) or "-"


def _bounds(bounds: Interval | None) -> tuple[str, str]:
    return ("-", "-") if bounds is None else (percent(bounds.low), percent(bounds.high))


def _share(mean: ModelMean, of: str = " of ") -> str:
    return f"{len(mean.cells)}{of}{len(mean.cells) + len(mean.missing)}"


def _missing(mean: ModelMean) -> str:
    return f"mean over {_share(mean)} cells, missing {', '.join(mean.missing)}"


def _table(report: Report, model: str) -> Table:
    """One model: a section per task, its mean last. Fits 80 columns."""
    table = Table(title=escape(model), box=box.SIMPLE_HEAD, padding=0, title_justify="left", title_style="bold")
    table.add_column("benchmark", overflow="fold")
    for name in ("F1", "95 %", "paper", "prec.", "recall", "FPR", "unread", "n"):
        table.add_column(name, justify="right", no_wrap=True)
    for task in Task:
        cells = [cell for cell in report.cells if (cell.model, cell.task) == (model, task)]
        if not cells:
            continue
        table.add_row(TITLES[task], style="bold")
        for cell in cells:
            table.add_row(*_table_row(cell))
        for mean in report.means:
            if (mean.model, mean.task) == (model, task):
                figures = (percent(mean.f1), span(mean.f1_interval), percent(mean.paper_f1))
                table.add_row(f"mean, {_share(mean)}", *figures, style="bold")
                table.add_row("plain mean", percent(mean.unweighted_f1), span(mean.unweighted_f1_interval))
        table.add_section()
    return table


def _table_row(cell: Cell) -> tuple[str, ...]:
    score = cell.score
    return (
        *(escape(cell.benchmark), percent(score.f1), span(score.f1_interval), percent(cell.paper_f1)),
        *(percent(score.precision), percent(score.recall), percent(score.fpr)),
        *(f"[red]{score.unreadable}[/]" if score.unreadable else "0", str(score.n)),
    )


def span(bounds: Interval | None) -> str:
    """`35.2-43.2`, in percent, or `-` for None."""
    return "-" if bounds is None else f"{100 * bounds.low:.1f}-{100 * bounds.high:.1f}"
