"""From `--file`, `--column` and `--value` to labelled files and what their columns hold."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from guardreasoner.data.raw import read_raw
from guardreasoner.errors import InputError
from guardreasoner.jsonl import open_binary
from guardreasoner.recipe import FileSource
from guardreasoner.types import Task

_TASKS = tuple(task.value for task in Task)
_FIELDS = ("prompt", "response", "id", *_TASKS)
_LOOKED_AT = 100  # rows: JSONL may leave out an empty column


def own_files(paths: Sequence[Path], columns: Sequence[str], values: Sequence[str]) -> list[FileSource]:
    """One source per file. A column that is not named is taken where one of its own name is there."""
    for given, option in ((columns, "--column"), (values, "--value")):
        if given and not paths:
            raise InputError(f"{option} is about the rows of --file, which is not given")
    named = dict(_column(text) for text in columns)
    stand_for: dict[str, str | dict[str, str]] = {}
    for text in values:
        column, value, label = _value(text)
        if column is None:
            stand_for[value] = label
        else:
            inner = stand_for.setdefault(column, {})
            if isinstance(inner, str):
                raise InputError(f"--value {text}: {column!r} is a value above and a column here")
            inner[value] = label
    return [_source(path, named, stand_for) for path in paths]


def _source(path: Path, named: dict[str, str], values: dict[str, str | dict[str, str]]) -> FileSource:
    open_binary(path).close()  # a missing file is named before its columns are
    there = {name for record in islice(read_raw(path), _LOOKED_AT) for name in record.value or ()}
    found = {field: named.get(field, field) for field in _FIELDS if field in named or field in there}
    if not any(task in found for task in _TASKS):
        raise InputError(
            f"{path}: no labels, expected a column {', '.join(_TASKS)} or `--column TASK=COLUMN`; "
            f"found {', '.join(sorted(there)) or 'no rows'}"
        )
    return FileSource.model_validate({"path": path, "values": values, **found})


def _column(text: str) -> tuple[str, str]:
    field, equals, column = text.partition("=")
    if not equals or not column or field not in _FIELDS:
        raise InputError(f"--column {text}: expected FIELD=COLUMN, FIELD one of {', '.join(_FIELDS)}")
    return field, column


def _value(text: str) -> tuple[str | None, str, str]:
    left, equals, label = text.rpartition("=")
    column, colon, value = left.rpartition(":")
    if not equals or not value:
        raise InputError(f"--value {text}: expected VALUE=LABEL or COLUMN:VALUE=LABEL")
    return (column if colon else None), value, label
