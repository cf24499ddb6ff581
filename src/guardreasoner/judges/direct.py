"""From exchanges to readings by a judge that needs no prompt, in the shape of `Judging`: a guard uses either."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from guardreasoner.errors import InputError
from guardreasoner.judges import Judge
from guardreasoner.judging import Draft
from guardreasoner.types import Exchange, Malformed, Mode, Task, Usage, Verdict


@dataclass(frozen=True)
class Direct:
    """How exchanges are judged: by which judge, with which thresholds."""

    by: Judge
    thresholds: Mapping[Task, float]

    def drafts(self, exchange: Exchange, mode: Mode) -> list[Draft]:
        """The exchange as it is; `mode` changes nothing."""
        tasks = tuple(task for task in exchange.tasks if task in self.by.tasks)
        if not tasks:
            raise InputError(f"{self.by.name} judges responses alone, and there is none")
        return [Draft(exchange, tasks, "", None, 0)]

    def judge(self, asked: Sequence[Sequence[Draft]], mode: Mode, started: float) -> list[Verdict | Malformed]:
        """One reading per exchange, in order."""
        read = self.by.judge([draft.exchange for (draft,) in asked], self.thresholds)
        seconds = (time.perf_counter() - started) / max(1, len(asked))
        usage = {"usage": Usage(seconds=seconds)}
        done = {"mode": mode, "model": self.by.model, **usage}
        return [each.model_copy(update=done if isinstance(each, Verdict) else usage) for each in read]
