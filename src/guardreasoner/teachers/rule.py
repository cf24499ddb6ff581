"""The offline teacher: from a labelled sample to short reasoning, by rule and honest about it.

It sees the gold label, as the paper's teacher does (section 4.1), and the words of the exchange. Its first step names
words, chosen without the label; its second says what they amount to, chosen by the label. It understands nothing: a
model trained on it learns to point at words before it judges, which a person can check, and no more.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from guardreasoner.formats.paper import NAMES
from guardreasoner.formats.short import AMOUNTS
from guardreasoner.teachers.lexicon import Lexicon, learn, words
from guardreasoner.types import Exchange, Labels, Sample, Task

_OPENING_WORDS = 5
_OPENING_CHARACTERS = 60


@dataclass(frozen=True)
class RuleTeacher:
    """One lexicon per question: harmful requests, refusing openings, harmful responses."""

    request: Lexicon
    completion: Lexicon
    response: Lexicon

    def reason(self, exchange: Exchange, labels: Labels) -> str:
        """One line of two steps per annotated task; a task without a label gets no line."""
        return "\n".join(" ".join(self.steps(task, exchange, labels.get(task) or "")) for task in labels.tasks)

    def steps(
        self, task: Task, exchange: Exchange, label: str, drawn_by: random.Random | None = None
    ) -> tuple[str, str]:
        """What is there, and what it amounts to. With `drawn_by`, any words stand where the telling ones would."""
        lexicon, text = {
            Task.PROMPT_HARMFULNESS: (self.request, exchange.prompt),
            Task.RESPONSE_REFUSAL: (self.completion, _head(exchange.response or "")),
            Task.RESPONSE_HARMFULNESS: (self.response, exchange.response or ""),
        }[task]
        telling = lexicon.telling(text) if drawn_by is None else _any_words(lexicon, text, drawn_by)
        amount = AMOUNTS[task][label == task.positive, bool(telling)]
        if task is Task.RESPONSE_REFUSAL:
            opening = " ".join((exchange.response or "").split()[:_OPENING_WORDS])[:_OPENING_CHARACTERS]
            signs = f"refusing words: {', '.join(telling)}" if telling else "no refusing word"
            return f"Completion: it opens: {opening}; {signs}.", amount
        evidence = f"words that may alarm: {', '.join(telling)}." if telling else "no alarming word."
        return f"{NAMES[task]}: {evidence}", amount


def train_teacher(samples: Iterable[Sample]) -> RuleTeacher:
    """Learn the three lexicons from training samples (never from the development split)."""
    rows = list(samples)
    return RuleTeacher(
        # Some sources ask a hundred questions fifty times; each prompt speaks once.
        request=learn(dict(_texts(rows, Task.PROMPT_HARMFULNESS)).items()),
        # Refusing words are common ones, "sorry" and "cannot": no limit on how many answers hold them.
        completion=learn(
            ((_head(text), positive) for text, positive in _texts(rows, Task.RESPONSE_REFUSAL)),
            common=1,
            difference=2.0,
        ),
        response=learn(_texts(rows, Task.RESPONSE_HARMFULNESS)),
    )


def _texts(samples: Sequence[Sample], task: Task) -> list[tuple[str, bool]]:
    return [
        (sample.exchange.response or "" if task.needs_response else sample.exchange.prompt, label == task.positive)
        for sample in samples
        if (label := sample.labels.get(task)) is not None
    ]


def _head(response: str) -> str:
    """Refusals show themselves early; later words are the subject's."""
    return " ".join(response.split()[:40])


def _any_words(lexicon: Lexicon, text: str, rng: random.Random) -> list[str]:
    """None, some of the text or some of the lexicon, as likely each: what a guard that names them badly may write."""
    source: Iterable[str] = rng.choice(((), set(words(text)), lexicon.weight))
    known = sorted(source)
    return rng.sample(known, min(len(known), rng.randint(1, 3)))
