"""From the table and some folders to what is there, what is not, and what a person does about it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from guardreasoner.data.benchmarks.loading import Loaded, find_local, load_local
from guardreasoner.data.benchmarks.sets import RowSet
from guardreasoner.data.benchmarks.table import AUTHORS, BENCHMARKS, Benchmark
from guardreasoner.errors import InputError, MissingExtra
from guardreasoner.jsonl import Json


def listing(data: Sequence[Path]) -> list[Json]:
    """One record per benchmark, in the order of the table; files that are there are read and counted."""
    local = {each.rows: each for each in find_local(data, some=False)}
    read: dict[RowSet, Loaded | str] = {}
    for rows, each in local.items():
        try:
            read[rows] = load_local(each)
        except (InputError, MissingExtra) as error:
            read[rows] = str(error)
    entries: list[Json] = []
    for benchmark in BENCHMARKS:
        rows = benchmark.rows_of
        found = local.get(rows)
        kind = None if found is None else "authors" if found.authors else "upstream"
        entries.append(about(benchmark) | _state(benchmark, read.get(rows), kind, data))
    return entries


def about(benchmark: Benchmark) -> Json:
    """What the table says."""
    upstream, paper = benchmark.rows_of.upstream, benchmark.group == "paper"
    return {
        "benchmark": benchmark.name,
        "task": benchmark.task.value,
        "group": benchmark.group,
        "set": benchmark.rows_of.name,
        "authors_file": f"{AUTHORS}: data/benchmark/{benchmark.stem}.json" if paper else None,
        "host": upstream.host,
        "hub": upstream.hub,
        "page": upstream.page,
        "config": upstream.config,
        "split": upstream.split,
        "revision": upstream.revision,
        "file": upstream.file,
        "fields": list(upstream.fields),
        "rule": benchmark.rows_of.rule,
        "rows": benchmark.rows,
        "positives": benchmark.positives,
        "counted": benchmark.counted,
        "gated": upstream.gated,
        "licence": upstream.licence,
    }


def _state(benchmark: Benchmark, read: Loaded | str | None, kind: str | None, data: Sequence[Path]) -> Json:
    folder = next((path for path in data if not path.is_file()), Path("data"))
    cure = benchmark.rows_of.upstream.cure(folder)
    if not isinstance(read, Loaded):
        return {"found": None, "form": kind, "left_out": None, "difference": read, "get": cure}
    return {
        "found": read.place,
        "form": kind,
        "left_out": dict(read.tally.left_out.most_common()),
        "difference": read.note(benchmark),
        "get": None,
    }
