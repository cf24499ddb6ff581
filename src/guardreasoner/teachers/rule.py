"""The offline teacher: from a labelled sample to short reasoning, by rule and honest about it.

It sees the gold label, as the paper's teacher does (section 4.1), and the words of the exchange. Its first step names
words, chosen without the label; its second says what they amount to, chosen by the label. It understands nothing: a
model trained on it learns to point at words before it judges, which a person can check, and no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from guardreasoner.formats.short import LINES
from guardreasoner.teachers.lexicon import Lexicon, learn
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
        return "\n".join(self._line(task, exchange, labels.get(task) or "") for task in labels.tasks)

    def _line(self, task: Task, exchange: Exchange, label: str) -> str:
        response, opening = exchange.response or "", ""
        if task is Task.PROMPT_HARMFULNESS:
            telling = self.request.telling(exchange.prompt)
        elif task is Task.RESPONSE_REFUSAL:
            telling = self.completion.telling(_head(response))
            opening = " ".join(response.split()[:_OPENING_WORDS])[:_OPENING_CHARACTERS]
        else:
            telling = self.response.telling(response)
        line = LINES[task][label == task.positive, bool(telling)]
        return line.format(opening=opening, quotes=", ".join(telling))


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
