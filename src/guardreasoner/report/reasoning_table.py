"""From the quality of reasoning per cell to the rows of a small table; `-` where a figure is not known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from guardreasoner.report.reasoning import Quality
from guardreasoner.report.terminal import SHORT, word
from guardreasoner.types import Task

HEADING = (
    "set",
    "task",
    "texts",
    "steps",
    "all",
    "char.",
    "tokens",
    "stated",
    "contra.",
    "repeat",
    "loops",
    "cut",
    "leaks",
)
NOTE = (
    "Reasoning, means per text: steps of request + refusal + response as far as they apply, all steps, characters, "
    "tokens, percent of word 4-grams that repeat. Counts: conclusions that plainly state a label; of these, those that "
    "contradict the answer; texts that end in a loop; that the token budget cut; that speak of a label they were told. "
    "None of it says whether a step is true."
)


def rows(found: Iterable[tuple[str, Task, Quality]]) -> list[list[str]]:
    """The heading and a row per set and task; empty if there is none."""
    body = [[benchmark, SHORT[task], *figures(each)] for benchmark, task, each in found]
    return [list(HEADING), *body] if body else []


def figures(found: Quality) -> list[str]:
    """All but the first two columns."""
    return [
        f"{found.rows:,}",
        "+".join(f"{found.tasks[task.value].steps:.1f}" for task in Task if task.value in found.tasks),
        f"{found.steps:.1f}",
        f"{found.characters:.0f}",
        "-" if found.tokens is None else f"{found.tokens:.0f}",
        f"{found.stated:,}",
        f"{found.contradicting:,}",
        f"{100 * found.repetition:.1f}",
        f"{found.looping:,}",
        "-" if found.cut is None else f"{found.cut:,}",
        "-" if found.leaking is None else f"{found.leaking:,}",
    ]


def show(found: Sequence[tuple[str, Task, Quality]], console: Console) -> None:
    """A table on a terminal, 80 columns wide at most."""
    heading, *body = rows(found) or [[]]
    if not body:
        return
    table = Table(title="reasoning", box=None, padding=(0, 1, 0, 0), title_justify="left")
    for number, name in enumerate(heading[:1] + heading[2:]):
        table.add_column(name, justify="right" if number else "left", overflow="fold", no_wrap=number > 0)
    for name, task, *figures in body:
        table.add_row(f"{escape(name)}\n [dim]{task}[/]", *figures)
    console.print(table)
    console.print(NOTE, style="dim", markup=False, highlight=False)


def print_found(found: Sequence[tuple[str, Task, Quality]], console: Console) -> None:
    """`show` on a terminal, `lines` elsewhere."""
    if console.is_terminal:
        show(found, console)
        return
    for line in lines(found):
        console.print(line, soft_wrap=True, markup=False, highlight=False)


def lines(found: Sequence[tuple[str, Task, Quality]]) -> Iterator[str]:
    """Aligned columns as comments: below the figures of a pipe, whose columns are others."""
    words = [[word(text) for text in row] for row in rows(found)]
    if words:
        yield f"# {NOTE}"
        widths = [max(map(len, column)) for column in zip(*words, strict=True)]
        for row in words:
            yield "# " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()


def markdown(found: Sequence[tuple[str, Task, Quality]]) -> Iterator[str]:
    """A section of a page, line by line; nothing where there is no reasoning."""
    table = rows(found)
    if table:
        yield from ("", "## Reasoning", "", NOTE, "")
        heading, *body = (f"| {' | '.join(text.replace('|', '/') for text in row)} |" for row in table)
        yield from (heading, "|---|---|" + "---:|" * (len(HEADING) - 2), *body)
