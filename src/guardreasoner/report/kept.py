"""From the files that `guardreasoner evaluate` keeps to rows and what was asked of them; one reader for all.

Beside `SET.MODE.jsonl` stand `SET.MODE.settings.json`, what the rows were made with, and `SET.MODE.asked.json`, what
was last asked: rows of earlier runs may be in the file that are in no figure. Folders from before either was kept are
read too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from guardreasoner.errors import InputError
from guardreasoner.jsonl import read_lines, reason
from guardreasoner.report.judged import Judged
from guardreasoner.types import Labels, Record, Task, TaskName


class Line(Record):
    """One line of a report: what the set is called, the task, and how its rows depart from what they must be."""

    name: str
    task: TaskName
    note: str | None = None


class Asked(Record):
    """What was asked of one file: the lines of the report, and the rows by source and id, in order."""

    lines: tuple[Line, ...] = ()
    """None: a line for every task that the rows are labelled for."""
    rows: tuple[tuple[str, str], ...]


def read_judged(path: Path) -> list[Judged]:
    """Every row of a file of predictions; one that cannot be read, or is there twice, is an InputError."""
    found: dict[tuple[str, str], Judged] = {}
    for line in read_lines(path):
        place = f"{path}, line {line.number}"
        if line.value is None:
            raise InputError(f"{place}: {line.error}")
        try:
            row = Judged.model_validate({"labels": None, **line.value})
        except ValidationError as error:
            raise InputError(f"{place}: no prediction: {_first(error)}") from None
        if (row.source, row.id) in found:
            raise InputError(f"{place}: a second prediction for {row.source} {row.id}")
        found[row.source, row.id] = row
    return list(found.values())


def read_settings(path: Path) -> dict[str, Any] | None:
    """What the predictions in `path` were made with, None if it was not kept."""
    beside = settings_path(path)
    found = _json(beside)
    if found is None:
        return None
    if not isinstance(found, dict):
        raise InputError(f"{beside}: expected an object, found {type(found).__name__}")
    return cast("dict[str, Any]", found)


def read_asked(path: Path) -> Asked | None:
    """What was last asked of the predictions in `path`, None if it was not kept."""
    beside = asked_path(path)
    found = _json(beside)
    try:
        return None if found is None else Asked.model_validate(found)
    except ValidationError as error:
        raise InputError(f"{beside}: not what was asked of the predictions: {_first(error)}") from None


def settings_path(path: Path) -> Path:
    """Of the predictions in `path`."""
    return path.with_suffix(".settings.json")


def asked_path(path: Path) -> Path:
    """Of the predictions in `path`."""
    return path.with_suffix(".asked.json")


def judged_tasks(settings: Mapping[str, Any] | None, path: Path) -> tuple[Task, ...]:
    """The tasks that the guard judges; all, where that was not kept."""
    kept: object = (settings or {}).get("tasks")
    if kept is None:
        return tuple(Task)
    names = cast("list[object]", kept) if isinstance(kept, list) else [kept]
    if unknown := [name for name in names if name not in [task.value for task in Task]]:
        raise InputError(f"{settings_path(path)}: unknown task {unknown[0]!r}")
    return tuple(task for task in Task if task.value in names)


def in_question(rows: Sequence[Judged], tasks: Sequence[Task], asked: Asked | None) -> list[Judged]:
    """The rows that were asked, in that order, with the gold labels of the tasks that the guard judges."""
    if asked is not None:
        there = {(row.source, row.id): row for row in rows}
        rows = [there[key] for key in asked.rows if key in there]
    return list(rows) if set(tasks) == set(Task) else [_only(row, tasks) for row in rows]


def lines_of(asked: Asked | None, rows: Sequence[Judged]) -> tuple[Line, ...]:
    """The lines that were asked. Where some of their rows are not judged yet, they say so."""
    if asked is None or len(rows) == len(asked.rows):
        return () if asked is None else asked.lines
    said = f"{len(rows):,} of {len(asked.rows):,} rows are judged so far"
    notes = (said if line.note is None else f"{line.note}; {said}" for line in asked.lines)
    return tuple(line.model_copy(update={"note": note}) for line, note in zip(asked.lines, notes, strict=True))


def labelled_tasks(rows: Iterable[Judged]) -> tuple[Task, ...]:
    """The tasks that any row is labelled for."""
    found = {task for row in rows for task in row.gold.tasks}
    return tuple(task for task in Task if task in found)


def _only(row: Judged, tasks: Sequence[Task]) -> Judged:
    gold = Labels.model_validate({task.value: row.gold.get(task) for task in tasks})
    return row.model_copy(update={"gold": gold})


def _json(path: Path) -> object:
    """None if there is no such file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"cannot read {path}: {reason(error)}") from None
    except (RecursionError, ValueError) as error:
        raise InputError(f"{path}: not readable JSON: {error}") from None


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
