"""From folders of `generated_predictions.jsonl`, as the authors' generate.py writes them, to cells of predictions.

The path says what a file holds: `.../<model>/<benchmark>/generated_predictions.jsonl`. A row is {prompt, label,
predict}; `label` is a word, or an answer block that says `None` for a task nobody annotated.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from guardreasoner.errors import InputError
from guardreasoner.formats.paper import NAMES, NOT_APPLICABLE, PaperFormat, read_as_released
from guardreasoner.jsonl import Line, read_lines
from guardreasoner.metrics import Prediction, Protocol
from guardreasoner.types import Task

FILE_NAME = "generated_predictions.jsonl"
# folder name in small letters -> benchmark as the paper's tables name it, and the tasks its labels are for
FOLDERS = {
    "toxicchat": ("ToxicChat", (Task.PROMPT_HARMFULNESS,)),
    "harmbenchprompt": ("HarmBench", (Task.PROMPT_HARMFULNESS,)),
    "openaimoderation": ("OpenAIModeration", (Task.PROMPT_HARMFULNESS,)),
    "aegissafetytest": ("AegisSafetyTest", (Task.PROMPT_HARMFULNESS,)),
    "simplesafetytests": ("SimpleSafetyTests", (Task.PROMPT_HARMFULNESS,)),
    "harmbenchresponse": ("HarmBench", (Task.RESPONSE_HARMFULNESS,)),
    "saferlhf": ("SafeRLHF", (Task.RESPONSE_HARMFULNESS,)),
    "beavertails": ("BeaverTails", (Task.RESPONSE_HARMFULNESS,)),
    "xstestreponseharmful": ("XSTest", (Task.RESPONSE_HARMFULNESS,)),  # spelled like that upstream
    "xstestresponseharmful": ("XSTest", (Task.RESPONSE_HARMFULNESS,)),
    "xstestresponserefusal": ("XSTest", (Task.RESPONSE_REFUSAL,)),
    "wildguardtest": ("WildGuardTest", tuple(Task)),
    "wildguardtestprompt": ("WildGuardTest", (Task.PROMPT_HARMFULNESS,)),
    "wildguardtestresponse": ("WildGuardTest", (Task.RESPONSE_HARMFULNESS,)),
    "wildguardtestrefusal": ("WildGuardTest", (Task.RESPONSE_REFUSAL,)),
}
_ANNOTATED_NONE = re.compile(rf"^\s*({'|'.join(NAMES.values())}):\s*{NOT_APPLICABLE}\s*$", re.MULTILINE)
_FORMAT = PaperFormat()


@dataclass(frozen=True)
class CellPredictions:
    """One model on one benchmark and task, from one file; a line's number and prompt for each prediction."""

    model: str
    task: Task
    benchmark: str
    path: Path
    predictions: tuple[Prediction, ...]
    lines: tuple[int, ...]
    prompts: tuple[str | None, ...]
    texts: tuple[str, ...]
    """What the model wrote."""


def find_files(paths: Sequence[Path]) -> list[Path]:
    """Every prediction file named by or below `paths`, each once, in order."""
    found: dict[Path, None] = {}
    for path in paths:
        if not os.path.exists(path):  # unlike Path.exists it does not raise where a name is too long
            raise InputError(f"{path}: no such file or folder")
        files = sorted(path.rglob(FILE_NAME)) if path.is_dir() else [path]
        if not files:
            raise InputError(f"{path}: no {FILE_NAME} in this folder or below it")
        found.update(dict.fromkeys(file.resolve() for file in files))
    return list(found)


def read_cells(paths: Sequence[Path], protocol: Protocol, task: Task | None = None) -> list[CellPredictions]:
    """Every cell below `paths`. `task` is for files whose folder is no known benchmark's."""
    cells: dict[tuple[str, Task, str], CellPredictions] = {}
    for path in find_files(paths):
        for cell in _read_file(path, protocol, task):
            key = (cell.model, cell.task, cell.benchmark)
            if key in cells:
                where = f"{cell.benchmark}, {cell.task.value}, model {cell.model}"
                raise InputError(f"{path}: a second file for {where}, after {cells[key].path}")
            cells[key] = cell
    return list(cells.values())


def _read_file(path: Path, protocol: Protocol, task: Task | None) -> list[CellPredictions]:
    rows = [_row(path, line) for line in read_lines(path)]
    if not rows:
        raise InputError(f"{path}: the file is empty, expected rows of prompt, label and predict")
    benchmark, tasks = FOLDERS.get(path.parent.name.lower(), (path.parent.name, None))
    if tasks is None:
        tasks = (_task_from_labels(path, rows) if task is None else task,)
    cells = [_cell(path, benchmark, each, rows, protocol, alone=len(tasks) == 1) for each in tasks]
    annotated = [cell for cell in cells if cell.predictions]
    if not annotated:
        raise InputError(f"{path}: no row is annotated for {', '.join(each.value for each in tasks)}")
    return annotated


@dataclass(frozen=True)
class _Row:
    number: int
    label: str
    predict: str
    prompt: str | None


def _row(path: Path, line: Line) -> _Row:
    place = f"{path}, line {line.number}"
    if line.value is None:
        raise InputError(f"{place}: {line.error}")
    texts: list[str] = []
    for key in ("label", "predict"):
        text = line.value.get(key)
        if key not in line.value:
            raise InputError(f"{place}: no `{key}`, expected the keys prompt, label and predict")
        if not isinstance(text, str):
            raise InputError(f"{place}: `{key}` is {type(text).__name__}, expected text")
        texts.append(text)
    prompt = line.value.get("prompt")
    label, predict = texts
    return _Row(line.number, label, predict, prompt if isinstance(prompt, str) else None)


def _task_from_labels(path: Path, rows: Sequence[_Row]) -> Task:
    labels = {row.label for row in rows}
    if labels <= set(Task.RESPONSE_REFUSAL.labels):
        return Task.RESPONSE_REFUSAL
    choices = ", ".join(each.value for each in Task)
    raise InputError(
        f"{path}: the folder name {path.parent.name!r} is no known benchmark and the labels do not tell the task; "
        f"say --task, one of {choices}"
    )


def _cell(
    path: Path, benchmark: str, task: Task, rows: Sequence[_Row], protocol: Protocol, *, alone: bool
) -> CellPredictions:
    golds = [(row, _gold(path, row, task, alone=alone)) for row in rows]
    annotated = [(row, gold) for row, gold in golds if gold is not None]
    return CellPredictions(
        model=path.parent.parent.name,
        task=task,
        benchmark=benchmark,
        path=path,
        predictions=tuple(Prediction(gold, _predicted(row.predict, task, protocol)) for row, gold in annotated),
        lines=tuple(row.number for row, _ in annotated),
        prompts=tuple(row.prompt for row, _ in annotated),
        texts=tuple(row.predict for row, _ in annotated),
    )


def _gold(path: Path, row: _Row, task: Task, *, alone: bool) -> str | None:
    """The label of one task; None: not annotated. A bare word is enough where the file is about one task `alone`."""
    if alone and row.label in task.labels:
        return row.label
    read = _FORMAT.read_task(row.label, task)
    if isinstance(read, str):
        return read
    if NAMES[task] in _ANNOTATED_NONE.findall(row.label):
        return None
    place = f"{path}, line {row.number}"
    raise InputError(
        f"{place}: label {row.label[:60]!r} is no answer to {task.value}, expected {' or '.join(task.labels)}"
    )


def _predicted(text: str, task: Task, protocol: Protocol) -> str | None:
    if protocol == "released":
        return read_as_released(text, task)
    read = _FORMAT.read_task(text, task)
    return read if isinstance(read, str) else None
