"""Guards beside our own kind: rivals that write their answer (`Writing`), and those that give no text at all (`Judge`).

A `Judge` is a classifier's head, an endpoint or a floor: exchanges in, readings out. `open_judge` finds the one that is
meant by a model's name and a format's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from os.path import expanduser
from pathlib import Path
from typing import Protocol

from guardreasoner.errors import InputError
from guardreasoner.types import Exchange, Labels, Malformed, Scores, Task, Verdict

ALWAYS_POSITIVE = "always-positive"
FLOOR_FILE = "floor.json"


class Judge(Protocol):
    """Judges exchanges without a text to read. Its failure is an EngineError."""

    name: str
    """Stands where a format's name does."""
    tasks: tuple[Task, ...]
    max_reasoning_tokens: int

    @property
    def model(self) -> str:
        """The name that verdicts carry."""
        ...

    def judge(self, exchanges: Sequence[Exchange], thresholds: Mapping[Task, float]) -> list[Verdict | Malformed]:
        """One reading per exchange, in order, with labels for those of `tasks` that apply and for no other."""
        ...


def open_judge(model: object, format: str | None) -> Judge | None:
    """The judge that is meant, or None if the model is one that writes."""
    if format == "openai-moderation":
        from guardreasoner.judges.moderation import ModerationJudge

        return ModerationJudge(str(model or ""))
    if format == "beaverdam":
        from guardreasoner.judges.heads import BeaverDamJudge

        if not isinstance(model, str | Path):
            raise InputError("format beaverdam: expected a model, a folder or PKU-Alignment/beaver-dam-7b")
        return BeaverDamJudge(str(model))
    floor = isinstance(model, str | Path) and (Path(expanduser(model)) / FLOOR_FILE).is_file()
    if format is not None and (floor or model == ALWAYS_POSITIVE):
        raise InputError(f"format {format!r}: {model} is a floor, which is asked in no format")
    if model == ALWAYS_POSITIVE:
        from guardreasoner.judges.floor import AlwaysPositive

        return AlwaysPositive()
    if floor:
        from guardreasoner.judges.floor import BagOfWords

        return BagOfWords(Path(expanduser(str(model))))
    return None


def verdict_of(scores: Mapping[Task, float], thresholds: Mapping[Task, float], model: str) -> Verdict:
    """The labels that the scores give by the thresholds; what has no score has no label."""
    labels = {task.value: task.labels[0 if score >= thresholds[task] else 1] for task, score in scores.items()}
    return Verdict(
        labels=Labels.model_validate(labels),
        scores=Scores(**{task.value: score for task, score in scores.items()}),
        model=model,
    )


def share(positive: Sequence[float], negative: Sequence[float]) -> float | None:
    """P(positive) from the natural-log probabilities of the words that mean either; None if all are -inf or NaN."""
    known = [value for value in (*positive, *negative) if not math.isnan(value)]
    best = max(known, default=-math.inf)
    if math.isinf(best) or len(known) < len(positive) + len(negative):
        return None
    a = sum(math.exp(value - best) for value in positive)
    return a / (a + sum(math.exp(value - best) for value in negative))
