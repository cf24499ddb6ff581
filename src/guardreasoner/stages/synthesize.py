"""From labelled samples to examples with reasoning: the paper's stage one (section 4.1), with an offline teacher."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

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
    kinds: Counter[str] = Counter()

    def examples() -> Iterator[SFTExample]:
        for sample in samples:
            for kind, example in views(sample, teacher, recipe.synthesize, recipe.data.seed):
                kinds[kind] += 1
                yield example

    count = write_records(folder.reasoning, examples())
    folder.note("synthesize", {"samples": len(samples), "examples": count, "kinds": dict(kinds)})


def views(
    sample: Sample, teacher: RuleTeacher, section: SynthesizeSection, seed: int
) -> Iterator[tuple[str, SFTExample]]:
    """(kind, example): the sample with reasoning, without it, and sometimes with fewer tasks or no response.

    Which tasks a source annotates says much about its labels. Asking for subsets, and for the request alone, keeps
    the model from reading the answer off the question. Labels that are None are not asked: masked, never guessed.
    """
    rng = random.Random(f"{seed}-{sample.source}-{sample.id}")
    exchange, labels = sample.exchange, sample.labels
    if not labels.tasks:
        return
    yield "reason", _example(sample, "reason", exchange, labels, teacher.reason(exchange, labels))
    asked = labels
    if len(labels.tasks) > 1 and rng.random() < section.subset_share:
        asked = _only(labels, rng.sample(labels.tasks, rng.randint(1, len(labels.tasks) - 1)))
    yield "fast", _example(sample, "fast", exchange, asked, None)
    if exchange.response is not None and labels.prompt_harmfulness and rng.random() < section.prompt_only_share:
        alone, request = Exchange(prompt=exchange.prompt), _only(labels, [Task.PROMPT_HARMFULNESS])
        reasoning = teacher.reason(alone, request) if rng.random() < 0.5 else None
        yield "prompt alone", _example(sample, "alone", alone, request, reasoning)


def _example(sample: Sample, kind: str, exchange: Exchange, labels: Labels, reasoning: str | None) -> SFTExample:
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
    )


def _only(labels: Labels, tasks: list[Task]) -> Labels:
    return Labels.model_validate({task.value: labels.get(task) for task in tasks})
