"""From rendered exchanges to readings, where the model writes its whole answer and its own parser reads it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from guardreasoner.engines import Engine
from guardreasoner.errors import InputError, NoProbabilities
from guardreasoner.formats.rivals.base import Message, RivalFormat
from guardreasoner.formats.rivals.reading import Reading, Said
from guardreasoner.inputs import DEFAULT_THRESHOLD
from guardreasoner.judges import share
from guardreasoner.judging import Draft, merge, total
from guardreasoner.types import (
    Completion,
    Exchange,
    Labels,
    Malformed,
    Mode,
    SamplingParams,
    Scores,
    Task,
    Usage,
    Verdict,
)

LEAST = 4  # tokens that must be left for an answer


@runtime_checkable
class Templated(Protocol):
    """An engine that has the model's own chat template at hand."""

    def apply_chat_template(self, messages: Sequence[Message]) -> str | None:
        """The text that the model continues; None: its tokenizer has no template."""
        ...


@dataclass(frozen=True)
class Writing:
    """How drafts are judged: the model writes at most `max_new_tokens`, thinking included.

    A label is what the model wrote, as the family's own rule reads it. A threshold other than 0.5 decides by the score
    instead: P(positive) among the words that could stand at that very place of the model's own text.
    """

    engine: Engine
    format: RivalFormat
    thresholds: Mapping[Task, float]
    max_new_tokens: int

    def drafts(self, exchange: Exchange, mode: Mode) -> list[Draft]:
        """The exchange rendered for each group of tasks that is asked together; `mode` changes nothing."""
        asked = self.format.asks(exchange)
        if not any(asked):
            raise InputError(f"{self.format.name} judges responses alone, and there is none")
        return [self._draft(exchange, tasks) for tasks in asked]

    def judge(self, asked: Sequence[Sequence[Draft]], mode: Mode, started: float) -> list[Verdict | Malformed]:
        """One reading per exchange, in order, from its drafts. `started`: when the work began (performance counter)."""
        drafts = [draft for each in asked for draft in each]
        written = self._write(drafts)
        read = [self._read(draft, text) for draft, text in zip(drafts, written, strict=True)]
        scores = self._weigh(drafts, written, read)
        seconds = (time.perf_counter() - started) / max(1, len(asked))
        readings = iter([self._verdict(*row, mode, seconds) for row in zip(drafts, written, read, scores, strict=True)])
        return [together([next(readings) for _ in each]) for each in asked]

    def _draft(self, exchange: Exchange, tasks: tuple[Task, ...]) -> Draft:
        prompt = self._prompt(exchange, tasks)
        tokens, context = self.engine.count_tokens(prompt), self.engine.context_length
        if context is None or tokens is None:
            return Draft(exchange, tasks, prompt, tokens, self.max_new_tokens)
        if tokens > context - LEAST:
            raise InputError(f"the exchange has {tokens:,} tokens, the model takes at most {context - LEAST:,}")
        return Draft(exchange, tasks, prompt, tokens, min(self.max_new_tokens, context - tokens))

    def _prompt(self, exchange: Exchange, tasks: tuple[Task, ...]) -> str:
        """Through the model's own chat template where the family has one; else the rendering that the tests hold."""
        messages = self.format.messages(exchange, tasks)
        if messages is not None and isinstance(self.engine, Templated):
            templated = self.engine.apply_chat_template(messages)
            if templated is not None:
                return templated
        return self.format.render(exchange, tasks)

    def _write(self, drafts: Sequence[Draft]) -> list[Completion]:
        """One engine call per budget: all but the longest exchanges have the same."""
        by_budget: dict[int, list[int]] = defaultdict(list)
        for index, draft in enumerate(drafts):
            by_budget[draft.budget].append(index)
        written: dict[int, Completion] = {}
        for budget, indices in by_budget.items():
            prompts = [drafts[index].prompt for index in indices]
            answers = self.engine.generate(prompts, SamplingParams(max_tokens=budget))
            written |= {index: completion for index, (completion,) in zip(indices, answers, strict=True)}
        return [written[index] for index in range(len(drafts))]

    def _read(self, draft: Draft, written: Completion) -> Reading | Malformed:
        if written.finish_reason == "refused":
            return Malformed(text=written.text, reason="the model refused to judge", refused=True)
        read = self.format.read(written.text, draft.exchange, draft.tasks)
        if isinstance(read, Malformed) and read.refused:
            return read.model_copy(update={"reason": "the model refused to judge"})
        return read

    def _weigh(
        self, drafts: Sequence[Draft], written: Sequence[Completion], read: Sequence[Reading | Malformed]
    ) -> list[dict[Task, float]]:
        """P(positive label) of each answer that stands at a known place; one engine call per set of words."""
        scores: list[dict[Task, float]] = [{} for _ in drafts]
        waiting: dict[tuple[tuple[str, ...], tuple[str, ...]], list[tuple[int, Task, str]]] = defaultdict(list)
        for index, reading in enumerate(read):
            for task, said in reading.said.items() if isinstance(reading, Reading) else ():
                if said.at is not None:
                    before, words = _place(drafts[index].prompt + written[index].text[: said.at], said)
                    waiting[words].append((index, task, before))
        try:
            for (positive, negative), places in waiting.items():
                logprobs = self.engine.choose([before for _, _, before in places], [*positive, *negative])
                for (index, task, _), found in zip(places, logprobs, strict=True):
                    score = share(found[: len(positive)], found[len(positive) :])
                    scores[index] |= {} if score is None else {task: score}
        except NoProbabilities:
            return [{} for _ in drafts]
        return scores

    def _verdict(
        self,
        draft: Draft,
        written: Completion,
        read: Reading | Malformed,
        scores: Mapping[Task, float],
        mode: Mode,
        seconds: float,
    ) -> Verdict | Malformed:
        usage = Usage(prompt_tokens=draft.prompt_tokens, reasoning_tokens=written.num_tokens, seconds=seconds)
        if isinstance(read, Malformed):
            return read.model_copy(update={"usage": usage})
        labels = {task.value: self._label(task, said, scores.get(task)) for task, said in read.said.items()}
        verdict = Verdict(
            labels=Labels.model_validate(labels),
            reasoning=read.reasoning,
            scores=Scores(**{task.value: score for task, score in scores.items()}) if scores else None,
            usage=usage,
            model=self.engine.model,
            mode=mode,
        )
        if read.problem is None:
            return verdict
        return Malformed(text=written.text, reason=read.problem, partial=verdict, usage=usage)

    def _label(self, task: Task, said: Said, score: float | None) -> str:
        threshold = self.thresholds[task]
        if threshold == DEFAULT_THRESHOLD:
            return said.label
        if score is None:
            raise InputError(f"threshold of {task.value}: {self.format.name} gave no probability to compare with it")
        return task.labels[0 if score >= threshold else 1]


def together(readings: Sequence[Verdict | Malformed]) -> Verdict | Malformed:
    """One reading of an exchange from its texts. What one of them lacks does not undo what the others say.

    It is refused only if all that is lacking was.
    """
    failed = [reading for reading in readings if isinstance(reading, Malformed)]
    if not failed:
        return merge(readings)
    each = [reading.partial if isinstance(reading, Malformed) else reading for reading in readings]
    known = [verdict for verdict in each if verdict is not None]
    first = next((reading for reading in failed if not reading.refused), failed[0])
    return first.model_copy(update={"partial": merge(known) if known else None, "usage": total(readings)})


def _place(before: str, said: Said) -> tuple[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """The text up to the answer, and the words that could follow; a space belongs to the word behind it."""
    space = " " if before.endswith(" ") else ""
    words = tuple(tuple(space + word for word in side) for side in (said.positive, said.negative))
    return before.removesuffix(" "), (words[0], words[1])
