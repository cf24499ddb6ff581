"""From our benchmarks to a folder that lm-eval loads with `--include_path`: a YAML task and a JSONL file per cell.

The format says how a model is asked. `nano` asks for one task at a time, so its question is fixed and the answer is the
likelier of two labels: a multiple_choice task, which `lm_eval_model` runs on a guard of ours. `paper` lets the model
reason: a generate_until task, read by our rules, for the released weights.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from guardreasoner.formats import FORMATS
from guardreasoner.interchange.answers import prediction
from guardreasoner.interchange.cells import CellRows
from guardreasoner.jsonl import Json, make_folder, write_objects
from guardreasoner.run import write_whole
from guardreasoner.types import Exchange, Sample, Task

Asking = Literal["nano", "paper"]
GROUP = "guardreasoner"
READING = "reading.py"
_READING = (
    '"""How lm-eval reads answers, by the rules of guardreasoner."""\n\n'
    "from guardreasoner.interchange.lm_eval import process_results  # noqa: F401\n"
)


def export(
    cells: Sequence[CellRows], folder: Path, asking: Asking, fitted: Callable[[Exchange], Exchange] | None = None
) -> list[Path]:
    """Write the tasks; returns their YAML files. `fitted`: shortens an exchange that does not fit the model."""
    make_folder(folder)
    written: list[Path] = []
    for cell in cells:
        data, task = folder / f"{cell.name}.jsonl", folder / f"{cell.name}.yaml"
        write_objects(data, [row(sample, cell.task, asking, fitted) for sample in cell.samples])
        write_whole(task, yaml(cell, data, asking))
        written.append(task)
    if asking == "paper":
        write_whole(folder / READING, _READING)
    return written


def row(sample: Sample, task: Task, asking: Asking, fitted: Callable[[Exchange], Exchange] | None) -> Json:
    """One line: what the model is given, and the gold label as a word and as the index of its choice."""
    exchange = sample.exchange if fitted is None else fitted(sample.exchange)
    form, label = FORMATS[asking], sample.labels.get(task)
    text = form.render(exchange, (task,)) + form.answers_open + form.cue(task) if asking == "nano" else ""
    return {
        "id": sample.id,
        "task": task.value,
        "text": text or form.render(exchange),
        "label": label,
        "positive": int(label == task.positive),
    }


def yaml(cell: CellRows, data: Path, asking: Asking) -> str:
    """The task. Its data file is named by its full path: lm-eval looks from the folder that it is started in."""
    form = FORMATS[asking]
    positive, negative = cell.task.labels
    asked: Json = {
        "output_type": "multiple_choice",
        "doc_to_target": "positive",
        "doc_to_choice": [form.choice(cell.task, negative), form.choice(cell.task, positive)],
        "metric_list": [{"metric": "f1"}, {"metric": "acc"}],
    }
    if asking == "paper":
        asked = {
            "output_type": "generate_until",
            "doc_to_target": "{{label}}",
            "generation_kwargs": {"until": [], "max_gen_toks": form.max_reasoning_tokens, "do_sample": False},
            "metric_list": [
                {"metric": "f1", "aggregation": "f1", "higher_is_better": True},
                {"metric": "unreadable", "aggregation": "mean", "higher_is_better": False},
            ],
        }
    head: Json = {
        "task": f"{GROUP}_{cell.name}",
        "tag": GROUP,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data.resolve())}},
        "test_split": "test",
        "doc_to_text": "{{text}}",
        "target_delimiter": "",
    }
    text = _yaml({**head, **asked, "metadata": {"version": 1.0}})
    reading = f"process_results: !function {Path(READING).stem}.process_results\n" if asking == "paper" else ""
    return text + reading


def process_results(doc: dict[str, Any], results: Sequence[str]) -> dict[str, object]:
    """What lm-eval aggregates of one answer: a row without a readable one counts as wrong."""
    task, positive = Task(doc["task"]), bool(doc["positive"])
    read = prediction(results[0], doc["label"], task)
    flagged = not positive if read.predicted is None else read.predicted == task.positive
    return {"f1": (int(positive), int(flagged)), "unreadable": int(read.predicted is None)}


def _yaml(values: Json) -> str:
    """JSON values are YAML."""
    return "".join(f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items())
