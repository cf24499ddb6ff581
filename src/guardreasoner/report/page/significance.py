"""From a comparison to what a page says of it: the figures of the terminal's table, and its notes."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from guardreasoner.report.comparison import ComparedCell, ComparedMean, Comparison
from guardreasoner.report.comparison_table import chance, mode_of, notes, share_of, signed
from guardreasoner.report.page import tables
from guardreasoner.report.page.html import e
from guardreasoner.report.terminal import TITLES, percent

_HEADING = ("set", "task", "mode", "n", "F1 A", "F1 B", "B-A", "95 %", "p", "only A right", "only B right")


def significance(comparison: Comparison) -> list[Element]:
    """The paired tests of every cell and mean, and below them what the figures are."""
    body = [*map(_cell, comparison.cells), *map(_mean, comparison.means)]
    heading = (*_HEADING, "McNemar p", "Holm")
    said = e("ul", *(e("li", note) for note in notes(comparison)), class_="note")
    return [tables.table("Paired tests on the rows that both judged", heading, body), said]


def _cell(cell: ComparedCell) -> Element:
    test = cell.mcnemar
    counts = f"{test.only_a:,}", f"{test.only_b:,}"
    names = TITLES[cell.task], mode_of(cell.mode_a, cell.mode_b), f"{cell.n:,}"
    return tables.row(cell.benchmark, *names, *_difference(cell), *counts, chance(test.p), chance(cell.p_holm))


def _mean(mean: ComparedMean) -> Element:
    names = TITLES[mean.task], mode_of(mean.mode_a, mean.mode_b), "-"
    return tables.row(f"weighted mean of {share_of(mean)}", *names, *_difference(mean), *["-"] * 4)


def _difference(found: ComparedCell | ComparedMean) -> list[str]:
    bounds = found.difference.interval
    span = "-" if bounds is None else f"{signed(bounds.low)} to {signed(bounds.high)}"
    values = percent(found.f1_a), percent(found.f1_b), signed(found.difference.difference), span
    return [*values, chance(found.difference.p)]
