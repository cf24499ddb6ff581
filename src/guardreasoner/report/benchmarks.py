"""From the list of benchmarks to what a terminal, a pipe or a page shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from guardreasoner.jsonl import Json
from guardreasoner.report.terminal import SHORT, word
from guardreasoner.types import Task

_HEADING = ("benchmark", "task", "rows", "positive", "where", "terms")


def show(entries: Sequence[Json], console: Console) -> None:
    """A table on a terminal; elsewhere `lines`, never wrapped and without a space inside a column."""
    if not console.is_terminal:
        for line in lines(entries):
            console.print(line, soft_wrap=True, markup=False, highlight=False)
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in _HEADING:
        table.add_column(name, justify="right" if name in ("rows", "positive") else "left", overflow="fold")
    for entry in entries:
        table.add_row(*map(escape, _row(entry | {"task": SHORT[Task(entry["task"])]})))
    console.print(table)
    for note in notes(entries):
        console.print(note, style="dim", markup=False, highlight=False, soft_wrap=True)


def lines(entries: Sequence[Json]) -> Iterator[str]:
    """One line per benchmark under one heading, in aligned columns; comments start with #."""
    rows = [list(_HEADING), *([word(text) for text in _row(entry)] for entry in entries)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
    for note in notes(entries):
        yield f"# {note}"


def notes(entries: Sequence[Json]) -> Iterator[str]:
    """How what is there differs, and how what is missing is had, each set once."""
    for entry in entries:
        if entry["difference"]:
            yield f"{entry['benchmark']}, {entry['task']}: {entry['difference']}"
    missing = {entry["set"]: entry for entry in entries if entry["get"]}
    if missing:
        yield "What is missing is loaded by `guardreasoner evaluate --hub`, or brought by:"
    for name, entry in missing.items():
        yield f"{name}: {entry['get']}"
    if any(entry["authors_file"] for entry in missing.values()):
        yield "The paper's sets also lie in data/benchmark of https://github.com/yueliu1999/GuardReasoner."


def markdown(entries: Sequence[Json]) -> str:
    """What the documentation shows: two tables, what is counted and where it is from."""
    counted = [
        ["benchmark", "task", "rows", "positive", "label rule"],
        *([entry["benchmark"], entry["task"].replace("_", " "), *_counts(entry), entry["rule"]] for entry in entries),
    ]
    sets = {entry["set"]: entry for entry in entries}
    places = [
        ["set", "authors' file", "upstream", "config, split", "file", "revision", "terms"],
        *([name, *_place(entry)] for name, entry in sets.items()),
    ]
    return f"{_table(counted)}\n{_table(places)}"


def _place(entry: Json) -> list[str]:
    authors = entry["authors_file"]
    return [
        f"`{authors.rpartition('/')[2]}`" if authors else "",
        f"[{entry['hub']}]({entry['page']})",
        ", ".join(filter(None, (entry["config"], entry["split"]))),
        f"`{entry['file']}`",
        f"`{entry['revision'][:8]}`" if entry["revision"] else "not known",
        _terms(entry),
    ]


def _table(rows: Sequence[Sequence[str]]) -> str:
    heading, *body = (f"| {' | '.join(row)} |\n" for row in rows)
    return f"{heading}|{'---|' * len(rows[0])}\n{''.join(body)}"


def _row(entry: Json) -> list[str]:
    where = "unreadable" if entry["form"] and not entry["found"] else entry["form"] or "missing"
    return [entry["benchmark"], entry["task"], *_counts(entry), where, _terms(entry)]


def _counts(entry: Json) -> list[str]:
    return [f"{entry['rows']:,}", "not known" if entry["positives"] is None else f"{entry['positives']:,}"]


def _terms(entry: Json) -> str:
    return f"{entry['licence']}{', gated' if entry['gated'] else ''}"
