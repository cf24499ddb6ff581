"""From the records of a table to rows to judge: which columns, and what makes a row unreadable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guardreasoner.data.tables import Record, read_records
from guardreasoner.errors import InputError
from guardreasoner.inputs import as_exchange
from guardreasoner.types import Exchange


@dataclass(frozen=True)
class Columns:
    """The names of the columns to read; None = there is no such column."""

    prompt: str
    response: str | None
    id: str | None


@dataclass(frozen=True)
class Row:
    """One row of the input: what to judge, or why it cannot be."""

    line: int
    id: Any
    exchange: Exchange | None
    error: str | None = None


def find_columns(path: Path, names: Sequence[str], prompt: str, response: str | None, id: str | None) -> Columns:
    """The columns to read; one that was asked for by name must exist, `response` and `id` are found if they are there.

    Args:
        path: the file, for the sentence of the error.
        names: the columns there are.
        prompt: must exist.
        response: must exist if it is not None; None = `response` if there is one.
        id: must exist if it is not None; None = `id` if there is one.
    """
    for wanted in (prompt, response, id):
        if wanted is not None and wanted not in names:
            raise InputError(f"{path} has no column {wanted!r}; its columns are {', '.join(names) or 'none'}")
    default_response = "response" if "response" in names and prompt != "response" else None
    return Columns(prompt, response or default_response, id or ("id" if "id" in names else None))


def read_rows(path: Path, columns: Columns) -> Iterator[Row]:
    """Every row in order, the unreadable ones with their reason."""
    wanted = [name for name in (columns.prompt, columns.response, columns.id) if name is not None]
    return (_row(record, columns) for record in read_records(path, wanted))


def _row(record: Record, columns: Columns) -> Row:
    value = record.value or {}
    id = None if columns.id is None else value.get(columns.id)
    if isinstance(id, str) and not _is_unicode(id):
        return Row(record.line, None, None, record.error or f"{columns.id!r} is not valid Unicode")
    try:
        return Row(record.line, id, _exchange(record, columns))
    except InputError as error:
        return Row(record.line, id, None, str(error))


def _exchange(record: Record, columns: Columns) -> Exchange:
    if record.value is None or record.error is not None:
        raise InputError(record.error or "no record")
    if record.value.get(columns.prompt) is None:
        raise InputError(f"{columns.prompt!r} is {'null' if columns.prompt in record.value else 'missing'}")
    response = None if columns.response is None else record.value.get(columns.response)
    return as_exchange((record.value[columns.prompt], response))


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
