"""From an exchange to a Verdict: a format, an engine and thresholds; answers are chosen, not hoped for."""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from guardreasoner.engines import Engine
from guardreasoner.errors import EngineError, InputError, MalformedAnswer, NoProbabilities
from guardreasoner.formats import FORMATS, Format
from guardreasoner.inputs import Asked, as_exchange, checked_budget, checked_mode, checked_thresholds
from guardreasoner.types import (
    Completion,
    Exchange,
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
class _Draft:
    """One exchange on its way: the text so far (`prompt + thought + answers`), and what is known of it."""

    exchange: Exchange
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

    def add(self, text: str) -> _Draft:
        return replace(self, answers=self.answers + text)


class Guard:
    """Judges exchanges. Nothing is loaded before the first check.

    Args:
        model: None = the embedded guard; a folder, a hub id or a server's URL; or an engine.
        mode: `reason` thinks before it answers, `fast` answers at once.
        max_reasoning_tokens: where reasoning is cut; None = the format's own, 256 for `nano`, 2048 for `paper`.
        thresholds: P(positive label) from which a task's answer is its positive label, 0.5 where not given.
        format: `paper`, `nano` or a Format; None = `nano` if the model knows its markers, else `paper`.
    """

    def __init__(
        self,
        model: str | Path | Engine | None = None,
        *,
        mode: Mode = "reason",
        max_reasoning_tokens: int | None = None,
        thresholds: Mapping[Task, float] | None = None,
        format: str | Format | None = None,
    ) -> None:
        self._model = model
        self._format = format
        self._opening = threading.Lock()
        self.mode: Mode = checked_mode(mode)
        self._budget = checked_budget(max_reasoning_tokens)
        self.thresholds = checked_thresholds(thresholds or {})

    @property
    def engine(self) -> Engine:
        """Opened at its first use, once for all threads."""
        with self._opening:
            if self._model is None or isinstance(self._model, str | Path):
                return self._opened
            return self._model

    @cached_property
    def _opened(self) -> Engine:
        from guardreasoner.engines.opening import open_engine

        assert self._model is None or isinstance(self._model, str | Path)
        return open_engine(self._model)

    @cached_property
    def format(self) -> Format:
        if self._format is not None and not isinstance(self._format, str):
            return self._format
        name = self._format or ("nano" if _knows_markers(self.engine) else "paper")
        if name not in FORMATS:
            raise InputError(f"unknown format {name!r}, expected one of {', '.join(FORMATS)}")
        return FORMATS[name]

    @property
    def model(self) -> str:
        """The name that verdicts carry."""
        return self.engine.model

    @cached_property
    def weights(self) -> str | None:
        """Tells new weights from old ones of the same name; None for a server, a hub id or an engine handed in."""
        if self._model is None or isinstance(self._model, str | Path):
            from guardreasoner.engines.opening import fingerprint

            return fingerprint(self._model)
        return None

    @property
    def max_reasoning_tokens(self) -> int:
        return self.format.max_reasoning_tokens if self._budget is None else self._budget

    def check(self, prompt: str, response: str | None = None, *, mode: Mode | None = None) -> Verdict:
        """Judge one exchange.

        Raises:
            InputError: the prompt is empty, a text is not valid Unicode, or the exchange does not fit the model.
            EngineError: the model or its server failed.
            MalformedAnswer: only with a model that gives no probabilities and wrote no readable answer.
        """
        _ = self.engine, self.format  # opened before the clock starts
        started = time.perf_counter()
        mode = self.mode if mode is None else checked_mode(mode)
        (read,) = self._judge([self._draft(as_exchange(prompt, response), mode)], mode, started)
        if isinstance(read, Malformed):
            raise MalformedAnswer(read)
        return read

    def check_batch(self, exchanges: Iterable[Asked], *, mode: Mode | None = None) -> list[Verdict | Malformed]:
        """One reading per exchange, in order. An exchange that cannot be judged is an InputError naming its index."""
        _ = self.engine, self.format  # opened before the clock starts
        started = time.perf_counter()
        mode = self.mode if mode is None else checked_mode(mode)
        drafts: list[_Draft] = []
        for index, asked in enumerate(exchanges):
            try:
                drafts.append(self._draft(as_exchange(asked), mode))
            except InputError as error:
                raise InputError(f"exchange {index}: {error}") from error
        return self._judge(drafts, mode, started)

    def _judge(self, drafts: Sequence[_Draft], mode: Mode, started: float) -> list[Verdict | Malformed]:
        thinking = self._reason(drafts) if mode == "reason" else drafts
        finished = self._answer([draft.add(self.format.answers_open) for draft in thinking], mode)
        seconds = (time.perf_counter() - started) / max(1, len(finished))
        return [self._read(draft, mode, seconds) for draft in finished]

    def check_each(self, exchanges: Sequence[Exchange], *, mode: Mode | None = None) -> list[Verdict | Malformed | str]:
        """`check_batch` for rows of a file: one that cannot be judged gives the sentence that says why, not an error.

        A server may refuse an exchange that only it can count, or withhold an answer; then each is asked alone.
        """
        unfit = [self.explain_unfit(exchange, mode=mode) for exchange in exchanges]
        fit = [exchange for exchange, why in zip(exchanges, unfit, strict=True) if why is None]
        read = iter(self._together(fit, mode))
        return [next(read) if why is None else why for why in unfit]

    def _together(self, exchanges: Sequence[Exchange], mode: Mode | None) -> list[Verdict | Malformed | str]:
        try:
            return [*self.check_batch(exchanges, mode=mode)]
        except InputError as error:
            if len(exchanges) == 1:
                return [str(error)]
            return [read for exchange in exchanges for read in self._together([exchange], mode)]

    def explain_unfit(self, asked: Asked, *, mode: Mode | None = None) -> str | None:
        """Why `check` would refuse this exchange, or None if it would judge it."""
        try:
            self._draft(as_exchange(asked), self.mode if mode is None else checked_mode(mode))
        except InputError as error:
            return str(error)
        return None

    def _draft(self, exchange: Exchange, mode: Mode) -> _Draft:
        """The rendered exchange and the reasoning budget that the context leaves it."""
        prompt = self.format.render(exchange)
        tokens = self.engine.count_tokens(prompt)
        budget = self.max_reasoning_tokens if mode == "reason" else 0
        context = self.engine.context_length
        if context is None or tokens is None:
            return _Draft(exchange, prompt, tokens, budget)
        answers = self._count(self._longest_answers(exchange))
        allowed = context - answers
        if tokens > allowed:
            raise InputError(f"the exchange has {tokens:,} tokens, the model takes at most {allowed:,}")
        room = allowed - tokens - self._count(self.format.think)
        return _Draft(exchange, prompt, tokens, max(0, min(budget, room)))

    def _reason(self, drafts: Sequence[_Draft]) -> list[_Draft]:
        """Each draft with its reasoning. One engine call per budget: all but the longest exchanges have the same."""
        form, thinking = self.format, list(drafts)
        by_budget: dict[int, list[int]] = defaultdict(list)
        for index, draft in enumerate(drafts):
            if draft.budget:
                by_budget[draft.budget].append(index)
        for budget, indices in by_budget.items():
            params = SamplingParams(max_tokens=budget, stop=form.stop)
            completions = self.engine.generate([drafts[index].prompt + form.think for index in indices], params)
            for index, (completion,) in zip(indices, completions, strict=True):
                thought = form.think + self._fitted(drafts[index], completion.text)
                thinking[index] = replace(drafts[index], thought=thought, reasoning_tokens=completion.num_tokens)
        return thinking

    def _fitted(self, draft: _Draft, reasoning: str) -> str:
        """As much of the reasoning as leaves room for the answers, ended as the format ends it.

        Text can take more tokens when it is read back than it had when it was sampled (half a character becomes a
        replacement character), so the count is taken again and the model's own words, never the user's, are cut.
        """
        context, close = self.engine.context_length, self.format.reasoning_close
        around = draft.prompt + self.format.think, self._longest_answers(draft.exchange)
        while context is not None and reasoning and self._count(reasoning.join(around)) > context:
            reasoning = reasoning[: len(reasoning) * 3 // 4]
        return reasoning if reasoning.endswith(close) else reasoning + close

    def _answer(self, drafts: Sequence[_Draft], mode: Mode) -> list[_Draft]:
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
        return [draft.add(self._ended(completion)) for draft, (completion,) in zip(drafts, written, strict=True)]

    def _ended(self, completion: Completion) -> str:
        """The text with the end that a model may have meant: servers leave the token out at which they stop."""
        close = self.format.close
        ended = completion.finish_reason == "stop" and not completion.text.endswith(close)
        return completion.text + close if ended else completion.text

    def _choose(self, drafts: Sequence[_Draft], task: Task) -> list[_Draft]:
        asked = [draft.add(self.format.cue(task)) for draft in drafts if task in draft.exchange.tasks]
        choices = [self.format.choice(task, label) for label in task.labels]
        pairs = iter(self.engine.choose([draft.whole for draft in asked], choices) if asked else ())
        return [
            self._choice(draft.add(self.format.cue(task)), task, next(pairs))
            if task in draft.exchange.tasks
            else draft.add(self.format.not_applicable(task))
            for draft in drafts
        ]

    def _choice(self, draft: _Draft, task: Task, logprobs: Sequence[float]) -> _Draft:
        """The label by the threshold, and its P(positive) renormalised over the task's two labels."""
        positive, negative = task.labels
        if all(logprob == -math.inf for logprob in logprobs):  # a server that lists only the likeliest tokens
            return replace(draft, unread=f"neither answer to {task.value} is among the tokens that the server lists")
        score = probability(*logprobs)
        label = positive if score >= self.thresholds[task] else negative
        return replace(draft.add(self.format.choice(task, label)), scores={**(draft.scores or {}), task: score})

    def _read(self, draft: _Draft, mode: Mode, seconds: float) -> Verdict | Malformed:
        """One parser reads what was chosen and what was written, never the reasoning, which may quote anything."""
        if draft.unread is not None:
            return Malformed(text=draft.thought + draft.answers, reason=draft.unread)
        scores = draft.scores
        read = self.format.read(draft.answers, draft.exchange)
        if isinstance(read, Malformed):
            return read
        usage = Usage(prompt_tokens=draft.prompt_tokens, reasoning_tokens=draft.reasoning_tokens, seconds=seconds)
        return read.model_copy(
            update={
                "reasoning": draft.thought.removeprefix(self.format.think).strip() or None,
                "scores": None if scores is None else Scores(**{task.value: score for task, score in scores.items()}),
                "usage": usage,
                "model": self.engine.model,
                "mode": mode,
            }
        )

    def _longest_answers(self, exchange: Exchange) -> str:
        form = self.format
        parts = [
            form.cue(task) + max((form.choice(task, label) for label in task.labels), key=self._count)
            if task in exchange.tasks
            else form.not_applicable(task)
            for task in Task
        ]
        return form.reasoning_close + form.answers_open + "".join(parts) + form.close

    def _count(self, text: str) -> int:
        return self.engine.count_tokens(text) or 0


def probability(positive: float, negative: float) -> float:
    """P(positive) from the natural-log probabilities of the two choices, renormalised over them."""
    best = max(positive, negative)
    if not math.isfinite(best) or math.isnan(positive + negative):
        raise EngineError(f"the model gave log-probabilities {positive} and {negative}, expected one that is finite")
    a, b = math.exp(positive - best), math.exp(negative - best)
    return a / (a + b)


def _knows_markers(engine: Engine) -> bool:
    """Whether a marker of the nano format is one token to this model, as only that format's tokenizers have it."""
    from guardreasoner.formats.nano import ASSISTANT, THINK

    alone, both = engine.count_tokens(ASSISTANT), engine.count_tokens(ASSISTANT + THINK)
    return alone is not None and both is not None and both - alone == 1 and alone <= 2
