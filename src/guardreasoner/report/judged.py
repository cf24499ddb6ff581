"""From a guard's reading of a sample to its record, and from records to the figures of a cell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from guardreasoner.engines.remote_answers import WITHHELD
from guardreasoner.formats.short import read_short
from guardreasoner.metrics import Prediction, Protocol
from guardreasoner.report.cells import Cell, Pace, cell
from guardreasoner.report.reasoning import Quality, Thought
from guardreasoner.types import Exchange, Labels, Malformed, Mode, Record, Sample, Scores, Task, Verdict


class Judged(Record):
    """One sample and what the guard said. `labels` None: it gave no readable answer, and `problem` says why.

    `labels` and `problem`: a task that was asked has no readable answer, others have.
    """

    id: str
    source: str
    digest: str
    """Of the exchange, so that a resumed run notices other text under the same id."""
    exchange: Exchange | None = None
    """What was to be judged, whole; None in predictions that were kept before texts were."""
    gold: Labels
    labels: Labels | None
    scores: Scores | None = None
    reasoning: str | None = None
    seconds: float
    """This row's share of the wall-clock time of its batch."""
    prompt_tokens: int | None = None
    reasoning_tokens: int = 0
    texts: int | None = None
    """How many texts these are the tokens of; None in predictions that were kept before this was."""
    shortened: bool = False
    """The exchange did not fit the model: the middle of its texts was left out."""
    problem: str | None = None
    text: str | None = None
    """All that the model wrote, where an answer could not be read from it; else `reasoning` holds its words."""
    refused: bool = False
    """The model declined to judge; `declined` also knows the filters of servers."""
    batch_size: int | None = None
    """How many exchanges were judged at once; 1: `seconds` is what a single check takes."""

    @property
    def declined(self) -> bool:
        """There is no answer because the model refused or its server withheld it."""
        return self.refused or (self.problem or "").startswith(WITHHELD)


def judged(
    sample: Sample, exchange: Exchange, read: Verdict | Malformed, seconds: float, batch_size: int | None = None
) -> Judged:
    """The record of one sample; `exchange` is what the guard was given of it."""
    verdict = read if isinstance(read, Verdict) else read.partial
    usage = read.usage
    return Judged(
        id=sample.id,
        source=sample.source,
        digest=sample.exchange.digest,
        exchange=sample.exchange,
        gold=sample.labels,
        labels=verdict.labels if verdict else None,
        scores=verdict.scores if verdict else None,
        reasoning=verdict.reasoning if verdict else None,
        seconds=seconds,
        prompt_tokens=usage.prompt_tokens if usage else None,
        reasoning_tokens=usage.reasoning_tokens if usage else 0,
        texts=usage.texts if usage else None,
        shortened=exchange != sample.exchange,
        problem=read.reason if isinstance(read, Malformed) else None,
        refused=isinstance(read, Malformed) and read.refused,
        text=(read.text or None) if isinstance(read, Malformed) else None,
        batch_size=batch_size,
    )


def cell_of(
    benchmark: str,
    task: Task,
    mode: Mode,
    rows: Iterable[Judged],
    *,
    paper_f1: Mapping[str, float] | None = None,
    note: str | None = None,
    protocol: Protocol = "strict",
    reasoning: Quality | None = None,
) -> Cell:
    """The figures of one task over the rows that are annotated for it."""
    annotated = [row for row in rows if row.gold.get(task) is not None]
    return cell(
        benchmark,
        task,
        mode,
        predictions_of(annotated, task),
        seconds=sum(row.seconds for row in annotated),
        reasoning_tokens=sum(row.reasoning_tokens for row in annotated),
        shortened=sum(row.shortened for row in annotated),
        paper_f1=paper_f1 or {},
        note=note,
        protocol=protocol,
        single=pace([row for row in annotated if row.batch_size == 1]),
        batched=pace([row for row in annotated if row.batch_size is not None and row.batch_size > 1]),
        reasoning=reasoning,
    )


def predictions_of(rows: Iterable[Judged], task: Task) -> list[Prediction]:
    """What the metrics need of the rows that are annotated for `task`."""
    found: list[Prediction] = []
    for row in rows:
        gold = row.gold.get(task)
        if gold is not None:
            predicted = None if row.labels is None else row.labels.get(task)
            score = None if row.scores is None else row.scores.get(task)
            found.append(Prediction(gold, predicted, score, refused=predicted is None and row.declined))
    return found


def pace(rows: Sequence[Judged]) -> Pace | None:
    """What a check took, over rows that ran in the same way; None without rows."""
    if not rows:
        return None
    prompts = [row.prompt_tokens for row in rows if row.prompt_tokens is not None]
    return Pace(
        batch_size=max(row.batch_size or 1 for row in rows),
        checks=len(rows),
        seconds=sum(row.seconds for row in rows) / len(rows),
        prompt_tokens=sum(prompts) / len(prompts) if prompts else None,
        reasoning_tokens=sum(row.reasoning_tokens for row in rows) / len(rows),
    )


def thought(row: Judged, budget: int | None) -> Thought | None:
    """The reasoning of one row, None if it has none. `budget`: the tokens that one text was allowed, if known.

    A text without a readable answer is reasoning all the way, unless it declines. The embedded guard's count is of up
    to three texts, one per task: what was cut is told by how its lines end. Where other guards are asked apart, the sum
    does not tell whether one text reached the budget.
    """
    text = row.text if row.reasoning is None and row.labels is None and not row.declined else row.reasoning
    if text is None:
        return None
    short = read_short(text)
    ended = row.reasoning_tokens >= budget if budget is not None and _is_one_text(row) else None
    cut = any(not line.conclusion for line in short) if short else ended
    return Thought(row.exchange, text, row.labels, row.reasoning_tokens, cut)


def _is_one_text(row: Judged) -> bool:
    if row.texts is None:  # kept before this was counted: one task is one text
        return row.exchange is not None and len(row.exchange.tasks) == 1
    return row.texts == 1


def refusals_as_positive(rows: Iterable[Judged]) -> list[Judged]:
    """The paper's protocol: a model that declines to judge has said harmful, and refusal, to what was asked of it.

    A server that withholds the answer declines too.
    """
    return [row.model_copy(update={"labels": _filled(row)}) if row.declined else row for row in rows]


def _filled(row: Judged) -> Labels:
    """The labels that were read, and the positive one for each annotated task without."""
    read = {} if row.labels is None else row.labels.model_dump(exclude_none=True)
    return Labels.model_validate({task.value: task.positive for task in row.gold.tasks} | read)
