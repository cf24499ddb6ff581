"""From a comparison to what a terminal or a pipe shows. Percent; `-` where a figure is undefined."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from guardreasoner.metrics import Interval, PairedDifference
from guardreasoner.report.comparison import ComparedCell, ComparedMean, Comparison
from guardreasoner.report.terminal import MEAN, PROTOCOLS, TITLES, percent, tenths, word
from guardreasoner.types import Mode, Task

NOTE = (
    "Percent. B-A: F1 of B minus F1 of A, with its 95 % paired bootstrap interval and two-sided p. A only, B only: "
    "rows that one guard alone has right, and McNemar's mid-p of them. holm: that p corrected over the {cells} cells."
)

SECTIONS = {
    Task.PROMPT_HARMFULNESS: "prompt harm",
    Task.RESPONSE_REFUSAL: "refusal",
    Task.RESPONSE_HARMFULNESS: "response harm",
}


def show(comparison: Comparison, console: Console) -> None:
    """A table on a terminal; elsewhere `lines`, never wrapped and without a space inside a column."""
    if not console.is_terminal:
        for line in lines(comparison):
            console.print(line, soft_wrap=True, markup=False, highlight=False)
        return
    console.print(_table(comparison))
    for note in notes(comparison):
        console.print(note, style="dim", markup=False, highlight=False)


def lines(comparison: Comparison) -> Iterator[str]:
    """One line per cell and per mean under one heading, in aligned columns; comments start with #."""
    heading = ["task", "benchmark", "mode", "n", "f1_a", "f1_b", "b-a", "low", "high", "p"]
    heading += ["right_a_only", "right_b_only", "mcnemar_p", "holm"]
    rows = [heading, *map(_cell_line, comparison.cells), *map(_mean_line, comparison.means)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heading))]
    for note in notes(comparison):
        yield f"# {note}"
    for row in rows:
        cut = zip(row, widths, strict=True)
        padded = [text.ljust(width) if column < 3 else text.rjust(width) for column, (text, width) in enumerate(cut)]
        yield "  ".join(padded).rstrip()


def _cell_line(cell: ComparedCell) -> list[str]:
    test = cell.mcnemar
    return [
        *(cell.task.value, word(cell.benchmark), mode_of(cell.mode_a, cell.mode_b), str(cell.n)),
        *(percent(cell.f1_a), percent(cell.f1_b), *_difference(cell.difference)),
        *(str(test.only_a), str(test.only_b), chance(test.p), chance(cell.p_holm)),
    ]


def _mean_line(mean: ComparedMean) -> list[str]:
    name = f"{MEAN.replace(' ', '_')}[{share_of(mean)}]"
    names = [mean.task.value, name, mode_of(mean.mode_a, mean.mode_b), "-"]
    return [*names, percent(mean.f1_a), percent(mean.f1_b), *_difference(mean.difference), *["-"] * 4]


def _difference(found: PairedDifference) -> list[str]:
    bounds = found.interval
    low, high = (None, None) if bounds is None else (bounds.low, bounds.high)
    return [signed(found.difference), signed(low), signed(high), chance(found.p)]


def signed(value: float | None) -> str:
    """`+1.25`, or `-` for None."""
    return "-" if value is None else f"{100 * value:+.2f}"


def chance(p: float | None) -> str:
    """`0.042`; below a thousandth `<0.001`."""
    return "-" if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"


def mode_of(a: Mode | None, b: Mode | None) -> str:
    """`fast`, `fast/reason` where they differ, `-` for a mode that no file says."""
    return (a or "-") if a == b else f"{a or '-'}/{b or '-'}"


def share_of(mean: ComparedMean) -> str:
    """`2/5`: how many of the published cells the mean is over."""
    return f"{len(mean.cells)}/{len(mean.cells) + len(mean.missing)}"


def _table(comparison: Comparison) -> Table:
    """A section per task, its mean last. Fits 80 columns."""
    table = Table(box=box.SIMPLE_HEAD, padding=0, collapse_padding=True)
    table.add_column("benchmark", overflow="fold")
    for name in ("n", "F1 A", "F1 B", "B-A", "95 %", "p", "A only", "B only", "McN. p", "holm"):
        table.add_column(name.replace(" only", "\nonly").replace("McN. ", "McN.\n"), justify="right", no_wrap=True)
    several = len({(cell.mode_a, cell.mode_b) for cell in comparison.cells}) > 1
    for task in Task:
        cells = [cell for cell in comparison.cells if cell.task == task]
        if not cells:
            continue
        table.add_row(SECTIONS[task], style="bold")
        for cell in cells:
            mode = f"\n {mode_of(cell.mode_a, cell.mode_b)}" if several else ""
            table.add_row(escape(cell.benchmark) + mode, str(cell.n), *_table_row(cell), *_table_tests(cell))
        for mean in comparison.means:
            if mean.task == task:
                mode = f"\n {mode_of(mean.mode_a, mean.mode_b)}" if several else ""
                table.add_row(f"mean, {share_of(mean)}{mode}", "", *_table_row(mean), style="bold")
        table.add_section()
    return table


def _table_row(found: ComparedCell | ComparedMean) -> tuple[str, ...]:
    difference = found.difference
    value = "-" if difference.difference is None else f"{100 * difference.difference:+.1f}"
    return (tenths(found.f1_a), tenths(found.f1_b), value, _span(difference.interval), chance(difference.p))


def _table_tests(cell: ComparedCell) -> tuple[str, ...]:
    test = cell.mcnemar
    return str(test.only_a), str(test.only_b), chance(test.p), chance(cell.p_holm)


def _span(bounds: Interval | None) -> str:
    return "-" if bounds is None else f"{100 * bounds.low:+.1f}..{100 * bounds.high:+.1f}"


def notes(comparison: Comparison) -> Iterator[str]:
    """What the figures are, and what is not in them."""
    yield f"A: {comparison.a}"
    yield f"B: {comparison.b}"
    yield f"Protocol {PROTOCOLS[comparison.protocol]}."
    yield NOTE.format(cells=len(comparison.cells))
    for cell in comparison.cells:
        mode = mode_of(cell.mode_a, cell.mode_b)
        place = ", ".join([cell.benchmark, TITLES[cell.task], *([mode] if mode != "-" else [])])
        if cell.only_a or cell.only_b:
            yield f"{place}: {cell.only_a} rows only A has and {cell.only_b} only B has are left out."
        if cell.unanswered_a or cell.unanswered_b:
            yield f"{place}: A gave no answer to {cell.unanswered_a} rows, B to {cell.unanswered_b}."
    for mean in comparison.means:
        if mean.missing:
            yield f"{TITLES[mean.task]}: mean over {share_of(mean)} cells, missing {', '.join(mean.missing)}."
    for side, places in (("A", comparison.cells_only_a), ("B", comparison.cells_only_b)):
        if places:
            yield f"Only {side} has: {'; '.join(places)}."
