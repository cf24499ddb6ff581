"""From the paper's tables (arXiv 2501.18492, package data) to F1 per model, task and benchmark, and to their sizes."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import NamedTuple

from guardreasoner.types import Task

GUARDREASONER = "GuardReasoner"
WEIGHTED_AVERAGE = "weighted_average"


class Published(NamedTuple):
    """One figure of the paper. `size` None: the paper names none. `f1` is a fraction, as everywhere inside."""

    task: Task
    method: str
    size: str | None
    benchmark: str
    f1: float


@cache
def published() -> tuple[Published, ...]:
    """Every F1 of the paper's three main tables, their weighted averages included, in the paper's order."""
    return tuple(
        Published(
            Task(row["task"]), row["method"], row["size"] or None, row["benchmark"], round(float(row["f1"]) / 100, 6)
        )
        for row in _rows("f1.csv")
    )


@cache
def guardreasoner_f1() -> MappingProxyType[tuple[str, Task, str], float]:
    """The paper's own models: (size, task, benchmark or `weighted_average`) -> F1."""
    own = (row for row in published() if row.method == GUARDREASONER)
    return MappingProxyType({(row.size or "", row.task, row.benchmark): row.f1 for row in own})


def method_f1(method: str) -> dict[tuple[Task, str], float]:
    """The figures of one method, such as `LLaMA Guard 3`: (task, benchmark or `weighted_average`) -> F1."""
    return {(row.task, row.benchmark): row.f1 for row in published() if row.method == method}


@cache
def benchmark_sizes() -> MappingProxyType[Task, MappingProxyType[str, int]]:
    """Samples per benchmark as published: the weights of the paper's averages, in the paper's order."""
    sizes: dict[Task, dict[str, int]] = {task: {} for task in Task}
    for row in _rows("sizes.csv"):
        sizes[Task(row["task"])][row["benchmark"]] = int(row["published_size"])
    return MappingProxyType({task: MappingProxyType(cells) for task, cells in sizes.items()})


def _rows(name: str) -> Iterator[dict[str, str]]:
    text = files("guardreasoner.data").joinpath("published", name).read_text(encoding="utf-8")
    yield from csv.DictReader(text.splitlines())
