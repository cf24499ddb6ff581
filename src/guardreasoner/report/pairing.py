"""From two folders of predictions to the rows that both guards judged, and how many only one of them has.

A folder is what `guardreasoner evaluate` kept, or one that `guardreasoner score` reads. Rows are joined by benchmark,
task and id, which in files of the authors is the number of the line.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from guardreasoner.errors import InputError
from guardreasoner.metrics import Prediction, Protocol
from guardreasoner.report.judged import Judged, predictions_of
from guardreasoner.report.kept import in_question, judged_tasks, lines_of, read_asked, read_judged, read_settings
from guardreasoner.report.predictions import read_cells
from guardreasoner.types import Exchange, Mode, Task

ReadPrompt = Callable[[str, Task], Exchange | None]
"""From the prompt of a released prediction to its exchange; None if it is laid out otherwise."""


@dataclass(frozen=True)
class Row:
    """One prediction. `text`: tells its exchange from another; None where the file does not hold it."""

    prediction: Prediction
    text: str | None


@dataclass(frozen=True)
class Predictions:
    """One guard on one benchmark and task, by row id. `mode` None: the file does not say."""

    benchmark: str
    task: Task
    mode: Mode | None
    path: Path
    rows: Mapping[str, Row]

    @property
    def place(self) -> str:
        """`ToxicChat, prompt_harmfulness, fast`."""
        return ", ".join([self.benchmark, self.task.value, *([self.mode] if self.mode else [])])


@dataclass(frozen=True)
class Pair:
    """What both guards judged, row by row, and how many rows only one of them has."""

    benchmark: str
    task: Task
    modes: tuple[Mode | None, Mode | None]
    a: tuple[Prediction, ...]
    b: tuple[Prediction, ...]
    only_a: int
    only_b: int


@dataclass(frozen=True)
class Paired:
    """All pairs, and the cells that only one side has."""

    pairs: tuple[Pair, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]


def read_predictions(
    path: Path, names: Mapping[str, str], mode: Mode | None, protocol: Protocol, read_prompt: ReadPrompt
) -> list[Predictions]:
    """Every cell below `path`. `names`: source of a row -> its benchmark; `mode`: only what was judged in it."""
    if not os.path.exists(path):
        raise InputError(f"{path}: no such file or folder")
    kept = _kept_files(path)
    if not kept:
        if mode is not None:
            raise InputError(f"{path}: holds no predictions of `guardreasoner evaluate`, so none of mode {mode}")
        return _released(path, protocol, read_prompt)
    if mode not in (None, *(told for _, told in kept)):
        raise InputError(f"{path}: no predictions of mode {mode}, found {', '.join(sorted({m for _, m in kept}))}")
    cells = [cell for file, told in kept if mode in (None, told) for cell in _evaluated(file, told, names)]
    if not cells:
        raise InputError(f"{path}: holds predictions, but none of a row that was asked and is labelled")
    return cells


def pair(a: Sequence[Predictions], b: Sequence[Predictions]) -> Paired:
    """Join cell by cell: one mode on each side is compared whatever it is, of several those that both sides have."""
    keys = dict.fromkeys((cell.benchmark, cell.task) for cell in (*a, *b))
    pairs: list[Pair] = []
    left: tuple[list[str], list[str]] = ([], [])
    for key in keys:
        sides = [{cell.mode: cell for cell in side if (cell.benchmark, cell.task) == key} for side in (a, b)]
        shared = [mode for mode in sides[0] if mode in sides[1]]
        joined = [(mode, mode) for mode in shared]
        if len(sides[0]) == len(sides[1]) == 1:
            joined = [(next(iter(sides[0])), next(iter(sides[1])))]
        pairs += [_join(sides[0][modes[0]], sides[1][modes[1]]) for modes in joined]
        for index, side in enumerate(sides):
            matched = {modes[index] for modes in joined}
            left[index].extend(cell.place for mode, cell in side.items() if mode not in matched)
    if not pairs:
        raise InputError(f"no cell is on both sides: A has {'; '.join(left[0])}, B has {'; '.join(left[1])}")
    return Paired(tuple(pairs), tuple(left[0]), tuple(left[1]))


def _join(a: Predictions, b: Predictions) -> Pair:
    both = [id for id in a.rows if id in b.rows]
    for id in both:
        one, other = a.rows[id], b.rows[id]
        if one.text is not None and other.text is not None and one.text != other.text:
            raise InputError(f"{b.path}: row {id} of {b.place} has another text than in {a.path}")
        if one.prediction.gold != other.prediction.gold:
            golds = one.prediction.gold, other.prediction.gold
            raise InputError(f"{b.path}: row {id} of {b.place} is labelled {golds[1]}, in {a.path} it is {golds[0]}")
    return Pair(
        benchmark=a.benchmark,
        task=a.task,
        modes=(a.mode, b.mode),
        a=tuple(a.rows[id].prediction for id in both),
        b=tuple(b.rows[id].prediction for id in both),
        only_a=len(a.rows) - len(both),
        only_b=len(b.rows) - len(both),
    )


def _kept_files(path: Path) -> list[tuple[Path, Mode]]:
    """The files of `evaluate` in a folder, its `predictions` or the file named: `<set>.<mode>.jsonl`."""
    files = [path] if path.is_file() else sorted({*path.glob("*.jsonl"), *path.glob("predictions/*.jsonl")})
    modes = [(file, file.name.removesuffix(".jsonl").rpartition(".")[2]) for file in files]
    return [(file, cast(Mode, mode)) for file, mode in modes if mode in get_args(Mode)]


def _evaluated(path: Path, mode: Mode, names: Mapping[str, str]) -> Iterator[Predictions]:
    asked = read_asked(path)
    rows = in_question(read_judged(path), judged_tasks(read_settings(path), path), asked)
    lines = lines_of(asked, rows)
    for source in dict.fromkeys(row.source for row in rows):
        here = [row for row in rows if row.source == source]
        named = [(line.name, Task(line.task)) for line in lines]
        for name, task in named or [(names.get(source, source), task) for task in Task]:
            if found := _rows(here, task):
                yield Predictions(name, task, mode, path, found)


def _rows(rows: Sequence[Judged], task: Task) -> dict[str, Row]:
    """Those that are labelled for `task`, by id."""
    annotated = [row for row in rows if row.gold.get(task) is not None]
    predictions = zip(annotated, predictions_of(annotated, task), strict=True)
    return {row.id: Row(prediction, row.digest) for row, prediction in predictions}


def _released(path: Path, protocol: Protocol, read_prompt: ReadPrompt) -> list[Predictions]:
    cells = read_cells([path], protocol)
    models = sorted({cell.model for cell in cells})
    if len(models) > 1:
        raise InputError(f"{path}: holds predictions of {', '.join(models)}; name the folder of one of them")
    return [
        Predictions(
            cell.benchmark,
            cell.task,
            None,
            cell.path,
            {
                str(number): Row(prediction, _text(prompt, cell.task, read_prompt))
                for number, prompt, prediction in zip(cell.lines, cell.prompts, cell.predictions, strict=True)
            },
        )
        for cell in cells
    ]


def _text(prompt: str | None, task: Task, read_prompt: ReadPrompt) -> str | None:
    exchange = None if prompt is None else read_prompt(prompt, task)
    return None if exchange is None else exchange.digest
