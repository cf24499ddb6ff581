"""From labelled samples to examples with reasoning: stage one of the paper (section 4.1), by rule or by chat."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from guardreasoner.formats.nano import NanoFormat
from guardreasoner.formats.paper import PaperFormat
from guardreasoner.formats.teacher import read
from guardreasoner.recipe import Recipe, SynthesizeSection
from guardreasoner.run import RunFolder, read_records, write_records
from guardreasoner.teachers.answers import Answers, count_lines
from guardreasoner.teachers.rule import RuleTeacher, train_teacher
from guardreasoner.types import Exchange, Labels, Malformed, Sample, SFTExample, Task, TeacherAnswer

if TYPE_CHECKING:
    from guardreasoner.teachers.asking import Tally
    from guardreasoner.teachers.synthesis import Options

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
    """One way to ask about a sample: `labels` are the answers to the tasks asked, None where a task is not asked."""

    kind: str
    exchange: Exchange
    labels: Labels
    reasoned: bool


def run(recipe: Recipe, folder: RunFolder) -> None:
    """Reads samples.jsonl, writes reasoning.jsonl and synthesize.json; a chat teacher's answers in answers.jsonl."""
    if folder.reasoning.is_file():
        return
    if recipe.synthesize.teacher == "chat":
        teach(recipe, folder)
        return
    samples = list(read_records(folder.train, Sample))
    section, seed = recipe.synthesize, recipe.data.seed
    teacher = train_teacher(samples)
    asked = [(sample, view) for sample in samples for view in views(sample, section, seed)]
    weights = balancing_weights(Counter(view.labels for _, view in asked)) if section.balance else {}
    examples = (write(sample, view, teacher, weights.get(view.labels, 1.0)) for sample, view in asked)
    count = write_records(folder.reasoning, examples)
    kinds = dict(Counter(view.kind for _, view in asked))
    folder.note("synthesize", {"samples": len(samples), "examples": count, "kinds": kinds})


def teach(recipe: Recipe, folder: RunFolder, options: Options | None = None) -> Tally:
    """By the chat teacher: ask what is not answered yet, then make of the answers what is taught."""
    from guardreasoner.teachers.synthesis import Options, ask_all

    tally = ask_all(recipe, folder, options or Options())
    finish(recipe, folder)
    return tally


def finish(recipe: Recipe, folder: RunFolder) -> None:
    """From answers.jsonl to reasoning.jsonl, when every sample has a line there."""
    pairs = Answers(folder.answers).pairs(folder.train, recipe.teacher)
    count = write_records(folder.reasoning, (taught for pair in pairs if (taught := _taught(*pair))))
    folder.note("synthesize", {"samples": count_lines(folder.train), "examples": count})


def _taught(sample: Sample, answer: TeacherAnswer) -> SFTExample | None:
    """What can be read, in the released weights' format."""
    text = answer.text.strip()
    if answer.outcome != "answered" or isinstance(read(text, sample.exchange), Malformed):
        return None
    prompt = PaperFormat().render(sample.exchange)
    return SFTExample(id=sample.id, source=sample.source, prompt=prompt, completion=text, labels=sample.labels)


def views(sample: Sample, section: SynthesizeSection, seed: int) -> Iterator[View]:
    """The sample with reasoning, without it, and sometimes with fewer tasks or no response.

    Which tasks a source annotates says much about its labels. Asking for subsets, and for the request alone, keeps
    the model from reading the answer off the question. Labels that are None are not asked: masked, never guessed.
    """
    rng = random.Random(f"{seed}-{sample.source}-{sample.id}")
    exchange, labels = sample.exchange, sample.labels
    if not labels.tasks:
        return
    yield View("reason", exchange, labels, reasoned=True)
    asked = labels
    if len(labels.tasks) > 1 and rng.random() < section.subset_share:
        asked = _only(labels, rng.sample(labels.tasks, rng.randint(1, len(labels.tasks) - 1)))
    yield View("fast", exchange, asked, reasoned=False)
    if exchange.response is not None and labels.prompt_harmfulness and rng.random() < section.prompt_only_share:
        request = _only(labels, [Task.PROMPT_HARMFULNESS])
        yield View("alone", Exchange(prompt=exchange.prompt), request, reasoned=rng.random() < 0.5)
    if exchange.response is None and sample.source in section.statements:
        said = Exchange(prompt=rng.choice(_INVITATIONS), response=exchange.prompt)
        judged = Labels(response_harmfulness=labels.prompt_harmfulness)
        yield View("said", said, judged, reasoned=rng.random() < 0.5)


def balancing_weights(counts: Mapping[Labels, int], rounds: int = 50) -> dict[Labels, float]:
    """Weights under which, in each task, both labels weigh the same in sum; their mean is 1.

    A weight is a product of one factor per answer, found by raking: each task in turn is brought into balance, until
    all are. A task of which only one label occurs is left alone.
    """
    weights = dict.fromkeys(counts, 1.0)
    for _ in range(rounds):
        for task in Task:
            sums = dict.fromkeys(task.labels, 0.0)
            for key, weight in weights.items():
                if (label := key.get(task)) is not None:
                    sums[label] += counts[key] * weight
            half = sum(sums.values()) / 2
            if all(sums.values()):
                weights = {key: weight * half / sums.get(key.get(task) or "", half) for key, weight in weights.items()}
    mean = sum(counts[key] * weight for key, weight in weights.items()) / max(1, sum(counts.values()))
    return {key: weight / mean for key, weight in weights.items()}


def write(sample: Sample, view: View, teacher: RuleTeacher, weight: float = 1.0) -> SFTExample:
    """The view as a training text."""
    labels = view.labels
    completion = _FORMAT.write(labels, teacher.reason(view.exchange, labels) if view.reasoned else None)
    if len(labels.tasks) == len(view.exchange.tasks):
        read = _FORMAT.read(completion, view.exchange)
        assert not isinstance(read, Malformed), read.reason
        assert read.labels == labels
    return SFTExample(
        id=f"{sample.id}-{view.kind}",
        source=sample.source,
        prompt=_FORMAT.render(view.exchange, labels.tasks),
        completion=completion,
        weight=round(weight, 4),
    )


def _only(labels: Labels, tasks: list[Task]) -> Labels:
    return Labels.model_validate({task.value: labels.get(task) for task in tasks})
