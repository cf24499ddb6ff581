"""From the cells of one guard to what a terminal, a pipe or a Markdown page shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from guardreasoner.metrics import Interval, Protocol
from guardreasoner.report import reasoning_table
from guardreasoner.report.cells import Cell, Evaluation, ModeMean, Pace
from guardreasoner.report.terminal import PROTOCOLS, SHORT, TITLES, percent, span, tenths, word
from guardreasoner.types import Mode

__all__ = ["SIZES", "Cell", "Evaluation", "lines", "markdown", "show"]

COUNTED = {
    "strict": "an answer that is unreadable or refused counts once, as wrong",
    "released": f"protocol {PROTOCOLS['released']}, and so is a refused one",
}
NOTE = (
    "Percent; 95 % bootstrap intervals; {counted}. `base` is the F1 of a guard that "
    "flags everything. 1B, 3B, 8B: GuardReasoner's figures in the paper, arXiv 2501.18492."
)
SCORES_NOTE = (
    "Means are weighted by the published sizes, and plain. AUPRC: average precision. TPR@1, TPR@5: recall at a "
    "false-positive rate of at most 1 and 5 %. ECE: expected calibration error of P(positive), ten bins. A row without "
    "an answer is wrong at every threshold. refused: answers that the model or its server's filter declined. ms: per "
    "check, in batches of at most `batch`."
)
SIZES = ("1B", "3B", "8B")


def show(evaluation: Evaluation, console: Console) -> None:
    """A table on a terminal; elsewhere `lines`, never wrapped and without a space inside a column."""
    if not console.is_terminal:
        for line in lines(evaluation):
            console.print(line, soft_wrap=True, markup=False, highlight=False)
        return
    modes: dict[Mode, None] = dict.fromkeys(cell.mode for cell in evaluation.cells)
    for mode in modes:
        console.print(_table(evaluation, mode))
        console.print(_scores_table(evaluation, mode))
    reasoning_table.show(evaluation.reasoning, console)
    for note in (note_of(evaluation.protocol), SCORES_NOTE, *notes_of(evaluation)):
        console.print(note, style="dim", markup=False, highlight=False)


def lines(evaluation: Evaluation) -> Iterator[str]:
    """One line per cell and mean under one heading, in aligned columns; comments start with #."""
    both = [[*row, *more] for row, more in zip(_rows(evaluation), _scores_rows(evaluation), strict=True)]
    rows = [[word(text) for text in row] for row in both]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    yield f"# {evaluation.model}: {note_of(evaluation.protocol)} {SCORES_NOTE}"
    for row in rows:
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
    yield from reasoning_table.lines(evaluation.reasoning)
    for note in notes_of(evaluation):
        yield f"# {note}"


def markdown(evaluation: Evaluation) -> str:
    """The report as a page: F1 beside the paper's, then what needs scores."""
    figures, scores = tables(evaluation)
    notes = [f"- {note}" for note in notes_of(evaluation)]
    body = [
        *(f"# {evaluation.model}", "", note_of(evaluation.protocol), "", *_markdown_table(figures), ""),
        *(SCORES_NOTE, "", *_markdown_table(scores), *([""] if notes else []), *notes),
    ]
    return "\n".join([*body, *reasoning_table.markdown(evaluation.reasoning)]) + "\n"


def tables(evaluation: Evaluation) -> tuple[list[list[str]], list[list[str]]]:
    """F1 beside the paper's per cell and mean, and per cell what needs scores; each with its heading first."""
    figures, means = _rows(evaluation), len(evaluation.means)
    scores = [[*row[:3], *more] for row, more in zip(figures, _scores_rows(evaluation), strict=True)]
    return figures, scores[: len(scores) - 2 * means]


def note_of(protocol: Protocol) -> str:
    """What stands under every table."""
    return NOTE.format(counted=COUNTED[protocol])


def _markdown_table(rows: Sequence[Sequence[str]]) -> list[str]:
    heading, *body = (f"| {' | '.join(text.replace('|', '/') for text in row)} |" for row in rows)
    return [heading, "|---|---|---|" + "---:|" * (heading.count("|") - 4), *body]


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
    for mean in evaluation.means:
        if mean.mode == mode:
            for name, value, bounds, paper in _figures(mean):
                figures = ("", tenths(value), span(bounds), *[""] * 6, *(tenths(paper.get(size)) for size in SIZES))
                table.add_row(f"{name.split()[0]}, {_share(mean)}\n [dim]{SHORT[mean.task]}[/]", *figures)
    return table


def _scores_table(evaluation: Evaluation, mode: Mode) -> Table:
    """What needs scores, and what a check costs; fits 80 columns."""
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("set", overflow="fold")
    for name in (*_SCORES[:1], "95 %", *_SCORES[2:]):
        table.add_column(name, justify="right", no_wrap=True)
    for cell in evaluation.cells:
        if cell.mode == mode:
            table.add_row(f"{escape(cell.benchmark)} [dim]{SHORT[cell.task]}[/]", *_scores_row(cell))
    return table


def _table_row(cell: Cell) -> tuple[str, ...]:
    found, speed = cell.score, cell.seconds_per_1000
    unreadable = f"[red]{found.unreadable}[/]" if found.unreadable else "0"
    return (
        *(
            f"{escape(cell.benchmark)}\n [dim]{SHORT[cell.task]}[/]",
            str(found.n),
            f"[bold]{tenths(found.f1)}[/]",
            _row(cell)[5],
        ),
        *(tenths(found.precision), tenths(found.recall), tenths(found.fpr), unreadable),
        *("-" if speed is None else f"{speed:.1f}", tenths(cell.always_positive_f1)),
        *(tenths(cell.paper_f1.get(size)) for size in SIZES),
    )


def _rows(evaluation: Evaluation) -> list[list[str]]:
    """The heading and one row of texts per cell and mean."""
    heading = ["set", "task", "mode", "n", "F1", "95 %", "prec.", "recall", "FPR", "unread", "s/1000", "base", *SIZES]
    return [heading, *map(_row, evaluation.cells), *(row for mean in evaluation.means for row in _mean_rows(mean))]


def _row(cell: Cell) -> list[str]:
    found = cell.score
    return [
        *(cell.benchmark, TITLES[cell.task], cell.mode, str(found.n), percent(found.f1), span(found.f1_interval)),
        *(percent(found.precision), percent(found.recall), percent(found.fpr), str(found.unreadable)),
        "-" if cell.seconds_per_1000 is None else f"{cell.seconds_per_1000:.2f}",
        percent(cell.always_positive_f1),
        *(percent(cell.paper_f1.get(size)) for size in SIZES),
    ]


def _mean_rows(mean: ModeMean) -> Iterator[list[str]]:
    for name, value, bounds, paper in _figures(mean):
        names = [f"{name}, {_share(mean)}", TITLES[mean.task], mean.mode, "-"]
        yield [*names, percent(value), span(bounds), *["-"] * 6, *(percent(paper.get(size)) for size in SIZES)]


def _figures(mean: ModeMean) -> Iterator[tuple[str, float | None, Interval | None, dict[str, float]]]:
    yield "weighted mean", mean.f1, mean.f1_interval, mean.paper_f1
    yield "plain mean", mean.unweighted_f1, mean.unweighted_f1_interval, {}


def _share(mean: ModeMean) -> str:
    return f"{len(mean.cells)}/{len(mean.cells) + len(mean.missing)}"


_SCORES = ("AUPRC", "AUPRC 95 %", "TPR@1", "TPR@5", "ECE", "refused", "tokens", "ms", "batch")


def _scores_rows(evaluation: Evaluation) -> list[list[str]]:
    means = [["-"] * len(_SCORES)] * (2 * len(evaluation.means))
    return [list(_SCORES), *map(_scores_row, evaluation.cells), *means]


def _scores_row(cell: Cell) -> list[str]:
    found, pace = cell.score, _pace(cell)
    rates = (found.tpr_at_1_fpr, found.tpr_at_5_fpr, found.ece)
    tokens = cell.reasoning_tokens_per_check
    return [
        *(tenths(found.auprc), span(found.auprc_interval), *map(tenths, rates), str(found.refused)),
        "-" if tokens is None else f"{tokens:.1f}",
        *(("-", "-") if pace is None else (f"{1000 * pace.seconds:.2f}", str(pace.batch_size))),
    ]


def _pace(cell: Cell) -> Pace | None:
    """How most of the checks ran: a batch may have one row left over."""
    paces = [pace for pace in (cell.single, cell.batched) if pace is not None]
    return max(paces, key=lambda pace: pace.checks, default=None)


def notes_of(evaluation: Evaluation) -> Iterator[str]:
    """How cells depart from what their name promises."""
    for cell in evaluation.cells:
        place = f"{cell.benchmark}, {TITLES[cell.task]}, {cell.mode}"
        if cell.note:
            yield f"{place}: {cell.note}."
        if cell.shortened:
            yield f"{place}: {cell.shortened} of {cell.score.n} exchanges did not fit the model and were shortened."
    for mean in evaluation.means:
        if mean.missing:
            yield f"{TITLES[mean.task]}, {mean.mode}: the means lack {', '.join(mean.missing)}."
