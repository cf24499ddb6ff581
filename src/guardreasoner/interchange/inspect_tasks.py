"""From our benchmarks to a task of inspect_ai, and from the answers of any of its models to our figures.

    inspect eval guardreasoner/benchmark --model guardreasoner/embedded -T data=FOLDER -T cell=CELL

Every model is asked in the paper's layout and read by its rules. inspect_ai finds this module by its entry point.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module  # its decorators are untyped here, and it is there only with the extra
from pathlib import Path
from typing import Any

from guardreasoner.errors import MissingExtra
from guardreasoner.interchange.answers import FORMAT, LAYOUT, prediction, problem
from guardreasoner.interchange.cells import one_cell
from guardreasoner.metrics import Prediction, score
from guardreasoner.types import Sample, Task

try:
    _tasks: Any = import_module("inspect_ai")
    _dataset: Any = import_module("inspect_ai.dataset")
    _models: Any = import_module("inspect_ai.model")
    _scorers: Any = import_module("inspect_ai.scorer")
    _solvers: Any = import_module("inspect_ai.solver")
except ImportError:
    raise MissingExtra("the inspect_ai task", "interchange") from None

FIGURES = ("f1", "precision", "recall", "fpr", "auprc", "tpr_at_1_fpr", "tpr_at_5_fpr", "ece", "unreadable", "refused")


@_tasks.task
def benchmark(data: str, cell: str | None = None, show_layout: bool = False) -> Any:
    """One cell of our benchmarks.

    Args:
        data: a benchmark file, or a folder of them.
        cell: which one, such as `toxicchat_prompt_harmfulness`, where `data` holds several.
        show_layout: end the question with the layout of the answers, for models that were not trained on it.
    """
    rows = one_cell([Path(data)], cell)
    return _tasks.Task(
        dataset=_dataset.MemoryDataset([_sample(each, rows.task, show_layout) for each in rows.samples], rows.name),
        solver=_solvers.generate(),
        scorer=label(rows.task.value),
    )


@_models.modelapi(name="guardreasoner")
def guardreasoner() -> Any:
    """`guardreasoner/embedded`, or after the slash what `Guard` takes: a folder, a hub id, a server's URL."""
    from guardreasoner.interchange.inspect_model import GuardAPI

    return GuardAPI


@_scorers.metric
def figures() -> Callable[[Sequence[Any]], dict[str, float | int | None]]:
    """Our figures of a cell, the rows without an answer counted as wrong."""

    def measured(scores: Sequence[Any]) -> dict[str, float | int | None]:
        task = Task(scores[0].score.metadata["task"]) if scores else Task.PROMPT_HARMFULNESS
        found = score([_prediction(each.score.metadata) for each in scores], task)
        return {name: getattr(found, name) for name in FIGURES}

    return measured


@_scorers.scorer(metrics=[figures()])
def label(task: str) -> Callable[[Any, Any], Awaitable[Any]]:
    """Reads the answer to one task by the paper's rules."""
    asked = Task(task)

    async def scored(state: Any, target: Any) -> Any:
        text: str = state.output.completion
        along: dict[str, dict[str, float]] | None = state.output.metadata
        probabilities = {} if along is None else along.get("scores", {})
        refused = state.output.stop_reason == "content_filter"
        read = prediction(text, target.text, asked, score=probabilities.get(task), refused=refused)
        right = _scorers.CORRECT if read.predicted == read.gold else _scorers.INCORRECT
        return _scorers.Score(
            value=_scorers.NOANSWER if read.predicted is None else right,
            answer=read.predicted,
            explanation=problem(text, asked),
            metadata={
                "task": task,
                "gold": read.gold,
                "predicted": read.predicted,
                "score": read.score,
                "refused": read.refused,
            },
        )

    return scored


def _prediction(kept: dict[str, Any]) -> Prediction:
    return Prediction(kept["gold"], kept["predicted"], kept["score"], kept["refused"])


def _sample(sample: Sample, task: Task, show_layout: bool) -> Any:
    text = FORMAT.render(sample.exchange) + (LAYOUT if show_layout else "")
    # the exchange goes along, because a response that is the word None cannot be told from none in the text
    message = _models.ChatMessageUser(content=text, metadata={"exchange": sample.exchange.model_dump()})
    return _dataset.Sample(input=[message], target=sample.labels.get(task) or "", id=sample.id)
