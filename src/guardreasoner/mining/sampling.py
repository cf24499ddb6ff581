"""From questions to rollouts through an engine, each batch on disk before the next one starts."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from guardreasoner.engines import Engine
from guardreasoner.errors import InputError
from guardreasoner.formats import Format
from guardreasoner.jsonl import Journal, read_objects
from guardreasoner.judging import ended
from guardreasoner.mining.questions import Question
from guardreasoner.run import write_whole
from guardreasoner.types import Completion, Record, Rollout, SamplingParams

BATCH = 128
"""Inputs per call: a server is kept busy, and little is lost by a stop."""


class Settings(Record):
    """What a journal of rollouts was made with; one file never holds two kinds."""

    weights: str
    """The fingerprint of the model's files, or its name where only a server has them."""
    engine: str
    format: str
    prompts: str
    """A digest of all prompts, in order."""
    completions: int
    temperature: float
    top_p: float
    max_tokens: int
    seed: int
    batch: int = BATCH


def digest(questions: Sequence[Question]) -> str:
    """Tells one set of questions from another."""
    found = 0
    for question in questions:
        found = zlib.crc32(f"{question.source}\n{question.id}\n{question.prompt}\n".encode(errors="replace"), found)
    return f"{len(questions)}-{found:08x}"


def sample(
    engine: Engine,
    model: str,
    questions: Sequence[Question],
    path: Path,
    form: Format,
    settings: Settings,
    advance: Callable[[int], None] = lambda _: None,
) -> None:
    """Ask every question `settings.completions` times and keep the answers in `path`, a journal of `Rollout`.

    The batches, and the seed of each, depend on the questions alone: what a stop left half done is asked again whole,
    with the same seed, so that an engine that repeats itself leaves the file of an undisturbed run. `advance` is told
    how many inputs are done.

    Raises:
        InputError: `path` was made with another model, other settings or other questions.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with Journal(path) as journal:
        check_settings(path, settings)
        done = {(rollout.source, rollout.id) for rollout in rollouts(path)}
        for number, batch in enumerate(batches(questions)):
            left = [question for question in batch if (question.source, question.id) not in done]
            if left:
                made = ask(engine, model, batch, form, params(settings, model, number))
                missing = {(question.source, question.id) for question in left}
                journal.append(each.model_dump() for each in made if (each.source, each.id) in missing)
            advance(len(batch))


def batches(questions: Sequence[Question]) -> Iterator[Sequence[Question]]:
    """Longest first: like lengths share a batch, and what does not fit the memory shows early."""
    ordered = sorted(questions, key=lambda question: len(question.prompt), reverse=True)
    for start in range(0, len(ordered), BATCH):
        yield ordered[start : start + BATCH]


def params(settings: Settings, model: str, batch: int) -> SamplingParams:
    """No stop string: a text ends as the model was taught to end it."""
    return SamplingParams(
        n=settings.completions,
        temperature=settings.temperature,
        top_p=settings.top_p,
        max_tokens=settings.max_tokens,
        seed=zlib.crc32(f"{settings.seed}-{model}-{batch}".encode()) % 2**31,
    )


def ask(
    engine: Engine, model: str, questions: Sequence[Question], form: Format, params: SamplingParams
) -> list[Rollout]:
    """One rollout per question; one that the engine cannot be asked has no texts, and says why."""
    problems = [problem(engine, question.prompt) for question in questions]
    fitting = [question for question, why in zip(questions, problems, strict=True) if why is None]
    answers = iter(_answers(engine, fitting, params))
    return [
        _rollout(question, model, form, why if why is not None else next(answers))
        for question, why in zip(questions, problems, strict=True)
    ]


def problem(engine: Engine, prompt: str) -> str | None:
    """Why the prompt does not fit, where the engine can count; else None."""
    tokens, context = engine.count_tokens(prompt), engine.context_length
    if tokens is None or context is None or tokens < context:
        return None
    return f"the prompt has {tokens:,} tokens, the model takes at most {context - 1:,}"


def _answers(engine: Engine, questions: Sequence[Question], params: SamplingParams) -> list[Sequence[Completion] | str]:
    """A server may refuse a prompt that only it can count, or withhold an answer; then each is asked alone."""
    try:
        return [*engine.generate([question.prompt for question in questions], params)]
    except InputError as error:
        if len(questions) == 1:
            return [str(error)]
        return [answer for question in questions for answer in _answers(engine, [question], params)]


def _rollout(question: Question, model: str, form: Format, answer: Sequence[Completion] | str) -> Rollout:
    completions = () if isinstance(answer, str) else answer
    return Rollout(
        id=question.id,
        source=question.source,
        model=model,
        texts=tuple(ended(completion, form.close) for completion in completions),
        cut=tuple(completion.finish_reason == "length" for completion in completions),
        problem=answer if isinstance(answer, str) else None,
    )


def rollouts(path: Path) -> Iterator[Rollout]:
    """What the journal holds; the first line that is none is an InputError that names it."""
    for number, value in enumerate(read_objects(path), 1):
        try:
            yield Rollout.model_validate(value)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise InputError(f"{path}, line {number}: no rollout: `{place}`: {first['msg']}") from None


def check_settings(path: Path, now: Settings) -> None:
    """Keep the settings beside `path`, or check that they are those it was made with."""
    beside = path.with_suffix(".settings.json")
    begun = path.stat().st_size > 0
    if begun and not beside.is_file():
        raise InputError(f"{beside}: not there, so nobody knows what {path.name} was made with; remove that file")
    if not begun:
        write_whole(beside, now.model_dump_json(indent=2) + "\n")
        return
    kept = json.loads(beside.read_text(encoding="utf-8"))
    for name, value in now.model_dump().items():
        if kept.get(name) != value:
            raise InputError(
                f"{path}: was made with {name} {kept.get(name)!r}, now it is {value!r}; "
                "choose another `output` or remove the file"
            )
