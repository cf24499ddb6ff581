"""From questions to answers on disk: as many calls at once as the server bears, each answer counted once it is kept."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from guardreasoner.errors import EngineError, GuardReasonerError, Stopped
from guardreasoner.jsonl import Journal, Json
from guardreasoner.recipe import TeacherSection
from guardreasoner.teachers.answers import Answers, Question
from guardreasoner.teachers.chat import ChatServer
from guardreasoner.teachers.cost import Budget, Cost, estimated_tokens
from guardreasoner.teachers.disk import Disk
from guardreasoner.teachers.gate import Gate
from guardreasoner.teachers.pacing import Pace, backoff
from guardreasoner.teachers.replies import Heard, Refusal, Reply, Setback
from guardreasoner.types import TeacherAnswer

FAILURES = 25  # samples in a row that got no answer: the server is down
PATIENCE = 600.0  # seconds; a server that asks for a longer pause ends the run
BEHIND = 4  # this part of the calls under way may wait for the disk beside them
WAITS = 10  # times the attempts: how often a sample is asked again because the server said wait
AT_ONCE = 256  # samples passed over before others get their turn


@dataclass
class Tally:
    """What a progress bar shows. `done`: samples with an answer on disk, those of earlier runs too."""

    total: int
    done: int = 0
    calls: int = 0
    outcomes: Counter[str] = field(default_factory=Counter[str])
    under_way: int = 0
    note: str = ""


@dataclass
class _Try:
    """One question under way: what it took so far."""

    question: Question
    calls: int = 0
    waits: int = 0


class Asking:
    """One run through the questions. `all` returns when every one has its answer, or raises what ended it early."""

    def __init__(
        self,
        server: ChatServer,
        teacher: TeacherSection,
        journal: Journal,
        known: Answers,
        budget: Budget,
        tally: Tally,
    ) -> None:
        self._server, self._teacher, self._known = server, teacher, known
        self._budget, self._tally = budget, tally
        self._pace = Pace(teacher.concurrency)
        self._disk = Disk(journal, teacher.concurrency // BEHIND, self.end)
        self._chance = random.Random()
        self._gate = Gate(self._pace)
        self._freed = asyncio.Event()
        self._why: GuardReasonerError | None = None
        self._proven = len(known) > 0
        self._failures = 0

    async def all(self, questions: Iterator[Question]) -> None:
        """Ask every question that is not answered; calls under way when it ends early are waited for."""
        keeping = asyncio.create_task(self._disk.write())
        try:
            async with asyncio.TaskGroup() as group:
                for worker in range(self._teacher.concurrency):
                    group.create_task(self._work(worker, questions))
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            await self._disk.room(0)
            keeping.cancel()
        if self._why is not None:
            raise self._why

    def end(self, why: GuardReasonerError) -> None:
        """Start nothing more; the first reason counts."""
        if self._why is None:
            self._why = why
            self._tally.note = "stopping (Ctrl-C again: at once)"
            self._gate.shut()
            self._freed.set()

    @property
    def pause(self) -> float:
        """Seconds from now that the server asked to wait."""
        return self._pace.not_before - time.monotonic()

    async def _work(self, worker: int, questions: Iterator[Question]) -> None:
        passed = 0
        while not self._gate.closed and (question := self._next(questions)) is not None:
            if question in self._known:
                self._tally.done += 1
                passed += 1
                if passed % AT_ONCE == 0:
                    await asyncio.sleep(0)
            else:
                await self._settle(worker, _Try(question))

    def _next(self, questions: Iterator[Question]) -> Question | None:
        try:
            return next(questions, None)
        except GuardReasonerError as error:  # an unreadable sample: what is under way still ends well
            self.end(error)
            return None

    async def _settle(self, worker: int, row: _Try) -> None:
        """Call until there is an outcome, or the run ends."""
        while await self._gate.enter():
            self._tally.under_way = self._gate.inside
            try:
                pause = await self._call(worker, row)
            finally:
                self._gate.leave()
                self._tally.under_way = self._gate.inside
            if pause is None:
                return await self._disk.room()
            await self._gate.sleep(pause)

    async def _call(self, worker: int, row: _Try) -> float | None:
        """One call; None if there is nothing left to do, or the seconds to the next one."""
        worst = self._budget.worst(row.question.bytes())
        if not await self._afford(worst):
            return None
        row.calls += 1
        self._tally.calls += 1
        started = time.monotonic()
        heard = await self._server.ask(worker, row.question.messages)
        seconds = time.monotonic() - started
        paid = _paid(heard, row.question)
        self._budget.settle(worst, paid)
        if isinstance(heard, Setback) and heard.paid:
            self._budget.lose(worst)
        self._freed.set()
        match heard:
            case Reply():
                self._pace.succeeded()
                self._proven, self._failures = True, 0
                answer = _answer(row.question, paid, heard.outcome, heard.text, heard.detail, round(seconds, 3))
                self._disk.keep(answer, lambda: self._count(heard.outcome))
                return None
            case Setback():
                self._pace.failed(heard.load, started, time.monotonic(), heard.wait)
                return self._again(row, heard, paid)
            case Refusal():
                if not (heard.row and self._proven):
                    self.end(EngineError(f"{self._server.advise(heard)}; nothing that was answered is lost"))
                    return None
                return self._again(row, Setback(heard.reason, again=False), paid)

    def _again(self, row: _Try, setback: Setback, paid: Cost) -> float | None:
        row.waits += setback.waits
        tries = row.calls - row.waits
        if (setback.wait or 0) > PATIENCE:
            self.end(
                Stopped(f"the server asks to wait {setback.wait:,.0f} seconds ({setback.reason}); run it again then")
            )
            return None
        if setback.again and tries < self._teacher.attempts and row.waits < WAITS * self._teacher.attempts:
            if paid != Cost():  # an answer of no use, but not for nothing: the sum must outlive a kill
                self._disk.keep(_answer(row.question, paid, "failed", "", setback.reason), lambda: None)
            return backoff(row.calls, self._chance, setback.wait)
        self._failures += 1
        times = f"{row.calls} call{'s' if row.calls > 1 else ''}, the last: "
        answer = _answer(row.question, paid, "failed", "", times + setback.reason)
        self._disk.keep(answer, lambda: self._count("failed"))
        if self._failures >= FAILURES:
            self.end(
                EngineError(
                    f"{self._server.place}: {FAILURES} samples in a row got no answer, the last after "
                    f"{times}{setback.reason}; what was answered is kept, run it again to go on"
                )
            )
        return None

    def _count(self, outcome: str) -> None:
        """A sample counts once its outcome is on disk."""
        self._tally.done += 1
        self._tally.outcomes[outcome] += 1

    async def _afford(self, worst: float) -> bool:
        """False if the limit leaves no room for this call, even when all others cost no more than they do."""
        while not self._budget.hold(worst):
            if self._budget.idle:
                self.end(Stopped("--max-cost leaves no room for another call; run it again with a higher one to go on"))
            if self._gate.closed:
                return False
            self._freed.clear()
            await self._freed.wait()
        return True


def _paid(heard: Heard, question: Question) -> Cost:
    """The tokens of one call, as counted by the server, or by the rule where it does not count."""
    if isinstance(heard, Refusal):
        return Cost()
    if isinstance(heard, Setback):
        return Cost(0, heard.prompt_tokens, heard.completion_tokens)
    if heard.outcome == "filtered" and heard.prompt_tokens is None:  # withheld by an error, which costs nothing
        return Cost()
    prompt, completion = heard.prompt_tokens, heard.completion_tokens
    return Cost(
        1,
        estimated_tokens(question.characters()) if prompt is None else prompt,
        estimated_tokens(len(heard.text)) if completion is None else completion,
    )


def _answer(
    question: Question,
    paid: Cost,
    outcome: str,
    text: str = "",
    detail: str | None = None,
    seconds: float | None = None,
) -> Json:
    answer = TeacherAnswer.model_validate(
        {
            "id": question.id,
            "source": question.source,
            "digest": question.digest,
            "outcome": outcome,
            "text": text,
            "detail": detail,
            "prompt_tokens": paid.prompt or None,
            "completion_tokens": paid.completion or None,
            "seconds": seconds,
        }
    )
    return answer.model_dump(exclude_none=True, exclude_defaults=True)
