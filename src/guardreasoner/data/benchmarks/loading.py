"""From a benchmark's name to its rows: out of the authors' files, of a copy in the upstream layout, or off the hub."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from guardreasoner.data.benchmarks.authors import read_authors
from guardreasoner.data.benchmarks.github import fetch
from guardreasoner.data.benchmarks.sets import RowSet
from guardreasoner.data.benchmarks.table import ROW_SETS, Benchmark, cells_of
from guardreasoner.data.hub import Rows, checked, open_rows
from guardreasoner.data.raw import FORMS
from guardreasoner.data.tables import Record
from guardreasoner.data.tally import Tally
from guardreasoner.errors import InputError
from guardreasoner.jsonl import Json
from guardreasoner.types import Sample

_BELOW = (Path(), Path("data") / "benchmark")  # the folder itself, and a clone of the authors' repository


class Local(NamedTuple):
    """A file of a set: in the authors' form, or as upstream has it."""

    rows: RowSet
    path: Path
    authors: bool


@dataclass(frozen=True)
class Loaded:
    """The samples of a set, where they are from, and what became of its rows."""

    rows: RowSet
    samples: tuple[Sample, ...]
    tally: Tally
    chosen: bool = False
    """The file holds the rows that are judged and no others: one that is left out is a departure."""

    @property
    def place(self) -> str:
        return self.tally.place

    def note(self, benchmark: Benchmark) -> str | None:
        """How the rows of one benchmark depart from what they must be, None if they do not."""
        difference = benchmark.difference(self.samples)
        left_out = self.tally.left_out_sentence() if self.chosen else None
        return "; ".join(part for part in (difference, left_out) if part) or None


def find_local(paths: Iterable[Path], *, some: bool = True) -> list[Local]:
    """The sets whose files are among `paths` or in folders among them, in the order of the table; the first of each.

    `some`: a folder without any is an InputError.
    """
    found: dict[RowSet, Local] = {}
    for path in paths:
        if path.is_dir():
            inside = [local for rows in ROW_SETS if (local := _in_folder(rows, path))]
            if some and not inside:
                raise InputError(f"{path}: a folder without a benchmark file, expected {_known()}")
        elif path.is_file():
            inside = [_of_file(path)]
        else:
            raise InputError(f"{path}: no such file or folder")
        for local in inside:
            found.setdefault(local.rows, local)
    return [found[rows] for rows in ROW_SETS if rows in found]


def load_local(local: Local) -> Loaded:
    """The rows of one file; a file of another set, or without a row that can be used, is an InputError."""
    if local.authors:
        tasks = [benchmark.task for benchmark in cells_of(local.rows)]
        made = list(read_authors(local.path, local.rows.stem, tasks))
        samples = tuple(row for row in made if isinstance(row, Sample))
        left_out = Counter(row for row in made if isinstance(row, str))
        tally = Tally(place=str(local.path), rows=len(made), taken=len(samples), left_out=left_out)
        tally.check_some()
        return Loaded(local.rows, samples, tally, chosen=True)
    return _load(local.rows, Rows(str(local.path), lambda: local.rows.read(local.path)))


def load_remote(rows: RowSet) -> Loaded:
    """The rows of a set from the hub or from GitHub; every way to fail is one sentence that says the cure."""
    if rows.upstream.host == "hub":
        return _load(rows, open_rows(rows.upstream, None))
    path = fetch(rows.upstream)
    return _load(rows, Rows(rows.upstream.place, lambda: rows.read(path)))


def _load(rows: RowSet, source: Rows) -> Loaded:
    tally = Tally(place=source.place)
    samples: list[Sample] = []
    tasks = {benchmark.task for benchmark in cells_of(rows)}
    for number, row in enumerate(_prepared(rows, checked(source, rows.upstream), tally), 1):
        made = row if isinstance(row, str) else rows.convert(row, number)
        if isinstance(made, Sample) and not tasks & set(made.labels.tasks):
            made = "not annotated"
        if isinstance(made, str):
            tally.left_out[made] += 1
        else:
            tally.taken += 1
            samples.append(made.model_copy(update={"source": rows.stem, "id": str(number)}))
    tally.check_some()
    tally.note = None if rows.prepare is None else rows.rule
    return Loaded(rows, tuple(samples), tally)


def _prepared(rows: RowSet, records: Iterator[Record], tally: Tally) -> Iterator[Json | str]:
    """The rows to convert; what cannot be read is the reason why."""
    if rows.prepare is None:
        for record in records:
            tally.rows += 1
            yield record.value if record.value is not None and record.error is None else record.error or "no row"
    else:
        yield from rows.prepare(_readable(records, tally))


def _readable(records: Iterator[Record], tally: Tally) -> Iterator[Json]:
    for record in records:
        tally.rows += 1
        if record.value is None or record.error is not None:
            tally.left_out[record.error or "no row"] += 1
        else:
            yield record.value


def _in_folder(rows: RowSet, folder: Path) -> Local | None:
    for below in _BELOW:
        if (path := folder / below / f"{rows.stem}.json").is_file():
            return Local(rows, path, authors=True)
    path = next((path for path in _raw_places(rows, folder) if path.is_file()), None)
    return None if path is None else Local(rows, path, authors=False)


def _raw_places(rows: RowSet, folder: Path) -> Sequence[Path]:
    """Where upstream's file may lie; `test.jsonl.gz` alone, without its folders, could be anybody's."""
    upstream = rows.upstream
    bare = folder / Path(upstream.file).name
    places = [path for path in upstream.places(folder) if path != bare or not bare.name.startswith("test.")]
    return [*places, *(folder / f"{upstream.name}{suffix}" for suffix in FORMS)]


def _of_file(path: Path) -> Local:
    for rows in ROW_SETS:
        if path.name == f"{rows.stem}.json":
            return Local(rows, path, authors=True)
        if path in _raw_places(rows, path.parent):
            return Local(rows, path, authors=False)
    for rows in ROW_SETS:  # below folders of upstream's, such as round0/30k/test.jsonl.gz
        if path.as_posix().endswith(f"/{rows.upstream.file}"):
            return Local(rows, path, authors=False)
    raise InputError(f"{path}: unknown benchmark {path.stem!r}, expected {_known()}")


def _known() -> str:
    files = ", ".join(f"{rows.stem}.json" for rows in ROW_SETS if cells_of(rows)[0].group == "paper")
    return (
        f"{files} or a file as upstream has it (`guardreasoner benchmarks` lists them); --file takes rows of your own"
    )
