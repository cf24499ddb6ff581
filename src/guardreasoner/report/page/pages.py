"""From one evaluation, or two, to the text of a page."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

import numpy as np

from guardreasoner.metrics.scoring import graded, ranked
from guardreasoner.report.cells import Cell
from guardreasoner.report.evaluation import SCORES_NOTE, note_of, notes_of
from guardreasoner.report.judged import predictions_of
from guardreasoner.report.page import tables
from guardreasoner.report.page.content import Content
from guardreasoner.report.page.curves import Line, precision_recall_plot, reliability_plot
from guardreasoner.report.page.html import Node, document, e
from guardreasoner.report.page.rows import Entry, Voice, errors, section
from guardreasoner.report.terminal import TITLES, percent
from guardreasoner.types import Task

CONTENT = (
    "Texts of requests and responses are folded: many are hateful, sexual or dangerous. Unfold one only if you want to "
    "read it."
)


def evaluation_page(content: Content) -> str:
    """One guard: figures beside the paper's, plots, confusion, reasoning, and its errors."""
    wrong = errors(content)
    parts = [
        ("figures", "Figures", _figures(content)),
        ("forest", "Beside the paper, drawn", tables.forests(content)),
        ("paper", "Beside the paper, in numbers", _published(content)),
        ("curves", "Thresholds and calibration", _curves(content)),
        ("confusion", "Right and wrong per source", [tables.confusion(content)] if content.rows else []),
        ("reasoning", "Reasoning", tables.reasoning(content)),
        (
            "errors",
            "Errors",
            [e("p", CONTENT, class_="warning"), *section(wrong, "errors")] if content.rows else [],
        ),
    ]
    checks = sum(cell.score.n for cell in content.evaluation.cells)
    return _page(content.evaluation.model, f"{len(content.evaluation.cells)} cells, {checks:,} checks", parts)


def compare_page(a: Content, b: Content, *, names: tuple[str, str] | None = None, tests: Sequence[Element] = ()) -> str:
    """Two guards: their figures, and the rows of both on which they differ, reasoning side by side.

    Args:
        a: one evaluation.
        b: the other; only rows that both judged, by source, id and text, are compared.
        names: what they are called; by default their models, with A and B where these are the same.
        tests: tables of significance, put below the figures.
    """
    called = names or _names(a, b)
    found, shared = disagreements(a, b, called)
    both = [
        ("figures", "Figures", [_side_by_side(a, b, called), *tests]),
        ("differences", "Where they differ", [_crossed(found, shared, called)]),
        ("rows", "Disagreements", [e("p", CONTENT, class_="warning"), *section(found, "disagreements")]),
    ]
    said = f"{sum(shared.values()):,} checks that both made, {len(found):,} answered differently"
    return _page(f"{called[0]} and {called[1]}", said, both)


def disagreements(a: Content, b: Content, names: tuple[str, str]) -> tuple[list[Entry], dict[tuple[str, Task], int]]:
    """The rows that the two answer differently, and per set how many rows both judged.

    A set is compared in a mode that both ran, with reasoning if they can; else in the mode that each has.
    """
    found: list[Entry] = []
    shared: dict[tuple[str, Task], int] = {}
    for benchmark, task in a.sets:
        pair = _pair(a, b, benchmark, task)
        if pair is None:
            continue
        others = {(row.source, row.id, row.digest): row for row in b.annotated(pair[1])}
        for row in a.annotated(pair[0]):
            other = others.get((row.source, row.id, row.digest))
            if other is not None:
                shared[benchmark, task] = shared.get((benchmark, task), 0) + 1
                voices = (Voice(names[0], row), Voice(names[1], other))
                entry = Entry(benchmark, task, voices)
                if entry.differs:
                    found.append(entry)
    return found, shared


def _pair(a: Content, b: Content, benchmark: str, task: Task) -> tuple[Cell, Cell] | None:
    ours, theirs = (
        {cell.mode: cell for cell in side.evaluation.cells if (cell.benchmark, cell.task) == (benchmark, task)}
        for side in (a, b)
    )
    for mode in ("reason", "fast"):
        if mode in ours and mode in theirs:
            return ours[mode], theirs[mode]
    return (next(iter(ours.values())), next(iter(theirs.values()))) if ours and theirs else None


def _names(a: Content, b: Content) -> tuple[str, str]:
    one, other = a.evaluation.model, b.evaluation.model
    return (one, other) if one != other else (f"{one} (A)", f"{other} (B)")


def _side_by_side(a: Content, b: Content, names: tuple[str, str]) -> Element:
    body = [
        tables.row(
            *(name, cell.benchmark, TITLES[cell.task], cell.mode, f"{cell.score.n:,}"),
            *(e("strong", percent(cell.score.f1)), tables.span(cell.score.f1_interval), percent(cell.score.precision)),
            *(percent(cell.score.recall), percent(cell.score.fpr), str(cell.score.unreadable)),
        )
        for name, cell in sorted(
            ((name, cell) for name, side in zip(names, (a, b), strict=True) for cell in side.evaluation.cells),
            key=lambda each: (list(Task).index(each[1].task), each[1].benchmark, each[1].mode),
        )
    ]
    heading = ["guard", "set", "task", "mode", "n", "F1", "95 %", "precision", "recall", "FPR", "unreadable"]
    return tables.table("Figures of both, percent", heading, body)


def _crossed(found: Sequence[Entry], shared: dict[tuple[str, Task], int], names: tuple[str, str]) -> Element:
    body: list[Element] = []
    for (benchmark, task), count in shared.items():
        here = [entry.outcomes for entry in found if (entry.benchmark, entry.task) == (benchmark, task)]
        only = [sum(each[side] == "right" for each in here) for side in (0, 1)]
        values = (f"{count:,}", f"{len(here):,}", f"{only[0]:,}", f"{only[1]:,}", f"{len(here) - sum(only):,}")
        body.append(tables.row(benchmark, TITLES[task], *values))
    heading = ["set", "task", "both judged", "differ", *(f"only {name} right" for name in names), "neither right"]
    return tables.table("Rows that both judged", heading, body)


def _figures(content: Content) -> list[Node]:
    notes = [e("li", note) for note in notes_of(content.evaluation)]
    return [
        e("p", note_of(content.evaluation.protocol), class_="note"),
        *tables.figures(content),
        e("p", SCORES_NOTE, class_="note"),
        e("ul", *notes, class_="note") if notes else None,
    ]


def _published(content: Content) -> list[Node]:
    found = tables.published(content)
    note = (
        "From the paper's tables, arXiv 2501.18492, as published; bold is the best of a column. Our weighted mean "
        "stands there if every benchmark of the task was measured."
    )
    return [e("p", note, class_="note"), *found, *_sizes(content)] if found else []


def _sizes(content: Content) -> list[Node]:
    """A figure over other rows than the paper's is said to be."""
    found: list[Node] = []
    for cell in content.evaluation.cells:
        size = content.sizes.get(cell.task, {}).get(cell.benchmark)
        if size is not None and size != cell.score.n:
            place = f"{cell.benchmark}, {TITLES[cell.task]}, {cell.mode}"
            found.append(e("li", f"{place}: {cell.score.n:,} rows here, {size:,} in the paper."))
    return [e("ul", *found, class_="note")] if found else []


def _curves(content: Content) -> list[Node]:
    figures = [figure for benchmark, task in content.sets for figure in _plots(content, benchmark, task)]
    if not figures:
        return []
    note = (
        "Left: precision at every recall that a threshold gives; dotted, the share of positives. A row without an "
        "answer is wrong at every threshold. Right: the share of positives among rows of like score; on the dotted "
        "line a score can be taken at its word."
    )
    return [e("p", note, class_="note"), tables.legend(content, paper=False), e("div", *figures, class_="plots")]


def _plots(content: Content, benchmark: str, task: Task) -> list[Element]:
    """One figure for each kind of curve, over all modes that have scores."""
    name = f"{benchmark}, {TITLES[task]}"
    ranks: list[Line] = []
    grades: list[Line] = []
    areas: list[str] = []
    gaps: list[str] = []
    for cell in content.evaluation.cells:
        if (cell.benchmark, cell.task) == (benchmark, task):
            predictions = predictions_of(content.annotated(cell), task)
            rows, (gold, scores) = ranked(predictions, task, content.evaluation.protocol), graded(predictions, task)
            if rows is not None and rows.gold.any():
                again = rows.times
                ranks.append(Line(cell.mode, np.repeat(rows.gold, again), np.repeat(rows.scores, again)))
                areas.append(f"{cell.mode}: AUPRC {percent(cell.score.auprc)}")
            if len(gold):
                grades.append(Line(cell.mode, gold, scores))
                gaps.append(f"{cell.mode}: ECE {percent(cell.score.ece)}")
    drawn = (
        (precision_recall_plot, ranks, "Precision over recall", areas),
        (reliability_plot, grades, "Reliability", gaps),
    )
    return [
        e("figure", plot(lines, f"{kind}, {name}"), e("figcaption", e("strong", name), e("br"), "; ".join(said)))
        for plot, lines, kind, said in drawn
        if lines
    ]


def _page(title: str, summary: str, parts: Sequence[tuple[str, str, Sequence[Node]]]) -> str:
    there = [part for part in parts if part[2]]
    links = [e("li", e("a", name, href=f"#{at}")) for at, name, _ in there]
    sections = [
        e("section", e("h2", name, id=f"{at}-name"), *nodes, id=at, aria_labelledby=f"{at}-name")
        for at, name, nodes in there
    ]
    return document(
        f"{title}: guard evaluation",
        [
            e("a", "To the figures", href="#main", class_="skip"),
            e("header", e("h1", title), e("p", summary), e("nav", e("ul", *links), aria_label="Sections")),
            e("main", *sections, id="main"),
            e("footer", e("p", "Made by guardreasoner. This page loads nothing from any other place.")),
        ],
    )
