"""From the predictions of one guard on several sets to its report: terminal, pipe, Markdown, JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from guardreasoner.metrics import Prediction, Score, score
from guardreasoner.report import reasoning_table
from guardreasoner.report.reasoning import Quality
from guardreasoner.report.terminal import SHORT, TITLES, percent
from guardreasoner.types import Mode, Record, Task

NOTE = (
    "Percent; 95 % bootstrap intervals; an unreadable answer counts once, as wrong. `base` is the F1 of a guard that "
    "flags everything. 1B, 3B, 8B: GuardReasoner's figures in the paper, arXiv 2501.18492."
)
SIZES = ("1B", "3B", "8B")


class Cell(Record):
    """One set, task and mode. Figures are fractions; seconds and tokens as measured where this ran."""

    benchmark: str
    task: Task
    mode: Mode
    score: Score
    always_positive_f1: float | None
    seconds_per_1000: float | None
    reasoning_tokens_per_check: float | None
    shortened: int
    paper_f1: dict[str, float]
    note: str | None = None
    reasoning: Quality | None = None


class Evaluation(Record):
    """All cells of one guard."""

    model: str
    cells: tuple[Cell, ...]

    @property
    def reasoning(self) -> tuple[tuple[str, Task, Quality], ...]:
        """The cells that have figures of reasoning."""
        return tuple((cell.benchmark, cell.task, cell.reasoning) for cell in self.cells if cell.reasoning is not None)


def cell(
    benchmark: str,
    task: Task,
    mode: Mode,
    predictions: Sequence[Prediction],
    *,
    seconds: float,
    reasoning_tokens: int,
    shortened: int,
    paper_f1: Mapping[str, float],
    note: str | None = None,
    reasoning: Quality | None = None,
) -> Cell:
    """The figures of one cell. `seconds` and `reasoning_tokens` are sums over the predictions."""
    n = len(predictions)
    return Cell(
        benchmark=benchmark,
        task=task,
        mode=mode,
        score=score(predictions, task),
        always_positive_f1=always_positive(predictions, task),
        seconds_per_1000=1000 * seconds / n if n else None,
        reasoning_tokens_per_check=reasoning_tokens / n if n else None,
        shortened=shortened,
        paper_f1=dict(paper_f1),
        note=note,
        reasoning=reasoning,
    )


def always_positive(predictions: Sequence[Prediction], task: Task) -> float | None:
    """F1 of a guard that always gives the positive label: what any guard has to beat."""
    return score([Prediction(row.gold, task.positive) for row in predictions], task).f1


def show(evaluation: Evaluation, console: Console) -> None:
    """A table on a terminal; elsewhere `lines`, never wrapped and without a space inside a column."""
    if not console.is_terminal:
        for line in lines(evaluation):
            console.print(line, soft_wrap=True, markup=False, highlight=False)
        return
    modes: dict[Mode, None] = dict.fromkeys(cell.mode for cell in evaluation.cells)
    for mode in modes:
        console.print(_table(evaluation, mode))
    reasoning_table.show(evaluation.reasoning, console)
    for note in (NOTE, *_notes(evaluation)):
        console.print(note, style="dim", markup=False, highlight=False)


def lines(evaluation: Evaluation) -> Iterator[str]:
    """One line per cell under one heading, in aligned columns; comments start with #."""
    rows = [["_".join(text.split()) or "-" for text in row] for row in _rows(evaluation)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    yield f"# {evaluation.model}: {NOTE}"
    for row in rows:
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
    yield from reasoning_table.lines(evaluation.reasoning)
    for note in _notes(evaluation):
        yield f"# {note}"


def markdown(evaluation: Evaluation) -> str:
    """The report as a page."""
    heading, *rows = (f"| {' | '.join(text.replace('|', '/') for text in row)} |" for row in _rows(evaluation))
    rule = "|---|---|---|" + "---:|" * (heading.count("|") - 4)
    notes = [f"- {note}" for note in _notes(evaluation)]
    body = [f"# {evaluation.model}", "", NOTE, "", heading, rule, *rows, *([""] if notes else []), *notes]
    return "\n".join([*body, *reasoning_table.markdown(evaluation.reasoning)]) + "\n"


def _table(evaluation: Evaluation, mode: Mode) -> Table:
    """One mode; one decimal, so that it fits 80 columns."""
    title = f"{escape(evaluation.model)}, {mode}"
    table = Table(title=title, box=None, padding=(0, 1, 0, 0), title_justify="left")
    table.add_column("set", overflow="fold")
    for name in ("n", "F1", "95 %", "prec.", "rec.", "FPR", "unr.", "s/1k", "base", *SIZES):
        table.add_column(name, justify="right", no_wrap=True)
    for cell in evaluation.cells:
        if cell.mode == mode:
            table.add_row(*_table_row(cell))
    return table


def _table_row(cell: Cell) -> tuple[str, ...]:
    found, speed = cell.score, cell.seconds_per_1000
    unreadable = f"[red]{found.unreadable}[/]" if found.unreadable else "0"
    return (
        *(
            f"{escape(cell.benchmark)}\n [dim]{SHORT[cell.task]}[/]",
            str(found.n),
            f"[bold]{_short(found.f1)}[/]",
            _row(cell)[5],
        ),
        *(_short(found.precision), _short(found.recall), _short(found.fpr), unreadable),
        *("-" if speed is None else f"{speed:.1f}", _short(cell.always_positive_f1)),
        *(_short(cell.paper_f1.get(size)) for size in SIZES),
    )


def _short(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _rows(evaluation: Evaluation) -> list[list[str]]:
    """The heading and one row of texts per cell."""
    heading = ["set", "task", "mode", "n", "F1", "95 %", "prec.", "recall", "FPR", "unread", "s/1000", "base", *SIZES]
    return [heading, *map(_row, evaluation.cells)]


def _row(cell: Cell) -> list[str]:
    found = cell.score
    bounds = found.f1_interval
    return [
        *(cell.benchmark, TITLES[cell.task], cell.mode, str(found.n), percent(found.f1)),
        "-" if bounds is None else f"{100 * bounds.low:.1f}-{100 * bounds.high:.1f}",
        *(percent(found.precision), percent(found.recall), percent(found.fpr), str(found.unreadable)),
        "-" if cell.seconds_per_1000 is None else f"{cell.seconds_per_1000:.2f}",
        percent(cell.always_positive_f1),
        *(percent(cell.paper_f1.get(size)) for size in SIZES),
    ]


def _notes(evaluation: Evaluation) -> Iterator[str]:
    for cell in evaluation.cells:
        place = f"{cell.benchmark}, {TITLES[cell.task]}, {cell.mode}"
        if cell.note:
            yield f"{place}: {cell.note}."
        if cell.shortened:
            yield f"{place}: {cell.shortened} of {cell.score.n} exchanges did not fit the model and were shortened."
