"""From cells to the tables of a page: figures, the paper's rows, the forest, confusion per source, reasoning."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from guardreasoner.metrics import Interval
from guardreasoner.report.cells import Cell
from guardreasoner.report.evaluation import tables as of_evaluation
from guardreasoner.report.page.content import Content, Outcome, outcome
from guardreasoner.report.page.html import Node, e
from guardreasoner.report.page.strips import MARKS, forest, legend_mark, scale, shares
from guardreasoner.report.reasoning_table import NOTE as REASONING_NOTE
from guardreasoner.report.reasoning_table import rows as reasoning_rows
from guardreasoner.report.terminal import TITLES, percent
from guardreasoner.types import Task

OWN = "GuardReasoner"
AVERAGE = "weighted_average"
WORDS = ("guard", "set", "task", "mode", "source", "method")
"""Columns of words, which start at the left."""
SILENT: tuple[Outcome, ...] = ("unreadable", "refused")


def table(caption: str, heading: Sequence[Node], body: Sequence[Element], *, kind: str = "sortable") -> Element:
    """In a frame that scrolls by itself where the page is narrow; the frame can be reached by the keyboard."""
    names = [e("th", name, scope="col", class_="words" if name in WORDS else None) for name in heading]
    for line in body:
        for name, cell in zip(heading, line, strict=True):
            if name in WORDS and cell.tag == "td":
                cell.set("class", "words")
    made = e("table", e("caption", caption), e("thead", e("tr", *names)), e("tbody", *body), class_=kind)
    return e("div", made, class_="frame", tabindex="0", role="region", aria_label=caption)


def row(name: Node, *values: Node, kind: str | None = None) -> Element:
    """What it is about first."""
    return e("tr", e("th", name, scope="row"), *(e("td", value) for value in values), class_=kind)


def figures(content: Content) -> list[Element]:
    """The tables of report.md."""
    beside, scores = of_evaluation(content.evaluation)
    return [texts("F1 beside GuardReasoner's in the paper, percent", beside), texts("Scores and cost", scores)]


def texts(caption: str, rows: Sequence[Sequence[str]]) -> Element:
    """A table of plain texts, its heading first."""
    return table(caption, rows[0], [row(*each) for each in rows[1:]])


def span(bounds: Interval | None) -> str:
    """`35.2-43.2`, in percent."""
    return "-" if bounds is None else f"{100 * bounds.low:.1f}\u2013{100 * bounds.high:.1f}"


def forests(content: Content) -> list[Element]:
    """One table per task with a line per cell, and the key to its signs."""
    made = [legend(content)]
    for task in Task:
        cells = [cell for cell in content.evaluation.cells if cell.task is task]
        if cells:
            heading = ["set", e("span", "F1, 95 %"), scale()]
            body = [_forest(content, cell) for cell in sorted(cells, key=lambda cell: cell.benchmark)]
            made.append(table(f"F1 of {TITLES[task]} with its interval", heading, body, kind="forest"))
    return made


def legend(content: Content, *, paper: bool = True) -> Element:
    """What the colours of all plots mean, and, with `paper`, the signs of the forest."""
    modes = [e("li", e("span", class_=f"swatch {mode}"), f"this guard, mode {mode}") for mode in content.modes]
    if not paper:
        return e("ul", *modes, class_="legend")
    sizes = [e("li", legend_mark(size), f"GuardReasoner {size} in the paper") for size in MARKS]
    others = [e("li", e("span", class_="swatch other"), "another method of the paper")]
    base = [e("li", e("span", class_="swatch base"), "a guard that flags everything")]
    return e("ul", *modes, *sizes, *others, *base, class_="legend")


def _forest(content: Content, cell: Cell) -> Element:
    here = [each for each in content.paper if (each[0], each[3]) == (cell.task, cell.benchmark)]
    others = [(_method(method, size), f1) for _, method, size, _, f1 in here if method != OWN]
    sizes = [(size or "", f1) for _, method, size, _, f1 in here if method == OWN and size in MARKS]
    drawn = forest(
        cell.score.f1,
        cell.score.f1_interval,
        mode=cell.mode,
        base=cell.always_positive_f1,
        others=others,
        sizes=sizes,
    )
    name = e("span", cell.benchmark, e("br"), e("small", cell.mode))
    figure = e("span", e("strong", percent(cell.score.f1)), e("br"), e("small", span(cell.score.f1_interval)))
    return row(name, figure, drawn)


def published(content: Content) -> list[Element]:
    """Per task this guard and every method of the paper, in its order; only tasks with a cell of ours."""
    tasks = dict.fromkeys(task for _, task in content.sets)
    return [_published(content, task) for task in tasks if any(each[0] is task for each in content.paper)]


def _published(content: Content, task: Task) -> Element:
    names = list(dict.fromkeys(each[3] for each in content.paper if each[0] is task))
    names = [*(name for name in names if name != AVERAGE), *(name for name in names if name == AVERAGE)]
    methods: dict[str, dict[str, float]] = {}
    for _, method, size, benchmark, f1 in (each for each in content.paper if each[0] is task):
        methods.setdefault(_method(method, size), {})[benchmark] = f1
    ours: dict[str, dict[str, float]] = {}
    for cell in content.evaluation.cells:
        if cell.task is task and cell.score.f1 is not None:
            ours.setdefault(f"{content.evaluation.model}, {cell.mode}", {})[cell.benchmark] = cell.score.f1
    for mean in content.evaluation.means:
        if mean.task is task and mean.f1 is not None and not mean.missing:
            ours[f"{content.evaluation.model}, {mean.mode}"][AVERAGE] = mean.f1
    best = {
        name: max((each[name] for each in [*ours.values(), *methods.values()] if name in each), default=None)
        for name in names
    }
    body = [_method_row(name, values, names, best, "ours") for name, values in ours.items()]
    body += [_method_row(name, values, names, best, None) for name, values in methods.items()]
    heading = ["method", *("weighted mean" if name == AVERAGE else name for name in names)]
    return table(f"F1 of {TITLES[task]} beside the paper's, percent", heading, body)


def _method_row(
    name: str, values: dict[str, float], names: Sequence[str], best: dict[str, float | None], kind: str | None
) -> Element:
    cells: list[Node] = []
    for each in names:
        text = percent(values.get(each))
        cells.append(e("strong", text) if each in values and values[each] == best[each] else text)
    return row(name, *cells, kind=kind)


def _method(method: str, size: str | None) -> str:
    return method if size is None else f"{method} ({size})"


def confusion(content: Content) -> Element:
    """Per cell and source what became of its rows."""
    body: list[Element] = []
    for cell in content.evaluation.cells:
        rows = content.annotated(cell)
        for source in dict.fromkeys(each.source for each in rows):
            positive, negative = _outcomes(content, cell, source, True), _outcomes(content, cell, source, False)
            silent = [sum(each.get(what, 0) for what in SILENT) for each in (positive, negative)]
            parts = [
                ("caught", "caught", positive.get("right", 0)),
                ("missed", "missed", positive.get("missed", 0)),
                ("unread", "no answer, positive", silent[0]),
                ("unread", "no answer, negative", silent[1]),
                ("alarm", "false alarms", negative.get("false alarm", 0)),
                ("passed", "passed", negative.get("right", 0)),
            ]
            counts = [f"{parts[each][2]:,}" for each in (0, 1, 5, 4)]
            names = (cell.benchmark, TITLES[cell.task], cell.mode, source)
            body.append(row(*names, *counts, f"{sum(silent):,}", shares(parts)))
    heading = ["set", "task", "mode", "source", "caught", "missed", "passed", "false alarms", "no answer", "shares"]
    return table("Rows by gold and answer, per source", heading, body)


def _outcomes(content: Content, cell: Cell, source: str, positive: bool) -> dict[Outcome, int]:
    counts: dict[Outcome, int] = {}
    for each in content.annotated(cell):
        if each.source == source and (each.gold.get(cell.task) == cell.task.positive) is positive:
            kind = outcome(each, cell.task)
            counts[kind] = counts.get(kind, 0) + 1
    return counts


def reasoning(content: Content) -> list[Element]:
    """The quality of the reasoning, as in the other reports; empty where there was none."""
    found = reasoning_rows(content.evaluation.reasoning)
    return [e("p", REASONING_NOTE, class_="note"), texts("Reasoning", found)] if found else []
