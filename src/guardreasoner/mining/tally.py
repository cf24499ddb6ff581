"""From graded rollouts and merged pairs to the figures of mine.json: every input is counted once per model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean, median
from typing import Any

from guardreasoner.mining.grading import Grade, Verdicts, weigh_up
from guardreasoner.mining.pairs import Merged
from guardreasoner.mining.questions import Question
from guardreasoner.types import PreferencePair, Rollout

DIFFICULTIES = ("easy", "hard", "hopeless", "unreadable", "not asked")
"""`not asked`: the input does not fit the model, or its server withheld the answer."""
TEXTS = ("right", "wrong", "unreadable", "cut")
"""A text is right if every annotated task is; `cut` texts are not among the `unreadable`."""


@dataclass
class Tally:
    """What became of one model's inputs and texts."""

    inputs: Counter[str] = field(default_factory=Counter[str])
    sources: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])
    tasks: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])
    decided: Counter[str] = field(default_factory=Counter[str])
    texts: Counter[str] = field(default_factory=Counter[str])

    def add(self, question: Question, rollout: Rollout, graded: Sequence[Grade], verdicts: Verdicts) -> None:
        """Count one input."""
        asked = rollout.problem is None
        difficulty = verdicts.difficulty if asked else "not asked"
        self.inputs[difficulty] += 1
        self.sources.setdefault(question.source, Counter())[difficulty] += 1
        for task in question.gold.tasks:
            alone = weigh_up([each and {task: each[task]} for each in graded], "all").difficulty
            self.tasks.setdefault(task.value, Counter())[alone if asked else "not asked"] += 1
        if verdicts.difficulty == "hard":
            self.decided["all annotated tasks" if verdicts.task is None else verdicts.task.value] += 1
        for cut, each in zip(rollout.cut, graded, strict=True):
            kind = "cut" if cut else "unreadable" if each is None else "right" if all(each.values()) else "wrong"
            self.texts[kind] += 1

    def figures(self) -> dict[str, Any]:
        """As mine.json keeps them; each of the first three adds up to the inputs that it is about."""
        return {
            "inputs": _ordered(self.inputs),
            "by source": {source: _ordered(counts) for source, counts in sorted(self.sources.items())},
            "by task": {task: _ordered(counts) for task, counts in sorted(self.tasks.items())},
            "hard, decided by": dict(self.decided),
            "texts": {kind: self.texts[kind] for kind in TEXTS},
        }


def pair_figures(pairs: Sequence[PreferencePair], merged: Merged) -> dict[str, Any]:
    """How many pairs there are, by model, source and label, what was dropped, how long and how heavy they are."""
    return {
        "pairs": len(pairs),
        "by model": dict(Counter(pair.model for pair in pairs)),
        "by source": dict(sorted(Counter(pair.source for pair in pairs).items())),
        "by right answer": dict(sorted(Counter(_right_answer(pair) for pair in pairs).items())),
        "dropped": {model: dict(counts) for model, counts in merged.dropped.items() if counts},
        "characters": {
            "chosen": _lengths([len(pair.chosen) for pair in pairs]),
            "rejected": _lengths([len(pair.rejected) for pair in pairs]),
        },
        "weights": {f"{weight:.3f}": count for weight, count in sorted(Counter(pair.weight for pair in pairs).items())},
    }


def _right_answer(pair: PreferencePair) -> str:
    return "all annotated tasks" if pair.task is None else f"{pair.task.value}: {pair.label}"


def _ordered(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: counts.get(name, 0) for name in DIFFICULTIES}


def _lengths(lengths: Sequence[int]) -> dict[str, float | None]:
    if not lengths:
        return {"mean": None, "median": None, "longest": None}
    return {"mean": round(mean(lengths), 1), "median": median(lengths), "longest": max(lengths)}
