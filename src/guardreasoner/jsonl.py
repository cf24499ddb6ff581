"""From lines of JSON to values and back; a journal that survives kill -9, and files that are written whole."""

from __future__ import annotations

import gzip
import json
import lzma
import os
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast

from guardreasoner.errors import InputError

Json = dict[str, Any]
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Line:
    """One line of a JSONL file: its object, or the sentence that says why it holds none. `number` counts from 1."""

    number: int
    value: Json | None
    error: str | None = None


def parse_line(line: bytes, number: int) -> Line:
    """The object on one line, or what is wrong with it."""
    try:
        value: object = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return Line(number, None, f"not valid UTF-8 at byte {error.start + 1}")
    except json.JSONDecodeError as error:
        return Line(number, None, f"not valid JSON: {error.msg} at column {error.colno}")
    except (RecursionError, ValueError):  # nested too deep; an integer of more digits than Python reads
        return Line(number, None, "not readable JSON: nested too deep or a number too long")
    if not isinstance(value, dict):
        return Line(number, None, f"expected a JSON object, found {type(value).__name__}")
    return Line(number, cast(Json, value))


def read_lines(path: Path) -> Iterator[Line]:
    """Every line that is not blank, readable or not."""
    with unpacked(path) as file:
        for number, line in enumerate(file, start=1):
            content = line.removeprefix(BOM) if number == 1 else line
            if content.strip():
                yield parse_line(content, number)


def read_objects(path: Path) -> Iterator[Json]:
    """Every object; the first unreadable line is an InputError that names it."""
    for line in read_lines(path):
        if line.value is None:
            raise InputError(f"{path}, line {line.number}: {line.error}")
        yield line.value


def open_binary(path: Path) -> IO[bytes]:
    """`path` opened for reading; whatever stands in the way is an InputError."""
    try:
        return path.open("rb")
    except OSError as error:
        raise InputError(f"cannot read {path}: {reason(error)}") from error


@contextmanager
def unpacked(path: Path) -> Generator[IO[bytes]]:
    """`path` for reading, unpacked if its name ends in .gz or .xz; an archive that breaks off is an InputError."""
    with open_binary(path) as file:
        if path.suffix not in (".gz", ".xz"):
            yield file
            return
        try:
            with gzip.open(file) if path.suffix == ".gz" else lzma.open(file) as content:
                yield cast(IO[bytes], content)
        except (gzip.BadGzipFile, lzma.LZMAError, EOFError, zlib.error) as error:
            kind = "gzip" if path.suffix == ".gz" else "xz"
            raise InputError(f"{path} is not a whole {kind} file: {error}") from None


def make_folder(path: Path) -> None:
    """`path` and what is above it; a file in its place, or no permission, is an InputError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {path}: {reason(error)}") from error


def reason(error: OSError) -> str:
    """Why the system refused, in its own words: `no such file or directory`."""
    return (error.strerror or str(error)).lower()


def dump(value: Json) -> bytes:
    """One line of JSON with its newline; what JSON does not know is written as text."""
    return json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", errors="backslashreplace") + b"\n"


@contextmanager
def write_atomically(path: Path) -> Generator[Path]:
    """A path beside `path` to write to; it takes the place of `path` when the block ends without an error."""
    beside = path.with_name(path.name + ".writing")
    try:
        yield beside
        with beside.open("rb+") as written:
            os.fsync(written.fileno())
        beside.replace(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {reason(error)}") from error
    finally:
        beside.unlink(missing_ok=True)


def write_objects(path: Path, values: Iterable[Json]) -> None:
    """All of `values`, or the file as it was."""
    with write_atomically(path) as beside, beside.open("wb") as file:
        for value in values:
            file.write(dump(value))


class Journal:
    """Records appended batch by batch, each batch on disk before `append` returns.

    Opening one that a killed process left behind drops its torn last line; `read` gives the complete ones.
    Only one process may hold it at a time, where the system can lock files.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open()

    def read(self) -> Iterator[Json]:
        """The records appended so far, by this process or by an earlier one."""
        return read_objects(self.path)

    def append(self, records: Iterable[Json]) -> None:
        """Write and fsync: after a power cut the file ends with these records or inside them, never beyond."""
        try:
            self._file.write(b"".join(dump(record) for record in records))
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise InputError(f"cannot write {self.path}: {reason(error)}") from error

    def replace(self, records: Iterable[Json]) -> None:
        """`records` take the place of all that were appended, or it stays as it was."""
        write_objects(self.path, records)
        self._file.close()
        self._open()

    def close(self) -> None:
        self._file.close()

    def _open(self) -> None:
        self._file = _opened_alone(
            self.path, f"{self.path} is in use by another process that is writing the same output"
        )
        _drop_torn_line(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@contextmanager
def held(path: Path, doing: str) -> Generator[None]:
    """While it lasts no other process gets `path`, where the system can lock files; a killed one holds nothing.

    Raises:
        InputError: another process has it, and is `doing` something there.
    """
    make_folder(path.parent)
    with _opened_alone(path, f"{path.parent}: another process is {doing} here; wait for it, or stop it"):
        yield


def _opened_alone(path: Path, taken: str) -> IO[bytes]:
    """To append to and to read, locked; InputError that says `taken` if another process has it."""
    try:
        file = path.open("ab+")
    except OSError as error:
        raise InputError(f"cannot write {path}: {reason(error)}") from error
    if not _lock(file):
        file.close()
        raise InputError(taken)
    return file


def _lock(file: IO[bytes]) -> bool:
    try:
        import fcntl
    except ImportError:  # not a POSIX system
        return True
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _drop_torn_line(file: IO[bytes]) -> None:
    """Cut what follows the last newline: a line that was being written when the process died."""
    position = end = file.seek(0, os.SEEK_END)
    while position > 0:
        start = max(0, position - 65536)
        file.seek(start)
        newline = file.read(position - start).rfind(b"\n")
        if newline >= 0:
            position = start + newline + 1
            break
        position = start
    if position != end:
        file.truncate(position)
    file.seek(0, os.SEEK_END)
