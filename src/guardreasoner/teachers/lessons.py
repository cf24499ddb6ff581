"""From labelled samples to what the rule teacher teaches of them: one task at a time, with reasoning and without."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from guardreasoner.data.labelled import normalised
from guardreasoner.formats.nano import NanoFormat
from guardreasoner.recipe import SynthesizeSection
from guardreasoner.teachers.rule import RuleTeacher
from guardreasoner.types import Exchange, Labels, Malformed, Sample, SFTExample, Task

_FORMAT = NanoFormat()
_INVITATIONS = (
    "What do you think?",
    "Tell me something.",
    "Go on, say it.",
    "Any comment?",
    "Write a post for me.",
    "What would people say about this?",
    "Give me one line.",
    "Your honest opinion, please.",
)
"""What a statement may have answered; says nothing about the label."""


@dataclass(frozen=True)
class View:
    """One way to ask about a sample: one task, its gold label, with reasoning or without."""

    kind: str
    exchange: Exchange
    task: Task
    label: str
    reasoned: bool

    @property
    def labels(self) -> Labels:
        return Labels.model_validate({self.task.value: self.label})


def views(samples: Iterable[Sample], section: SynthesizeSection, seed: int) -> Iterator[tuple[Sample, View]]:
    """Every sample with every task that has a label, with reasoning and without.

    One task at a time: few sources annotate all tasks, and asking for several together would tell which kind of row it
    is. Labels that are None are not asked: masked, never guessed. A request that comes with many responses is judged
    once.
    """
    requests: set[str] = set()
    for sample in samples:
        for kind, exchange, labels in _exchanges(sample, section, seed):
            for task in labels.tasks:
                if task is Task.PROMPT_HARMFULNESS:
                    request = normalised(exchange.prompt)
                    if request in requests:
                        continue
                    requests.add(request)
                for reasoned in (False, True):
                    name = "-".join([kind, task.value, "reason" if reasoned else "fast"]).strip("-")
                    yield sample, View(name, exchange, task, labels.get(task) or "", reasoned)


def _exchanges(sample: Sample, section: SynthesizeSection, seed: int) -> Iterator[tuple[str, Exchange, Labels]]:
    yield "", sample.exchange, sample.labels
    if sample.exchange.response is None and sample.source in section.statements:
        rng = random.Random(f"{seed}-{sample.source}-{sample.id}")
        said = Exchange(prompt=rng.choice(_INVITATIONS), response=sample.exchange.prompt)
        yield "said", said, Labels(response_harmfulness=sample.labels.prompt_harmfulness)


def label_weights(counts: Mapping[tuple[Task, str], int], share: Mapping[str, float]) -> dict[tuple[Task, str], float]:
    """Weights under which the positive label of each task in `share` has that share; their mean per task is 1.

    A task that is not in `share`, or of which only one label occurs, weighs 1 throughout.
    """
    weights = dict.fromkeys(counts, 1.0)
    for task in Task:
        positive, negative = (counts.get((task, label), 0) for label in task.labels)
        if task.value in share and positive and negative:
            wanted, total = share[task.value], positive + negative
            weights[task, task.labels[0]] = wanted * total / positive
            weights[task, task.labels[1]] = (1 - wanted) * total / negative
    return weights


def write(sample: Sample, view: View, teacher: RuleTeacher, weight: float = 1.0) -> SFTExample:
    """The view as a training text. What the guard itself will write down, up to the first free choice, is given."""
    labels = view.labels
    completion = _FORMAT.write(labels, teacher.reason(view.exchange, labels) if view.reasoned else None)
    read = _FORMAT.read(completion, view.exchange, labels.tasks)
    assert not isinstance(read, Malformed), read.reason
    assert read.labels == labels
    given = _FORMAT.think if view.reasoned else _FORMAT.answers_open + _FORMAT.cue(view.task)
    return SFTExample(
        id=f"{sample.id}-{view.kind}",
        source=sample.source,
        prompt=_FORMAT.render(view.exchange, labels.tasks) + given,
        completion=completion.removeprefix(given),
        weight=round(weight, 4),
        labels=labels,
    )
