"""From a table of your own rows to `Sample`s, by the columns that a recipe's `[[data.files]]` names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from guardreasoner.data.raw import form, read_raw
from guardreasoner.data.tally import Found, Tally, cell, exchange_of
from guardreasoner.errors import InputError
from guardreasoner.jsonl import Json, open_binary
from guardreasoner.recipe import FileSource
from guardreasoner.types import Labels, Sample, Task

_LABELS = sorted({label for task in Task for label in task.labels})


def file_samples(source: FileSource, tally: Tally) -> Iterator[Found]:
    """Every row in order; rows that cannot be read are counted in `tally`.

    Raises:
        InputError: a column is not there, or a label is none of the task's.
    """
    path = tally.place = str(source.path)
    open_binary(source.path).close()  # a missing file is named before its columns are
    _check(source)
    name = source.source or source.path.name.removesuffix(form(source.path))
    for record in read_raw(source.path):
        tally.rows += 1
        made = record.error or "no row"
        if record.value is not None and record.error is None:
            made = _sample(source, name, record.value, record.line, tally)
        if isinstance(made, str):
            tally.left_out[made] += 1
        else:
            tally.taken += 1
            yield Found(path, record.line, made)
    tally.check_some()


def _columns(source: FileSource) -> dict[str, str]:
    """The columns that the recipe names, by what they hold."""
    named = {"prompt": source.prompt, "response": source.response, "id": source.id}
    named |= {task.value: getattr(source, task.value) for task in Task}
    return {key: column for key, column in named.items() if column is not None}


def _check(source: FileSource) -> None:
    """The columns are those of the file, and the values stand for labels."""
    for value, label in _flat(source.values):
        if label not in _LABELS:
            raise InputError(f"{source.path}: `values` makes {label!r} of {value!r}, expected {', '.join(_LABELS)}")
    wanted, seen = set(_columns(source).values()), dict[str, None]()
    for record in read_raw(source.path):
        seen |= dict.fromkeys(record.value or ())
        if wanted <= seen.keys():
            return
    if missing := sorted(wanted - seen.keys()):
        raise InputError(f"{source.path}: no column {missing[0]!r}, found {', '.join(seen) or 'no rows'}")


def _flat(values: Mapping[str, str | Mapping[str, str]]) -> Iterator[tuple[str, str]]:
    for value, label in values.items():
        yield from [(value, label)] if isinstance(label, str) else label.items()


def _sample(source: FileSource, name: str, row: Json, line: int, tally: Tally) -> Sample | str:
    response = cell(row.get(source.response)) if source.response else None
    exchange = exchange_of(cell(row.get(source.prompt)), response)
    if isinstance(exchange, str):
        return exchange
    given: dict[str, str | None] = {}
    for task in Task:
        label = _label(source, task, row, line)
        if label is not None and task not in exchange.tasks:
            tally.masked += 1
            label = None
        given[task.value] = label
    identity = cell(row.get(source.id)) if source.id else f"{name}-{line}"
    if identity is None:
        return f"no {source.id}"
    return Sample(id=_text(identity), source=name, exchange=exchange, labels=Labels.model_validate(given))


def _label(source: FileSource, task: Task, row: Json, line: int) -> str | None:
    """The row's label, None if its cell is empty or no column was named."""
    column: str | None = getattr(source, task.value)
    value = None if column is None else cell(row.get(column))
    if column is None or value is None:
        return None
    text = _text(value)
    own = source.values.get(column)
    label = own.get(text) if isinstance(own, Mapping) else None
    label = label or source.values.get(text, text)
    if label not in task.labels:
        raise InputError(
            f"{source.path}, line {line}: `{column}` holds {text[:40]!r}, expected {' or '.join(task.labels)}"
            "; `values` says what other words stand for"
        )
    return label


def _text(value: object) -> str:
    """As a person writes it: true and 1, not True and 1.0."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
