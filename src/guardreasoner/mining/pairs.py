"""From right and wrong texts to preference pairs, from several models' pairs to one set, and to its weights."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from guardreasoner.mining.grading import Verdicts
from guardreasoner.mining.questions import Question
from guardreasoner.recipe.training import MAIN
from guardreasoner.types import PreferencePair, Rollout, Task

Pick = Literal["longest", "random"]
Rule = Literal["authors", "paper"]
LeaveOut = Mapping[str, Sequence[str]]
"""Member -> the sources that it was not trained on."""
OTHER_MODELS, SAME_PROMPT = "source taken from other models", "same prompt from a model before"
SURPLUS = "beyond its label's share"


@dataclass(frozen=True)
class Merged:
    """The pairs of all models, and how many of each model were dropped, by the reason."""

    pairs: tuple[PreferencePair, ...]
    dropped: Mapping[str, Counter[str]]


def pair_of(question: Question, rollout: Rollout, verdicts: Verdicts, pick: Pick, seed: int) -> PreferencePair:
    """A right and a wrong text of a hard input. Of equally long ones the first is taken."""
    right = [rollout.texts[index] for index in verdicts.right]
    wrong = [rollout.texts[index] for index in verdicts.wrong]
    chance = random.Random(f"{seed}-{question.source}-{question.id}")
    return PreferencePair(
        id=question.id,
        source=question.source,
        model=rollout.model,
        prompt=question.prompt,
        chosen=max(right, key=len) if pick == "longest" else chance.choice(right),
        rejected=max(wrong, key=len) if pick == "longest" else chance.choice(wrong),
        right=len(right),
        wrong=len(wrong),
        task=verdicts.task,
        label=verdicts.task and question.gold.get(verdicts.task),
    )


def models_for(source: str, leave_out: LeaveOut, rule: Rule) -> tuple[str, ...]:
    """The models whose pairs of `source` are taken, the first one first.

    `authors` (merge_hard_sample.py): where some member leaves the source out, the members that were trained on it; the
    main model where none does, or where all do. `paper`: all models.
    """
    if rule == "paper":
        return (MAIN, *leave_out)
    trained = tuple(member for member, sources in leave_out.items() if source not in sources)
    return trained if trained and len(trained) < len(leave_out) else (MAIN,)


def merge(mined: Mapping[str, Sequence[PreferencePair]], leave_out: LeaveOut, rule: Rule) -> Merged:
    """The pairs of all models as the rule takes them, one per prompt: the first model's counts."""
    dropped = {model: Counter[str]() for model in mined}
    kept: dict[str, PreferencePair] = {}
    for model in (MAIN, *leave_out):
        for pair in mined.get(model, ()):
            if model not in models_for(pair.source, leave_out, rule):
                dropped[model][OTHER_MODELS] += 1
            elif pair.prompt in kept:
                dropped[model][SAME_PROMPT] += 1
            else:
                kept[pair.prompt] = pair
    return Merged(tuple(kept.values()), dropped)


def balance(merged: Merged, share: Mapping[str, float], seed: int) -> Merged:
    """Leave out pairs of the label that has too many, a seeded draw, until the positive one has its share of each task.

    A task that is not in `share`, or of which only one label occurs, keeps all.
    """
    surplus: set[int] = set()
    for task in Task:
        sides = [
            [index for index, pair in enumerate(merged.pairs) if pair.task is task and pair.label == label]
            for label in task.labels
        ]
        if task.value in share and all(sides):
            parts = (share[task.value], 1 - share[task.value])
            whole = min(len(side) / part for side, part in zip(sides, parts, strict=True))
            for side, part in zip(sides, parts, strict=True):
                random.Random(f"{seed}-{task.value}").shuffle(side)
                surplus |= set(side[max(1, round(whole * part)) :])
    dropped = {model: Counter(counts) for model, counts in merged.dropped.items()}
    for index in surplus:
        dropped[merged.pairs[index].model][SURPLUS] += 1
    return Merged(tuple(pair for index, pair in enumerate(merged.pairs) if index not in surplus), dropped)


def weigh(pairs: Sequence[PreferencePair], gamma: float) -> list[PreferencePair]:
    """Alpha = 1 + Norm(wrong - right), min-max over all pairs onto [-gamma, +gamma]; 1 where all are alike."""
    gaps = [pair.wrong - pair.right for pair in pairs]
    low, high = min(gaps, default=0), max(gaps, default=0)
    if low == high:
        return [pair.model_copy(update={"weight": 1.0}) for pair in pairs]
    return [
        pair.model_copy(update={"weight": 1 + gamma * (2 * (gap - low) / (high - low) - 1)})
        for pair, gap in zip(pairs, gaps, strict=True)
    ]
