"""From benchmark files to cells: a name that another framework can use, a task and its samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from guardreasoner.data.benchmarks import cells_of, find_local, load_local
from guardreasoner.errors import InputError
from guardreasoner.types import Sample, Task


@dataclass(frozen=True)
class CellRows:
    """One benchmark and task; `note` says how its rows depart from the published ones, None if they do not."""

    benchmark: str
    task: Task
    samples: tuple[Sample, ...]
    note: str | None

    @property
    def name(self) -> str:
        """`toxicchat_prompt_harmfulness`."""
        return f"{self.benchmark.lower()}_{self.task.value}"


def load_cells(paths: Sequence[Path]) -> list[CellRows]:
    """Every cell of the benchmark files among `paths` or in folders among them."""
    cells: list[CellRows] = []
    for loaded in map(load_local, find_local(paths)):
        for benchmark in cells_of(loaded.rows):
            annotated = tuple(sample for sample in loaded.samples if sample.labels.get(benchmark.task) is not None)
            cells.append(CellRows(benchmark.name, benchmark.task, annotated, loaded.note(benchmark)))
    return cells


def one_cell(paths: Sequence[Path], name: str | None) -> CellRows:
    """The cell of that name, or the only one there is."""
    cells = load_cells(paths)
    chosen = [cell for cell in cells if name in (None, cell.name)]
    if len(chosen) != 1:
        wanted = "one of several cells to be named" if name is None else f"the cell {name!r}"
        raise InputError(f"{', '.join(map(str, paths))}: expected {wanted}, found {', '.join(c.name for c in cells)}")
    return chosen[0]
