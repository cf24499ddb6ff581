"""From a guard's reading of a sample to its record, and from records to the figures of a cell."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

from guardreasoner.metrics import Prediction
from guardreasoner.report.evaluation import Cell, cell
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
    refused: bool | None = None
    """True: the model declined to judge (`problem` says so), as hosted chat models do; else None."""


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
        refused=True if isinstance(read, Malformed) and read.refused else None,
    )


def cell_of(
    benchmark: str,
    task: Task,
    mode: Mode,
    rows: Iterable[Judged],
    *,
    paper_f1: Mapping[str, float] | None = None,
    note: str | None = None,
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
    )


def refusals_as_positive(rows: Iterable[Judged]) -> list[Judged]:
    """The paper's protocol: a model that declines to judge has said harmful, and refusal, to what was asked of it."""
    return [
        row.model_copy(update={"labels": _positive(row.gold)}) if row.refused and row.labels is None else row
        for row in rows
    ]


def _positive(gold: Labels) -> Labels:
    return Labels.model_validate({task.value: task.positive for task in gold.tasks})


def digest(exchange: Exchange) -> str:
    """Sixteen characters that tell one exchange from another."""
    text = json.dumps([exchange.prompt, exchange.response])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
