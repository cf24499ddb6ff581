"""From a guard's reading of a sample to its record, and from records to the figures of a cell."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

from guardreasoner.formats.short import read_short
from guardreasoner.metrics import Prediction
from guardreasoner.report.evaluation import Cell, cell
from guardreasoner.report.reasoning import Quality, Thought
from guardreasoner.types import Exchange, Labels, Malformed, Mode, Record, Sample, Scores, Task, Verdict


class Judged(Record):
    """One sample and what the guard said. `labels` None: it gave no readable answer, and `problem` says why."""

    id: str
    source: str
    digest: str
    """Of the exchange, so that a resumed run notices other text under the same id."""
    gold: Labels
    labels: Labels | None
    scores: Scores | None = None
    reasoning: str | None = None
    seconds: float
    """This row's share of the wall-clock time of its batch."""
    prompt_tokens: int | None = None
    reasoning_tokens: int = 0
    shortened: bool = False
    """The exchange did not fit the model: the middle of its texts was left out."""
    problem: str | None = None


def judged(sample: Sample, exchange: Exchange, read: Verdict | Malformed, seconds: float) -> Judged:
    """The record of one sample; `exchange` is what the guard was given of it."""
    verdict = read if isinstance(read, Verdict) else None
    usage = verdict.usage if verdict else None
    return Judged(
        id=sample.id,
        source=sample.source,
        digest=digest(sample.exchange),
        gold=sample.labels,
        labels=verdict.labels if verdict else None,
        scores=verdict.scores if verdict else None,
        reasoning=verdict.reasoning if verdict else None,
        seconds=seconds,
        prompt_tokens=usage.prompt_tokens if usage else None,
        reasoning_tokens=usage.reasoning_tokens if usage else 0,
        shortened=exchange != sample.exchange,
        problem=read.reason if isinstance(read, Malformed) else None,
    )


def cell_of(
    benchmark: str,
    task: Task,
    mode: Mode,
    rows: Iterable[Judged],
    *,
    paper_f1: Mapping[str, float] | None = None,
    note: str | None = None,
    reasoning: Quality | None = None,
) -> Cell:
    """The figures of one task over the rows that are annotated for it."""
    annotated = [row for row in rows if row.gold.get(task) is not None]
    predictions = [
        Prediction(gold=row.gold.get(task) or "", predicted=None if row.labels is None else row.labels.get(task))
        for row in annotated
    ]
    return cell(
        benchmark,
        task,
        mode,
        predictions,
        seconds=sum(row.seconds for row in annotated),
        reasoning_tokens=sum(row.reasoning_tokens for row in annotated),
        shortened=sum(row.shortened for row in annotated),
        paper_f1=paper_f1 or {},
        note=note,
        reasoning=reasoning,
    )


def thought(row: Judged, exchange: Exchange, budget: int | None) -> Thought | None:
    """The reasoning of one row, None if it has none. `budget`: the tokens that reasoning was allowed, if known.

    The embedded guard's count is of up to three texts, one per task: what was cut is told by how its lines end.
    """
    if row.reasoning is None:
        return None
    short = read_short(row.reasoning)
    ended = None if budget is None else row.reasoning_tokens >= budget
    cut = any(not line.conclusion for line in short) if short else ended
    return Thought(exchange, row.reasoning, row.labels, row.reasoning_tokens, cut)


def digest(exchange: Exchange) -> str:
    """Sixteen characters that tell one exchange from another."""
    text = json.dumps([exchange.prompt, exchange.response])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
