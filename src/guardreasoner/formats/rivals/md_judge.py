"""MD-Judge 0.1: responses alone, `safe` or `unsafe` on the first line.

Prompt: saladbench/template.py of OpenSafetyLab/SALAD-BENCH, the domain policy. Rule: the first word, as its authors
weigh it, P(unsafe) against P(safe).
"""

from __future__ import annotations

from collections.abc import Sequence

from guardreasoner.formats.rivals.base import AskedApart, pair
from guardreasoner.formats.rivals.reading import Reading, first_line
from guardreasoner.types import Exchange, Malformed, Task


class MDJudgeFormat(AskedApart):
    """Responses alone."""

    name = "md-judge"
    tasks: tuple[Task, ...] = (Task.RESPONSE_HARMFULNESS,)

    def render(self, exchange: Exchange, tasks: Sequence[Task]) -> str:
        return pair(self.name, exchange)

    def read(self, text: str, exchange: Exchange, tasks: Sequence[Task]) -> Reading | Malformed:
        return first_line(text, tasks[0], "unsafe", "safe")
