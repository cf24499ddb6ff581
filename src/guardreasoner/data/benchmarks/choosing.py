"""From what a person asks for to the sets to judge: which benchmarks, out of which folders, and files of their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from guardreasoner.data.benchmarks.loading import Loaded, Local, find_local, load_local, load_remote
from guardreasoner.data.benchmarks.sets import RowSet
from guardreasoner.data.benchmarks.table import BENCHMARKS, PAPER, ROW_SETS, SET_NAMES, Benchmark, named
from guardreasoner.data.files import file_samples
from guardreasoner.data.raw import form
from guardreasoner.data.tally import Tally, without_double_ids
from guardreasoner.errors import InputError, MissingExtra
from guardreasoner.recipe import FileSource
from guardreasoner.types import Sample, Task


class Asked(NamedTuple):
    """One line of the report: a benchmark's name, its task, and how its rows depart from what they must be."""

    name: str
    task: Task
    stem: str
    note: str | None


@dataclass(frozen=True)
class Chosen:
    """The sets to judge, each once, and the lines that they give. `missing`: sentences about what could not be had."""

    sets: dict[str, tuple[Sample, ...]]
    """By the stem that the predictions are filed under."""
    asked: tuple[Asked, ...]
    missing: tuple[str, ...] = ()


def choose(
    data: Sequence[Path], names: Sequence[str] | None, files: Sequence[FileSource], *, hub: bool = False
) -> Chosen:
    """What to judge.

    Args:
        data: folders and files of benchmarks.
        names: of benchmarks; None = all that `data` holds or, with `hub`, the paper's as well.
        files: labelled rows of one's own.
        hub: what is not in `data` is loaded from the hub or from GitHub.

    Raises:
        InputError: nothing can be judged, or a benchmark that was named cannot be had.
    """
    local = {each.rows: each for each in find_local(data)}
    wanted = _wanted(local, names, hub=hub)
    loaded: dict[RowSet, Loaded] = {}
    missing: list[str] = []
    for rows in [rows for rows in ROW_SETS if any(benchmark.rows_of == rows for benchmark in wanted)]:
        try:
            loaded[rows] = _load(rows, local, hub=hub)
        except (InputError, MissingExtra) as error:
            if rows in local or names is not None or isinstance(error, MissingExtra):
                raise
            missing.append(str(error))
    own = [own_rows(source) for source in files]
    if not loaded and not own:
        raise InputError(missing[0] if missing else "no benchmark was asked for; `guardreasoner benchmarks` lists them")
    asked = [
        Asked(each.name, each.task, each.stem, loaded[each.rows_of].note(each))
        for each in wanted
        if each.rows_of in loaded
    ]
    sets = {rows.stem: each.samples for rows, each in loaded.items()}
    for each in own:
        if twice := sets.keys() & each.sets.keys():
            raise InputError(f"two sets have the name {twice.pop()!r}, expected a name of its own for each file")
        sets |= each.sets
        asked += each.asked
    return Chosen(sets, tuple(asked), tuple(missing))


def own_rows(source: FileSource) -> Chosen:
    """A labelled file as a set, and a line for each task that it has labels of."""
    tally = Tally()
    samples = tuple(found.sample for found in without_double_ids(file_samples(source, tally)))
    stem = source.source or source.path.name.removesuffix(form(source.path))
    if stem.lower() in SET_NAMES:
        raise InputError(
            f"{source.path}: {stem!r} is the name of a benchmark, expected another name for rows of your own"
        )
    tasks = [task for task in Task if any(sample.labels.get(task) for sample in samples)]
    if not tasks:
        raise InputError(f"{source.path}: no row has a label")
    note = tally.sentence() if tally.left_out or tally.masked else None
    return Chosen({stem: samples}, tuple(Asked(stem, task, stem, note) for task in tasks))


def _wanted(local: Iterable[RowSet], names: Sequence[str] | None, *, hub: bool) -> tuple[Benchmark, ...]:
    if names is not None:
        return named(names)
    there = set(local)
    return tuple(each for each in BENCHMARKS if each.rows_of in there or (hub and each in PAPER))


def _load(rows: RowSet, local: dict[RowSet, Local], *, hub: bool) -> Loaded:
    if rows in local:
        return load_local(local[rows])
    if hub:
        return load_remote(rows)
    raise InputError(
        f"{rows.name}: no file of it in --data; {rows.upstream.cure(Path('data'))} brings it, or --hub loads it"
    )
