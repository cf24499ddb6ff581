"""From rendered exchanges to readings: reasoning, then answers that are chosen, not hoped for."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from guardreasoner.engines import Engine
from guardreasoner.errors import EngineError, InputError, NoProbabilities
from guardreasoner.formats import Format
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

WRITTEN_ANSWER_TOKENS = 64  # three short answers, where the model has to write them itself


@dataclass(frozen=True)
class Draft:
    """One exchange on its way: the text so far (`prompt + thought + answers`), and what is known of it."""

    exchange: Exchange
    tasks: tuple[Task, ...]
    prompt: str
    prompt_tokens: int | None
    budget: int
    thought: str = ""
    answers: str = ""
    reasoning_tokens: int = 0
    scores: Mapping[Task, float] | None = None
    unread: str | None = None

    @property
    def whole(self) -> str:
        return self.prompt + self.thought + self.answers

    def add(self, text: str) -> Draft:
        return replace(self, answers=self.answers + text)


@dataclass(frozen=True)
class Judging:
    """How drafts are judged: by which engine, in which format, with which thresholds and budget of reasoning tokens."""

    engine: Engine
    format: Format
    thresholds: Mapping[Task, float]
    max_reasoning_tokens: int

    def judge(self, asked: Sequence[Sequence[Draft]], mode: Mode, started: float) -> list[Verdict | Malformed]:
        """One reading per exchange, in order, from its drafts. `started`: when the work began (performance counter)."""
        drafts = [draft for each in asked for draft in each]
        thinking = self._reason(drafts) if mode == "reason" else drafts
        finished = self._answer([draft.add(self.format.answers_open) for draft in thinking], mode)
        seconds = (time.perf_counter() - started) / max(1, len(asked))
        readings = iter([self._read(draft, mode, seconds) for draft in finished])
        return [merge([next(readings) for _ in each]) for each in asked]

    def drafts(self, exchange: Exchange, mode: Mode) -> list[Draft]:
        """The exchange rendered for each group of tasks that is asked together, with the budget that is left."""
        return [self._draft(exchange, tasks, mode) for tasks in self.format.asks(exchange)]

    def _draft(self, exchange: Exchange, tasks: tuple[Task, ...], mode: Mode) -> Draft:
        prompt = self.format.render(exchange, tasks)
        tokens = self.engine.count_tokens(prompt)
        budget = self.max_reasoning_tokens if mode == "reason" else 0
        context = self.engine.context_length
        if context is None or tokens is None:
            return Draft(exchange, tasks, prompt, tokens, budget)
        answers = self._count(self._longest_answers(exchange, tasks))
        allowed = context - answers
        if tokens > allowed:
            raise InputError(f"the exchange has {tokens:,} tokens, the model takes at most {allowed:,}")
        room = allowed - tokens - self._count(self.format.think)
        return Draft(exchange, tasks, prompt, tokens, max(0, min(budget, room)))

    def _reason(self, drafts: Sequence[Draft]) -> list[Draft]:
        """Each draft with its reasoning. One engine call per budget: all but the longest exchanges have the same."""
        form, thinking = self.format, list(drafts)
        by_budget: dict[int, list[int]] = defaultdict(list)
        for index, draft in enumerate(drafts):
            if draft.budget:
                by_budget[draft.budget].append(index)
        for budget, indices in by_budget.items():
            params = SamplingParams(max_tokens=budget, stop=form.stop, templates=form.templates)
            completions = self.engine.generate([drafts[index].prompt + form.think for index in indices], params)
            for index, (completion,) in zip(indices, completions, strict=True):
                thought = form.think + self._fitted(drafts[index], completion.text)
                thinking[index] = replace(drafts[index], thought=thought, reasoning_tokens=completion.num_tokens)
        return thinking

    def _fitted(self, draft: Draft, reasoning: str) -> str:
        """As much of the reasoning as leaves room for the answers, ended as the format ends it.

        Text can take more tokens when it is read back than it had when it was sampled (half a character becomes a
        replacement character), so the count is taken again and the model's own words, never the user's, are cut.
        """
        context, close = self.engine.context_length, self.format.reasoning_close
        around = draft.prompt + self.format.think, self._longest_answers(draft.exchange, draft.tasks)
        while context is not None and reasoning and self._count(reasoning.join(around)) > context:
            reasoning = reasoning[: len(reasoning) * 3 // 4]
        return reasoning if reasoning.endswith(close) else reasoning + close

    def _answer(self, drafts: Sequence[Draft], mode: Mode) -> list[Draft]:
        """Each draft with its answers chosen, or written by a model that gives no probabilities."""
        try:
            chosen = list(drafts)
            for task in Task:
                chosen = self._choose(chosen, task)
            return [draft.add(self.format.close) for draft in chosen]
        except NoProbabilities:
            if mode == "fast":
                raise
        params = SamplingParams(max_tokens=WRITTEN_ANSWER_TOKENS)
        written = self.engine.generate([draft.whole for draft in drafts], params)
        return [
            draft.add(ended(completion, self.format.close))
            for draft, (completion,) in zip(drafts, written, strict=True)
        ]

    def _choose(self, drafts: Sequence[Draft], task: Task) -> list[Draft]:
        waiting = [draft.unread is None and task in draft.tasks for draft in drafts]
        asked = [draft.add(self.format.cue(task)) for draft, waits in zip(drafts, waiting, strict=True) if waits]
        choices = [self.format.choice(task, label) for label in task.labels]
        pairs = iter(self.engine.choose([draft.whole for draft in asked], choices) if asked else ())
        return [
            self._choice(draft.add(self.format.cue(task)), task, next(pairs))
            if waits
            else draft.add("" if task in draft.exchange.tasks else self.format.not_applicable(task))
            for draft, waits in zip(drafts, waiting, strict=True)
        ]

    def _choice(self, draft: Draft, task: Task, logprobs: Sequence[float]) -> Draft:
        """The label by the threshold, and its P(positive) renormalised over the task's two labels."""
        positive, negative = task.labels
        if all(logprob == -math.inf for logprob in logprobs):  # a server that lists only the likeliest tokens
            return replace(draft, unread=f"neither answer to {task.value} has a probability")
        score = probability(*logprobs)
        label = positive if score >= self.thresholds[task] else negative
        return replace(draft.add(self.format.choice(task, label)), scores={**(draft.scores or {}), task: score})

    def _read(self, draft: Draft, mode: Mode, seconds: float) -> Verdict | Malformed:
        """One parser reads what was chosen and what was written, never the reasoning, which may quote anything."""
        usage = Usage(prompt_tokens=draft.prompt_tokens, reasoning_tokens=draft.reasoning_tokens, seconds=seconds)
        if draft.unread is not None:
            return Malformed(text=draft.thought + draft.answers, reason=draft.unread, usage=usage)
        scores = draft.scores
        read = self.format.read(draft.answers, draft.exchange, draft.tasks)
        if isinstance(read, Malformed):
            return Malformed(text=draft.thought + draft.answers, reason=read.reason, usage=usage)
        return read.model_copy(
            update={
                "reasoning": draft.thought.removeprefix(self.format.think).strip() or None,
                "scores": None if scores is None else Scores(**{task.value: score for task, score in scores.items()}),
                "usage": usage,
                "model": self.engine.model,
                "mode": mode,
            }
        )

    def _longest_answers(self, exchange: Exchange, tasks: Sequence[Task]) -> str:
        form = self.format
        parts = [
            form.cue(task) + max((form.choice(task, label) for label in task.labels), key=self._count)
            if task in tasks
            else ""
            if task in exchange.tasks
            else form.not_applicable(task)
            for task in Task
        ]
        return form.reasoning_close + form.answers_open + "".join(parts) + form.close

    def _count(self, text: str) -> int:
        return self.engine.count_tokens(text) or 0


def ended(completion: Completion, close: str) -> str:
    """The text with the end that a model may have meant: engines leave the token out at which they stop."""
    stopped = completion.finish_reason == "stop" and not completion.text.endswith(close)
    return completion.text + close if stopped else completion.text


def merge(readings: Sequence[Verdict | Malformed]) -> Verdict | Malformed:
    """One reading of an exchange whose tasks were asked apart; without a reading of each task there is none."""
    verdicts: list[Verdict] = []
    for reading in readings:
        if isinstance(reading, Malformed):
            return reading.model_copy(update={"usage": total(readings)})
        verdicts.append(reading)
    first = verdicts[0]
    if len(verdicts) == 1:
        return first
    return first.model_copy(
        update={
            "labels": Labels.model_validate(_present(verdict.labels for verdict in verdicts)),
            "scores": None if first.scores is None else Scores.model_validate(_present(v.scores for v in verdicts)),
            "reasoning": "\n".join(verdict.reasoning for verdict in verdicts if verdict.reasoning) or None,
            "usage": total(readings),
        }
    )


def total(readings: Sequence[Verdict | Malformed]) -> Usage | None:
    """What all texts of one exchange took; None if nobody counted."""
    usages = [reading.usage for reading in readings if reading.usage is not None]
    if not usages:
        return None
    return Usage(
        prompt_tokens=max((usage.prompt_tokens for usage in usages if usage.prompt_tokens), default=None),
        reasoning_tokens=sum(usage.reasoning_tokens for usage in usages),
        texts=sum(usage.texts for usage in usages),
        seconds=usages[0].seconds,
    )


def _present(records: Iterable[Labels | Scores | None]) -> dict[str, object]:
    """The values that are not None; no two records hold the same task."""
    return {
        name: value
        for record in records
        if record is not None
        for name, value in record.model_dump().items()
        if value is not None
    }


def probability(positive: float, negative: float) -> float:
    """P(positive) from the natural-log probabilities of the two choices, renormalised over them."""
    best = max(positive, negative)
    if not math.isfinite(best) or math.isnan(positive + negative):
        raise EngineError(f"the model gave log-probabilities {positive} and {negative}, expected one that is finite")
    a, b = math.exp(positive - best), math.exp(negative - best)
    return a / (a + b)
