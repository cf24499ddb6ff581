"""From the predictions of one guard on several sets to its cells, and from cells to the means of each task."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from guardreasoner.metrics import Prediction, Protocol, Score, f1_samples, outcomes, score, total
from guardreasoner.report.means import Mean, Part, mean_of
from guardreasoner.report.reasoning import Quality
from guardreasoner.types import Mode, Record, Task


class Pace(Record):
    """What a check took where this ran, in batches of at most `batch_size`; means over `checks` checks.

    Seconds are wall-clock time: of the check itself if `batch_size` is 1, else a share of its batch's.
    """

    batch_size: int
    checks: int
    seconds: float
    prompt_tokens: float | None
    reasoning_tokens: float


class Cell(Record):
    """One set, task and mode. Figures are fractions; seconds and tokens as measured where this ran.

    `seconds_per_1000` and `reasoning_tokens_per_check` are over all checks, `single` and `batched` over those that ran
    alone and together; both are None in predictions that were kept before batches were noted.
    """

    benchmark: str
    task: Task
    mode: Mode
    score: Score
    always_positive_f1: float | None
    seconds_per_1000: float | None
    reasoning_tokens_per_check: float | None
    shortened: int
    paper_f1: dict[str, float]
    note: str | None = None
    single: Pace | None = None
    batched: Pace | None = None
    reasoning: Quality | None = None


class ModeMean(Mean):
    """The mean of one mode. `paper_f1`: by the size of the paper's model, over the same cells."""

    mode: Mode
    paper_f1: dict[str, float]


class Evaluation(Record):
    """All cells of one guard, and its means where the cells are the paper's benchmarks."""

    model: str
    cells: tuple[Cell, ...]
    protocol: Protocol = "strict"
    means: tuple[ModeMean, ...] = ()

    @property
    def reasoning(self) -> tuple[tuple[str, Task, Quality], ...]:
        """The cells that have figures of reasoning."""
        return tuple((cell.benchmark, cell.task, cell.reasoning) for cell in self.cells if cell.reasoning is not None)


def cell(
    benchmark: str,
    task: Task,
    mode: Mode,
    predictions: Sequence[Prediction],
    *,
    seconds: float,
    reasoning_tokens: int,
    shortened: int,
    paper_f1: Mapping[str, float],
    note: str | None = None,
    protocol: Protocol = "strict",
    single: Pace | None = None,
    batched: Pace | None = None,
    reasoning: Quality | None = None,
) -> Cell:
    """The figures of one cell. `seconds` and `reasoning_tokens` are sums over the predictions."""
    n = len(predictions)
    return Cell(
        benchmark=benchmark,
        task=task,
        mode=mode,
        score=score(predictions, task, protocol),
        always_positive_f1=always_positive(predictions, task),
        seconds_per_1000=1000 * seconds / n if n else None,
        reasoning_tokens_per_check=reasoning_tokens / n if n else None,
        shortened=shortened,
        paper_f1=dict(paper_f1),
        note=note,
        single=single,
        batched=batched,
        reasoning=reasoning,
    )


def evaluation(
    model: str, cells: Sequence[Cell], sizes: Mapping[Task, Mapping[str, int]], protocol: Protocol = "strict"
) -> Evaluation:
    """The cells with their means. `sizes`: rows of each benchmark as published, which weight the means."""
    means: list[ModeMean] = []
    modes: dict[Mode, None] = dict.fromkeys(cell.mode for cell in cells)
    for mode in modes:
        for task in Task:
            group = [cell for cell in cells if (cell.mode, cell.task) == (mode, task)]
            mean = mean_of([_part(model, cell, protocol) for cell in group], sizes[task])
            if mean is not None:
                known = [cell for cell in group if cell.benchmark in mean.cells]
                shared = set(known[0].paper_f1).intersection(*(cell.paper_f1 for cell in known))
                weights = [sizes[task][cell.benchmark] for cell in known]
                paper = {
                    size: float(np.average([cell.paper_f1[size] for cell in known], weights=weights))
                    for size in known[0].paper_f1
                    if size in shared
                }
                means.append(ModeMean(task=task, mode=mode, paper_f1=paper, **mean._asdict()))
    return Evaluation(model=model, cells=tuple(cells), protocol=protocol, means=tuple(means))


def always_positive(predictions: Sequence[Prediction], task: Task) -> float | None:
    """F1 of a guard that always gives the positive label: what any guard has to beat."""
    return total(outcomes([Prediction(row.gold, task.positive) for row in predictions], task)).f1


def _part(model: str, cell: Cell, protocol: Protocol) -> Part:
    # seeded by the cell's name, so that cells are drawn independently of each other
    seed = zlib.crc32(f"{model}/{cell.task.value}/{cell.benchmark}/{cell.mode}".encode())
    samples = f1_samples(cell.score, cell.task, protocol, np.random.default_rng(seed))
    return Part(cell.benchmark, cell.score.f1, samples)
