"""From a Verdict to what a person reads: colour and a table on a terminal, plain lines in a pipe, or JSON."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from guardreasoner.types import Task, Verdict

if TYPE_CHECKING:
    from rich.console import Console

HEADINGS = ("task", "answer", "probability")
# what moves a terminal's cursor, colours it or turns its writing direction; a model's text may hold any of it
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def as_json(verdict: Verdict, *, ascii_only: bool = False) -> str:
    """One line of JSON: the verdict and whether it is flagged."""
    return json.dumps({**verdict.model_dump(), "flagged": verdict.flagged}, ensure_ascii=ascii_only)


def as_text(verdict: Verdict) -> str:
    """Plain lines; everything but the model's own words is ASCII."""
    rows = [HEADINGS, *_rows(verdict)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    thought = ["reasoning", *(f"  {line}" for line in _reasoning(verdict)), ""] if verdict.reasoning else []
    return "\n".join([*thought, *table, "", _closing(verdict)])


def to_terminal(verdict: Verdict, console: Console) -> None:
    """The same with colour, the reasoning wrapped to the terminal's width."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    if verdict.reasoning:
        console.print(Text("reasoning", style="bold"))
        for line in _reasoning(verdict):
            console.print(Padding(Text(line), (0, 0, 0, 2), expand=False))
        console.print()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in HEADINGS:
        table.add_column(heading)
    for name, answer, score in _rows(verdict):
        table.add_row(name, Text(answer, style=_style(answer)), score)
    console.print(table)
    console.print()
    console.print(Text(_closing(verdict), style="bold red" if verdict.flagged else "bold green"))


def _rows(verdict: Verdict) -> list[tuple[str, str, str]]:
    scores = verdict.scores
    return [
        (
            task.value.replace("_", " "),
            verdict.labels.get(task) or "",
            _score(task, None if scores is None else scores.get(task)),
        )
        for task in Task
        if verdict.labels.get(task) is not None
    ]


def _score(task: Task, score: float | None) -> str:
    return "not given" if score is None else f"P({task.positive}) = {score:.2f}"


def _reasoning(verdict: Verdict) -> list[str]:
    """One line per step."""
    return [line.rstrip() for line in printable(verdict.reasoning or "").splitlines() if line.strip()]


def _closing(verdict: Verdict) -> str:
    labels = verdict.labels
    harmful = [
        name
        for name, label in (("prompt", labels.prompt_harmfulness), ("response", labels.response_harmfulness))
        if label == "harmful"
    ]
    finding = f"flagged: the {' and the '.join(harmful)} {'are' if len(harmful) > 1 else 'is'} harmful"
    seconds = None if verdict.usage is None else verdict.usage.seconds
    took = "" if seconds is None else f", {seconds:.2f} s"
    return f"{finding if harmful else 'not flagged'}  ({printable(verdict.model or 'unnamed')}, {verdict.mode}{took})"


def _style(answer: str) -> str:
    return {"harmful": "red", "unharmful": "green", "refusal": "yellow"}.get(answer, "")


def printable(text: str) -> str:
    """`text` without what a terminal would obey instead of showing."""
    return _UNPRINTABLE.sub("?", text)
