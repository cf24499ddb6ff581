"""From labelled samples to examples with reasoning: the paper's stage one (section 4.1), with an offline teacher."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import prod

from guardreasoner.formats.nano import NanoFormat
from guardreasoner.recipe import Recipe, SynthesizeSection
from guardreasoner.run import RunFolder, read_records, write_records
from guardreasoner.teachers.rule import RuleTeacher, train_teacher
from guardreasoner.types import Exchange, Labels, Malformed, Sample, SFTExample, Task

_FORMAT = NanoFormat()


def run(recipe: Recipe, folder: RunFolder) -> None:
    """Reads samples.jsonl, writes reasoning.jsonl and synthesize.json."""
    if folder.reasoning.is_file():
        return
    samples = list(read_records(folder.train, Sample))
    teacher = train_teacher(samples)
    weights = label_weights(samples) if recipe.synthesize.balance else None
    kinds: Counter[str] = Counter()

    def examples() -> Iterator[SFTExample]:
        for sample in samples:
            for kind, example in views(sample, teacher, recipe.synthesize, recipe.data.seed, weights):
                kinds[kind] += 1
                yield example

    count = write_records(folder.reasoning, examples())
    folder.note("synthesize", {"samples": len(samples), "examples": count, "kinds": dict(kinds)})


Weights = Mapping[tuple[Task, str], float]


def label_weights(samples: Sequence[Sample]) -> Weights:
    """Half the labels of a task over those alike: with these, both labels of a task weigh the same in sum."""
    count = Counter((task, sample.labels.get(task) or "") for sample in samples for task in sample.labels.tasks)
    total = Counter(task for sample in samples for task in sample.labels.tasks)
    return {(task, label): total[task] / (2 * number) for (task, label), number in count.items()}


def views(
    sample: Sample, teacher: RuleTeacher, section: SynthesizeSection, seed: int, weights: Weights | None = None
) -> Iterator[tuple[str, SFTExample]]:
    """(kind, example): the sample with reasoning, without it, and sometimes with fewer tasks or no response.

    Which tasks a source annotates says much about its labels. Asking for subsets, and for the request alone, keeps
    the model from reading the answer off the question. Labels that are None are not asked: masked, never guessed.
    """
    rng = random.Random(f"{seed}-{sample.source}-{sample.id}")
    exchange, labels = sample.exchange, sample.labels
    if not labels.tasks:
        return

    def example(kind: str, exchange: Exchange, asked: Labels, reasoning: str | None) -> SFTExample:
        weight = prod((weights or {}).get((task, asked.get(task) or ""), 1.0) for task in asked.tasks)
        return _example(sample, kind, exchange, asked, reasoning, weight)

    yield "reason", example("reason", exchange, labels, teacher.reason(exchange, labels))
    asked = labels
    if len(labels.tasks) > 1 and rng.random() < section.subset_share:
        asked = _only(labels, rng.sample(labels.tasks, rng.randint(1, len(labels.tasks) - 1)))
    yield "fast", example("fast", exchange, asked, None)
    if exchange.response is not None and labels.prompt_harmfulness and rng.random() < section.prompt_only_share:
        alone, request = Exchange(prompt=exchange.prompt), _only(labels, [Task.PROMPT_HARMFULNESS])
        reasoning = teacher.reason(alone, request) if rng.random() < 0.5 else None
        yield "prompt alone", example("alone", alone, request, reasoning)
    if exchange.response is None and sample.source in section.statements:
        said = Exchange(prompt=rng.choice(_INVITATIONS), response=exchange.prompt)
        judged = Labels(response_harmfulness=labels.prompt_harmfulness)
        reasoning = teacher.reason(said, judged) if rng.random() < 0.5 else None
        yield "statement as response", example("said", said, judged, reasoning)


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


def _example(
    sample: Sample, kind: str, exchange: Exchange, labels: Labels, reasoning: str | None, weight: float
) -> SFTExample:
    completion = _FORMAT.write(labels, reasoning)
    if len(labels.tasks) == len(exchange.tasks):
        read = _FORMAT.read(completion, exchange)
        assert not isinstance(read, Malformed), read.reason
        assert read.labels == labels
    return SFTExample(
        id=f"{sample.id}-{kind}",
        source=sample.source,
        prompt=_FORMAT.render(exchange, labels.tasks),
        completion=completion,
        weight=round(weight, 4),
    )


def _only(labels: Labels, tasks: list[Task]) -> Labels:
    return Labels.model_validate({task.value: labels.get(task) for task in tasks})
