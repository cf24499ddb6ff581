"""From a JSONL, CSV or Parquet file to records and back; a record that cannot be read says why."""

from __future__ import annotations

import csv
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module  # pyarrow has no types, and loads only where a Parquet file is named
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from guardreasoner.errors import InputError, MissingExtra
from guardreasoner.jsonl import Json, open_binary, read_lines, unpacked, write_atomically, write_objects

SUFFIXES = (".jsonl", ".csv", ".parquet")
PARQUET_BATCH = 256  # rows read at a time: long texts times 256 still fit any memory


@dataclass(frozen=True)
class Record:
    """One record, or why it cannot be read (then `value` is what could be made out, or None).

    `line` counts from 1, as editors count; for Parquet, which has no lines, it is the number of the row.
    """

    line: int
    value: Json | None
    error: str | None = None


def suffix(path: Path) -> str:
    """The kind of table that `path` names."""
    found = path.suffix.lower()
    if found not in SUFFIXES:
        raise InputError(f"{path}: expected a name that ends in {', '.join(SUFFIXES)}, found {found or 'no suffix'}")
    if found == ".parquet":
        _pyarrow()
    return found


def survey(path: Path) -> tuple[list[str], int]:
    """The columns of the file, in order, and its number of rows. JSONL: the names used in any row."""
    open_binary(path).close()  # a missing file or a folder is named before its suffix is
    kind = suffix(path)
    if kind == ".parquet":
        with _parquet(path) as file:
            return list(file.schema_arrow.names), file.metadata.num_rows
    names: dict[str, None] = {}
    count = 0
    for record in csv_records(path) if kind == ".csv" else jsonl_records(path):
        names |= dict.fromkeys(record.value or ())
        count += 1
    return (_csv_header(path) if kind == ".csv" else list(names)), count


def read_records(path: Path, names: Sequence[str]) -> Iterator[Record]:
    """Every record in order. `names`: the columns that are needed; Parquet reads no others."""
    match suffix(path):
        case ".csv":
            return csv_records(path)
        case ".jsonl":
            return jsonl_records(path)
        case _:
            return parquet_records(path, names)


def jsonl_records(path: Path) -> Iterator[Record]:
    """Every line that is not blank."""
    return (Record(line.number, line.value, line.error) for line in read_lines(path))


def csv_records(path: Path) -> Iterator[Record]:
    """Rows under the header; bytes that are not UTF-8 come as lone surrogates, which no valid file can hold."""
    header = _csv_header(path)
    with _csv_reader(path) as reader:
        next(reader, None)
        while True:
            line = reader.line_num + 1
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                last = reader.line_num
                lines = f"; lines {line} to {last} were read as this one row, none of them is judged"
                yield Record(line, None, f"not valid CSV: {error}{lines if last > line else ''}")
                continue
            if not fields:  # a blank line
                continue
            value: Json = dict(zip(header, fields, strict=False))
            error = None
            if len(fields) != len(header):
                error = f"found {len(fields)} fields, expected {len(header)} as in the header"
            elif any("\udc80" <= character <= "\udcff" for field in fields for character in field):
                error = "not valid UTF-8"
            yield Record(line, value, error)


def _csv_header(path: Path) -> list[str]:
    with _csv_reader(path) as reader:
        try:
            header = next(reader, None)
        except csv.Error as error:
            raise InputError(f"{path}, line 1: not valid CSV: {error}") from error
    if not header:
        raise InputError(f"{path}: expected a header line with the names of the columns, found an empty file")
    if repeated := [name for number, name in enumerate(header) if name and name in header[:number]]:
        raise InputError(f"{path}, line 1: the header names the column {repeated[0]!r} twice, expected each name once")
    return header


@contextmanager
def _csv_reader(path: Path) -> Generator[Any]:
    csv.field_size_limit(2**31 - 1)  # the library's 128 KiB would refuse long texts; Windows takes no more
    with (
        unpacked(path) as file,
        TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="") as text,
    ):
        yield csv.reader(text, strict=True)


def parquet_records(path: Path, names: Sequence[str] | None = None) -> Iterator[Record]:
    """Rows with the columns `names`; None = all of them."""
    line = 0
    wanted = None if names is None else list(dict.fromkeys(names))
    with _parquet(path) as file:
        for batch in file.iter_batches(batch_size=PARQUET_BATCH, columns=wanted):
            for index in range(batch.num_rows):
                line += 1
                try:
                    value = {name: batch.column(name)[index].as_py() for name in batch.schema.names}
                except UnicodeDecodeError:
                    yield Record(line, None, "not valid UTF-8")
                else:
                    yield Record(line, value)


@contextmanager
def _parquet(path: Path) -> Generator[Any]:
    pyarrow: Any = _pyarrow()
    with open_binary(path) as source:
        try:
            yield pyarrow.parquet.ParquetFile(source)
        except pyarrow.ArrowException as error:
            raise InputError(f"{path} is not a readable Parquet file: {str(error).splitlines()[0]}") from error


def write_rows(path: Path, rows: Iterable[Json], names: Sequence[str], types: Sequence[type]) -> None:
    """All rows under the columns `names`, or the file as it was. `types`: what Parquet stores, one per column."""
    match suffix(path):
        case ".jsonl":
            write_objects(path, rows)
        case ".csv":
            _write_csv(path, rows, names)
        case _:
            _write_parquet(path, rows, names, types)


def _write_csv(path: Path, rows: Iterable[Json], names: Sequence[str]) -> None:
    with write_atomically(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([_cell(row[name]) for name in names] for row in rows)


def _cell(value: object) -> object:
    """As JSON writes it: an absent value is an empty cell, and true is not True."""
    return str(value).lower() if isinstance(value, bool) else value


def _write_parquet(path: Path, rows: Iterable[Json], names: Sequence[str], types: Sequence[type]) -> None:
    pyarrow: Any = _pyarrow()
    arrow = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64(), bool: pyarrow.bool_()}
    schema = pyarrow.schema([(name, arrow[kind]) for name, kind in zip(names, types, strict=True)])
    with write_atomically(path) as beside, pyarrow.parquet.ParquetWriter(str(beside), schema) as writer:
        for chunk in _chunks(rows):
            writer.write_table(pyarrow.Table.from_pylist(chunk, schema=schema))


def _chunks(rows: Iterable[Json], size: int = 4096) -> Iterator[list[Json]]:
    chunk: list[Json] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _pyarrow() -> Any:
    try:
        import_module("pyarrow.parquet")
        return import_module("pyarrow")
    except ImportError:
        raise MissingExtra("reading and writing Parquet", "parquet") from None
