"""From a file of other people, in whatever form they ship it, to records; one that cannot be read says why.

JSONL, one JSON list, CSV and Parquet, the first three also as .gz, JSONL as .xz. Any of them is read piece by piece.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO, cast

from guardreasoner.data.tables import Record, csv_records, jsonl_records, parquet_records
from guardreasoner.errors import InputError
from guardreasoner.jsonl import Json, unpacked

FORMS = (".jsonl", ".json", ".csv", ".jsonl.gz", ".json.gz", ".csv.gz", ".jsonl.xz", ".parquet")
_PIECE = 2**20  # characters read at a time
_LONGEST = 2**26  # no row is longer: a list with a bracket missing is not read to its end
_SPACE = re.compile(r"\s*")
_DECODER = json.JSONDecoder()


def form(path: Path) -> str:
    """Which of `FORMS` the file's name says it has."""
    name = path.name.lower()
    found = max((suffix for suffix in FORMS if name.endswith(suffix)), key=len, default=None)
    if found is None:
        raise InputError(f"{path}: expected a name that ends in {', '.join(FORMS)}")
    return found


def read_raw(path: Path) -> Iterator[Record]:
    """Every record in order, all columns; `Record.line` is the line of JSONL and CSV, else the number of the row."""
    match form(path).removesuffix(".gz").removesuffix(".xz"):
        case ".csv":
            return csv_records(path)
        case ".parquet":
            return parquet_records(path)
        case ".json" if not _is_lines(path):
            return _list_records(path)
        case _:
            return jsonl_records(path)


def _is_lines(path: Path) -> bool:
    """True for JSONL under the name of JSON, as many data sets ship it."""
    with unpacked(path) as file:
        return file.read(256).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")


def _list_records(path: Path) -> Iterator[Record]:
    with unpacked(path) as file, TextIOWrapper(file, encoding="utf-8-sig") as text:
        try:
            for number, value in enumerate(_elements(text, path), 1):
                if isinstance(value, dict):
                    yield Record(number, cast(Json, value))
                else:
                    yield Record(number, None, f"expected a JSON object, found {type(value).__name__}")
        except UnicodeDecodeError:
            raise InputError(f"{path}: not valid UTF-8") from None


def _elements(text: TextIO, path: Path) -> Iterator[object]:
    """The elements of one JSON list. A broken one ends it: nobody can say where the next begins."""
    window, number = _Window(text), 0
    if (first := window.peek()) != "[":
        raise InputError(f"{path}: found {'other JSON' if first else 'an empty file'}, expected a list of objects")
    window.position += 1
    mark = window.peek()
    while mark != "]":
        number += 1
        yield window.value(f"{path}, row {number}")
        mark = window.peek()
        if mark not in ("]", ","):
            raise InputError(f"{path}, row {number}: expected a comma or the end of the list after it")
        window.position += mark == ","
    window.position += 1
    if window.peek():
        raise InputError(f"{path}: text after the end of the list")


class _Window:
    """The part of a text that is being read; what lies before `position` is done with."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._held = ""
        self.position = 0

    def peek(self) -> str:
        """The next character that is not white space, not taken; empty at the end of the text."""
        while True:
            space = _SPACE.match(self._held, self.position)
            self.position = space.end() if space else self.position
            if self.position < len(self._held):
                return self._held[self.position]
            if not self._more():
                return ""

    def value(self, place: str) -> object:
        """The next JSON value; `place` names it in the sentence that says what is wrong with it."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._held, self.position)
                if end < len(self._held):  # else a number could go on
                    self.position = end
                    return value
                problem = "the list is not closed"
            except json.JSONDecodeError as error:
                problem = f"not valid JSON: {error.msg}"
            except (RecursionError, ValueError):
                raise InputError(f"{place}: not readable JSON: nested too deep or a number too long") from None
            if len(self._held) - self.position > _LONGEST or not self._more():
                raise InputError(f"{place}: {problem}")

    def _more(self) -> bool:
        piece = self._text.read(_PIECE)
        self._held, self.position = self._held[self.position :] + piece, 0
        return bool(piece)
