"""From questions to answers by the provider's batch files, at half the price: write, upload, submit, poll, collect."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING, TypeVar

from guardreasoner.errors import EngineError, Stopped
from guardreasoner.jsonl import Journal
from guardreasoner.recipe import TeacherSection
from guardreasoner.run import RunFolder
from guardreasoner.teachers.answers import Answers, Question, count_lines, questions
from guardreasoner.teachers.asking import Tally
from guardreasoner.teachers.batch_jobs import ENDPOINT, Job, JobBook, Row, request
from guardreasoner.teachers.batch_results import read_results
from guardreasoner.teachers.chat import FAULTS, ChatServer
from guardreasoner.teachers.cost import BATCH_SHARE, Budget, Cost
from guardreasoner.teachers.interrupts import interrupts
from guardreasoner.teachers.pacing import backoff
from guardreasoner.teachers.progress import show
from guardreasoner.teachers.replies import Refusal, Setback
from guardreasoner.types import TeacherAnswer

if TYPE_CHECKING:
    from openai.types import Batch

T = TypeVar("T")
METADATA = "guardreasoner"
TOGETHER = 1000  # answers per fsync
OVER = ("completed", "expired", "cancelled")
GO_ON = "the batches go on at the provider; run the same command again to collect them"
NO_BATCHES = "; does this server take batch files? without --batch it is asked one by one"


async def ask_in_batches(
    teacher: TeacherSection, folder: RunFolder, journal: Journal, max_cost: float | None, poll: float
) -> Tally:
    """Every sample has a line in answers.jsonl when this returns; raises as `synthesis.ask_all` says."""
    known = Answers(journal.path)
    budget = Budget(teacher, known.cost, max_cost, BATCH_SHARE)
    server, book = ChatServer(teacher), JobBook(folder)
    tally = Tally(total=count_lines(folder.train))
    bar = asyncio.create_task(show(tally, lambda: budget.spent))
    with interrupts(go_on=GO_ON):
        try:
            await _Batches(server, teacher, journal, book, known, budget, tally, poll).run(
                questions(folder.train, teacher)
            )
        finally:
            bar.cancel()
            await asyncio.wait([bar])
            await server.close()
            book.close()
    return tally


class _Batches:
    """One run through the questions."""

    def __init__(
        self,
        server: ChatServer,
        teacher: TeacherSection,
        journal: Journal,
        book: JobBook,
        known: Answers,
        budget: Budget,
        tally: Tally,
        poll: float,
    ) -> None:
        self._server, self._teacher, self._journal, self._book = server, teacher, journal, book
        self._known, self._budget, self._tally, self._poll = known, budget, tally, poll
        self._client, self._chance = server.client, random.Random()
        self._refused: list[str] = []
        self._full = False

    async def run(self, asked: Iterator[Question]) -> None:
        waiting = self._book.waiting()
        for job in self._open():
            self._budget.hold(job.worst, job.requests, must=True)
            await self._submit(job)
        left = (question for question in asked if not self._is_known(question) and question not in waiting)
        while True:
            left = await self._submit_new(left)
            collected = await self._collect_open()
            if not (self._full and collected):
                break
        if self._refused:
            raise EngineError(
                f"{self._server.place} refused a batch: {self._refused[0]}; run it again to submit it anew"
            )
        if self._full:
            raise Stopped("--max-cost leaves no room for another request; run it again with a higher one to go on")

    def _open(self) -> list[Job]:
        return [job for job in self._book.jobs.values() if job.open]

    def _is_known(self, question: Question) -> bool:
        known = question in self._known
        self._tally.done += known
        return known

    async def _submit_new(self, left: Iterator[Question]) -> Iterator[Question]:
        """Fill one file after another; what the budget has no room for is left."""
        self._full = False
        while not self._full and (first := next(left, None)) is not None:
            rest: list[Question] = []
            lines = self._lines(chain([first], left), rest)
            start = list(islice(lines, 1))
            if start:
                await self._submit(self._book.new(chain(start, lines)), fresh=True)
            left = chain(rest, left)
        return left

    def _lines(self, asked: Iterator[Question], rest: list[Question]) -> Iterator[tuple[Row, bytes, float]]:
        """As many as one file may hold and the budget has room for; the next one goes to `rest`."""
        count = size = 0
        for question in asked:
            row, line = request(question, self._server.body(question.messages))
            count, size = count + 1, size + len(line)
            over = count > 1 and (count > self._teacher.batch_requests or size > self._teacher.batch_bytes)
            worst = self._budget.worst(question.bytes())
            if over or not self._budget.hold(worst):
                self._full = not over
                rest.append(question)
                return
            yield row, line, worst

    async def _submit(self, job: Job, *, fresh: bool = False) -> None:
        """Take the job to the provider from wherever it stands. Not `fresh`: look first what a killed run did."""
        self._show()
        if job.file_id is None:
            file_id = await self._try(lambda again: self._upload(job, look=again or not fresh))
            job = self._book.keep(job.model_copy(update={"file_id": file_id, "state": "uploaded"}))
        if job.batch_id is None:
            batch_id = await self._try(lambda again: self._create(job, look=again or not fresh))
            self._book.keep(job.model_copy(update={"batch_id": batch_id, "state": "submitted"}))

    async def _upload(self, job: Job, *, look: bool) -> str:
        path = self._book.requests(job.name)
        if look:
            async for file in self._client.files.list(purpose="batch"):
                if file.filename == path.name and file.bytes == path.stat().st_size:
                    return file.id
        return (await self._client.files.create(file=path, purpose="batch")).id

    async def _create(self, job: Job, *, look: bool) -> str:
        assert job.file_id is not None
        if look:
            async for batch in self._client.batches.list(limit=100):
                if batch.input_file_id == job.file_id or (batch.metadata or {}).get(METADATA) == job.name:
                    return batch.id
        created = await self._client.batches.create(
            input_file_id=job.file_id, endpoint=ENDPOINT, completion_window="24h", metadata={METADATA: job.name}
        )
        return created.id

    async def _collect_open(self) -> bool:
        """Wait until every batch is through; True if any brought answers."""
        collected = False
        while jobs := self._open():
            through = 0
            for job in jobs:
                assert job.batch_id is not None
                name = job.batch_id
                batch = await self._try(lambda _, name=name: self._client.batches.retrieve(name))
                if batch.status in OVER:
                    await self._collect(job, batch)
                    collected = True
                elif batch.status == "failed":
                    self._refuse(job, batch)
                else:
                    through += batch.request_counts.completed if batch.request_counts else 0
            self._show(through)
            if self._open():
                await asyncio.sleep(self._poll)
        return collected

    async def _collect(self, job: Job, batch: Batch) -> None:
        """All answers on disk, then the job is done. A kill between the two leaves answers that are known next time."""
        files = [("output", batch.output_file_id), ("error", batch.error_file_id)]
        received = [(self._book.received(job.name, kind), file_id) for kind, file_id in files if file_id]
        for path, file_id in received:
            await self._try(lambda _, path=path, file_id=file_id: self._download(file_id, str(path)))
        results = read_results([path for path, _ in received], self._book.rows(job.name), batch.status)
        paid, refusals = Cost(), list[Refusal]()
        while some := list(islice(results, TOGETHER)):
            new = [answer for answer, _ in some if not self._known.holds(answer)]
            refusals += [heard for _, heard in some if isinstance(heard, Refusal)]
            self._journal.append(answer.model_dump(exclude_none=True, exclude_defaults=True) for answer in new)
            paid = sum((Cost.of(answer) for answer in new), paid)
            self._count([answer for answer, _ in some])
        self._budget.settle(job.worst, paid, job.requests)
        self._book.keep(job.model_copy(update={"state": "collected"}))
        if refusals and len(refusals) == job.requests:
            raise EngineError(self._server.advise(refusals[0]))

    def _count(self, answers: list[TeacherAnswer]) -> None:
        self._tally.done += len(answers)
        self._tally.outcomes.update(answer.outcome for answer in answers)

    def _refuse(self, job: Job, batch: Batch) -> None:
        """Nothing of it was worked on, or paid; its samples are still to be asked."""
        said = [error.message or error.code or "" for error in (batch.errors and batch.errors.data) or []]
        self._refused.append(said[0] if said else "no reason given")
        self._budget.settle(job.worst, Cost(), job.requests)
        self._book.keep(job.model_copy(update={"state": "refused"}))

    async def _download(self, file_id: str, path: str) -> None:
        # Read whole before it is written: a connection that breaks then is an error of the client, and tried again.
        (await self._client.files.content(file_id)).write_to_file(path)

    async def _try(self, act: Callable[[bool], Awaitable[T]]) -> T:
        """`act(again)` until it works; what passes is tried again, as often as a call for one sample."""
        attempt = 0
        while True:
            attempt += 1
            try:
                return await act(attempt > 1)
            except FAULTS as error:
                heard = self._server.explain(error)
                if isinstance(heard, Refusal):
                    raise EngineError(self._server.advise(heard, NO_BATCHES)) from error
                if not isinstance(heard, Setback) or not heard.again or attempt >= self._teacher.attempts:
                    why = heard.reason if isinstance(heard, Setback) else heard.detail
                    raise EngineError(f"{self._server.place}: {why}; run it again to go on") from error
                await asyncio.sleep(backoff(attempt, self._chance, heard.wait))

    def _show(self, through: int = 0) -> None:
        jobs = self._open()
        self._tally.under_way = sum(job.requests for job in jobs)
        batches = f"{len(jobs)} batch{'es' if len(jobs) != 1 else ''}"
        self._tally.note = f"{through:,} of them through, in {batches}" if jobs else ""
