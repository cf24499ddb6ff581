"""From samples and the teacher's answers to examples to train on, and rejected ones with the reason.

A sample meets the filters in the order below and is rejected by the first that finds something; `docs/synthesis.md`
gives each rule in words. All are pure functions of one sample and its answer, but for repeats, which need the run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from guardreasoner.data.labelled import normalised
from guardreasoner.data.leaks import find_leak
from guardreasoner.data.overlap import Overlap
from guardreasoner.errors import InputError
from guardreasoner.formats.conclusions import stated_answer
from guardreasoner.formats.paper import PaperFormat
from guardreasoner.formats.steps import TaskReasoning, read_reasoning
from guardreasoner.types import Exchange, Malformed, Rejected, Rejection, Sample, SFTExample, TeacherAnswer, Verdict

MOST_STEPS = 10  # per task; the paper's instruction to the teacher
_FORMAT = PaperFormat()

Finding = tuple[Rejection, str | None]


class Sifted(NamedTuple):
    """What became of one answer. Both are there where `keep = "all"` keeps what the filters would reject."""

    example: SFTExample | None
    rejected: Rejected | None


def sift(
    pairs: Iterable[tuple[Sample, TeacherAnswer]],
    keep: Literal["sound", "all"] = "sound",
    overlap: Overlap | None = None,
) -> Iterator[Sifted]:
    """One `Sifted` per pair, in order. `keep` "all", as the authors did: every answer that has text is kept.

    Memory grows by 16 bytes and their place in a set for each sample that passes.
    """
    seen: set[bytes] = set()
    for sample, answer in pairs:
        if (sample.source, sample.id) != (answer.source, answer.id):
            raise InputError(
                f"the answer to {answer.source} {answer.id} was paired with the sample {sample.source} {sample.id}"
            )
        text = answer.text.strip()
        finding = find(sample, answer)
        if finding is None:
            key = _key(sample.exchange)
            if key in seen:
                finding = ("duplicate", None)
            elif overlap is not None and (place := overlap.find(sample.exchange.prompt)):
                finding = ("benchmark overlap", place)
            else:
                seen.add(key)
        kept = text and (finding is None or keep == "all")
        example = _example(sample, text) if kept else None
        if finding is None:
            yield Sifted(example, None)
        else:
            reason, detail = finding
            yield Sifted(
                example, Rejected(id=sample.id, source=sample.source, reason=reason, detail=detail, text=answer.text)
            )


def find(sample: Sample, answer: TeacherAnswer) -> Finding | None:
    """What speaks against the answer alone, whatever the other samples are."""
    if answer.outcome != "answered":
        return answer.outcome, answer.detail
    text, exchange = answer.text.strip(), sample.exchange
    verdict = _FORMAT.read(text, exchange)
    if isinstance(verdict, Malformed):
        return "no readable answer", verdict.reason if text else "empty text"
    if detail := _against_gold(sample, verdict):
        return "contradicts gold", detail
    if detail := find_leak(text, exchange):
        return "leaked ground truth", detail
    parts = read_reasoning(verdict.reasoning or "")
    return _steps(parts, exchange) or _against_reasoning(parts, exchange, verdict)


def _against_gold(sample: Sample, verdict: Verdict) -> str | None:
    """The first annotated task that is answered otherwise. A task nobody annotated is the teacher's to decide."""
    for task in sample.exchange.tasks:
        gold, said = sample.labels.get(task), verdict.labels.get(task)
        if gold is not None and said != gold:
            return f"{task.value}: the answer is {said}, gold is {gold}"
    return None


def _steps(parts: Iterable[TaskReasoning], exchange: Exchange) -> Finding | None:
    """Every task that applies needs a step; steps under no task's name may be those of one that has none."""
    named = {part.task: len(part.steps) for part in parts if part.task is not None}
    unnamed = [len(part.steps) for part in parts if part.task is None and part.steps]
    without = [task for task in exchange.tasks if not named.get(task)]
    if len(without) > len(unnamed):
        return "no reasoning steps", f"{without[0].value} has none"
    for name, count in [*((task.value, count) for task, count in named.items()), *(("a task", n) for n in unnamed)]:
        if count > MOST_STEPS:
            return "more than ten steps", f"{name} has {count}"
    return None


def _against_reasoning(parts: Iterable[TaskReasoning], exchange: Exchange, verdict: Verdict) -> Finding | None:
    """A conclusion that states the other label. Where some steps have no task's name, the others may be misnamed."""
    parts = tuple(parts)
    if any(part.task is None for part in parts):
        return None
    for part in parts:
        if part.task in exchange.tasks and (stated := stated_answer(part)) not in (None, verdict.labels.get(part.task)):
            said = verdict.labels.get(part.task)
            return "reasoning contradicts answer", f"{part.task.value}: it concludes {stated}, the answer is {said}"
    return None


def _example(sample: Sample, text: str) -> SFTExample:
    return SFTExample(
        id=sample.id,
        source=sample.source,
        prompt=_FORMAT.render(sample.exchange),
        completion=text,
        labels=sample.labels,
    )


def _key(exchange: Exchange) -> bytes:
    """The same for exchanges whose prompts and responses are the same after normalising, as far as words are left."""
    texts = [exchange.prompt] if exchange.response is None else [exchange.prompt, exchange.response]
    words = "\x00".join(normalised(text) or text for text in texts)
    return hashlib.blake2b(words.encode("utf-8", "surrogatepass"), digest_size=16).digest()
