"""From the examples of a synthesis to its statistics, shaped as the paper's Table 1: terminal, pipe, Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import get_args

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from guardreasoner.formats.paper import PaperFormat
from guardreasoner.formats.steps import read_reasoning
from guardreasoner.report.terminal import word
from guardreasoner.types import Exchange, Malformed, Rejection, SFTExample

TOTAL = "Total"
NOTE = (
    "A step is one step heading under any task. Longest task: steps of the task that has most. Length: characters of a "
    "step without its heading."
)
_HEADING = ("source", "samples", "steps", "mean steps", "longest task", "mean length")
_REASONS = get_args(Rejection)
_FORMAT = PaperFormat()
_ANY = Exchange(prompt="")


@dataclass
class SourceStatistics:
    """Counts of one source; the histograms are exact, each as value -> how often."""

    samples: int = 0
    longest: int = 0
    """Sum over the samples of the steps of their longest task."""
    steps: Counter[int] = field(default_factory=Counter[int])
    lengths: Counter[int] = field(default_factory=Counter[int])

    @property
    def step_count(self) -> int:
        return self.lengths.total()

    @property
    def mean_steps(self) -> float | None:
        return _ratio(self.step_count, self.samples)

    @property
    def mean_longest(self) -> float | None:
        return _ratio(self.longest, self.samples)

    @property
    def mean_length(self) -> float | None:
        return _ratio(sum(length * count for length, count in self.lengths.items()), self.step_count)

    def add(self, completion: str) -> None:
        verdict = _FORMAT.read(completion, _ANY)
        reasoning = completion if isinstance(verdict, Malformed) else verdict.reasoning or ""
        parts = read_reasoning(reasoning)
        steps = [step for part in parts for step in part.steps]
        self.samples += 1
        self.longest += max((len(part.steps) for part in parts), default=0)
        self.steps[len(steps)] += 1
        self.lengths.update(map(len, steps))

    def __add__(self, other: SourceStatistics) -> SourceStatistics:
        return SourceStatistics(
            self.samples + other.samples,
            self.longest + other.longest,
            self.steps + other.steps,
            self.lengths + other.lengths,
        )


@dataclass
class Statistics:
    """What was kept, per source, and what the filters found, per reason and source. Filled row by row.

    `found` counts every finding; with `keep = "all"` most of these rows are kept all the same.
    """

    sources: dict[str, SourceStatistics] = field(default_factory=dict[str, SourceStatistics])
    found: dict[Rejection, Counter[str]] = field(default_factory=dict[Rejection, Counter[str]])
    kept: int = 0
    left_out: int = 0

    def keep(self, example: SFTExample) -> None:
        self.kept += 1
        self.sources.setdefault(example.source, SourceStatistics()).add(example.completion)

    def find(self, reason: Rejection, source: str) -> None:
        self.found.setdefault(reason, Counter())[source] += 1

    @property
    def total(self) -> SourceStatistics:
        return sum(self.sources.values(), SourceStatistics())

    @property
    def counts(self) -> dict[str, object]:
        """The figures that a stage keeps beside its files."""
        found = {reason: dict(self.found[reason]) for reason in _in_order(self.found)}
        kept = {source: statistics.samples for source, statistics in self.sources.items()}
        return {"kept": self.kept, "left out": self.left_out, "kept per source": kept, "found": found}


def show(statistics: Statistics, console: Console) -> None:
    """Tables on a terminal; elsewhere `lines`, never wrapped and without a space inside a column."""
    if not console.is_terminal:
        for line in lines(statistics):
            console.print(line, soft_wrap=True, markup=False, highlight=False)
        return
    console.print(_table("Reasoning data", _rows(statistics)))
    if statistics.found:
        found = _table(_findings_title(statistics), _finding_rows(statistics))
        if console.measure(found).maximum > console.width:
            found = _table(_findings_title(statistics), _finding_rows(statistics, most=0))
        console.print(found)
    console.print(NOTE, style="dim", markup=False, highlight=False)


def lines(statistics: Statistics) -> Iterator[str]:
    """Aligned columns under one heading per table; comments start with #."""
    yield f"# {NOTE}"
    yield from _aligned(_rows(statistics))
    if statistics.found:
        yield f"# {_findings_title(statistics)}"
        yield from _aligned(_finding_rows(statistics))


def markdown(statistics: Statistics, title: str = "Statistics") -> str:
    """The statistics as a page."""
    parts = [f"# {title}", NOTE, markdown_table(_rows(statistics))]
    if statistics.found:
        parts += [f"## {_findings_title(statistics)}", markdown_table(_finding_rows(statistics))]
    return "\n\n".join(parts) + "\n"


def samples_table(statistics: Statistics) -> str:
    """The table shaped as the paper's, in Markdown."""
    return markdown_table(_rows(statistics))


def findings_table(statistics: Statistics) -> str:
    """Findings per reason and source, in Markdown."""
    return markdown_table(_finding_rows(statistics))


def markdown_table(rows: list[list[str]]) -> str:
    """The first row is the heading; all columns but the first are numbers."""
    heading, *body = (f"| {' | '.join(text.replace('|', '/') for text in row)} |" for row in rows)
    return "\n".join([heading, f"|---|{'---:|' * (len(rows[0]) - 1)}", *body])


def _findings_title(statistics: Statistics) -> str:
    findings = sum(counter.total() for counter in statistics.found.values())
    kept = findings - statistics.left_out
    return f"Rejected: {statistics.left_out:,}" + (
        f" (and {kept:,} kept that the filters would reject)" if kept else ""
    )


def _rows(statistics: Statistics) -> list[list[str]]:
    every = [*statistics.sources.items(), (TOTAL, statistics.total)]
    return [list(_HEADING), *([name, *_figures(source)] for name, source in every)]


def _figures(source: SourceStatistics) -> list[str]:
    means = (source.mean_steps, source.mean_longest, source.mean_length)
    return [
        f"{source.samples:,}",
        f"{source.step_count:,}",
        *("-" if mean is None else f"{mean:.2f}" for mean in means),
    ]


def _finding_rows(statistics: Statistics, most: int = 6) -> list[list[str]]:
    """One row per reason; a column per source while they are at most `most`, else the total alone."""
    sources = sorted({source for counter in statistics.found.values() for source in counter})
    shown = sources if len(sources) <= most else []
    rows = [["reason", *shown, TOTAL.lower()]]
    for reason in _in_order(statistics.found):
        counter = statistics.found[reason]
        rows.append([reason, *(f"{counter[source]:,}" for source in shown), f"{counter.total():,}"])
    return rows


def _in_order(found: Mapping[Rejection, object]) -> list[Rejection]:
    return [reason for reason in _REASONS if reason in found]


def _table(title: str, rows: list[list[str]]) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title_justify="left", title_style="bold")
    for number, name in enumerate(rows[0]):
        table.add_column(escape(name), overflow="fold", justify="right" if number else "left")
    for row in rows[1:]:
        table.add_row(*map(escape, row), style="bold" if row[0] == TOTAL else "")
    return table


def _aligned(rows: list[list[str]]) -> Iterator[str]:
    words = [[word(text) for text in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*words, strict=True)]
    for row in words:
        rest = [text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True)]
        yield "  ".join([row[0].ljust(widths[0]), *rest])


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
