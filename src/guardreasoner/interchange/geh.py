"""From our benchmarks to files that guard-eval-harness loads: JSONL for its `local_jsonl` adapter, and a run config.

The harness knows one label, unsafe or not: a cell of response refusal has no form there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from guardreasoner.interchange.cells import CellRows
from guardreasoner.jsonl import Json, write_objects
from guardreasoner.run import write_whole
from guardreasoner.types import Sample, Task

CONFIG = "run.yaml"


def export(cells: Sequence[CellRows], folder: Path) -> tuple[list[CellRows], list[CellRows]]:
    """Write the cells and `run.yaml`, which runs the embedded guard on them; returns (written, left out)."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = [cell for cell in cells if cell.task is not Task.RESPONSE_REFUSAL]
    for cell in kept:
        write_objects(folder / f"{cell.name}.jsonl", [row(sample, cell.task) for sample in cell.samples])
    datasets = [
        {"name": cell.name, "adapter": "local_jsonl", "path": str((folder / f"{cell.name}.jsonl").resolve())}
        for cell in kept
    ]
    config = {
        "run_name": "guardreasoner",
        "model": {"adapter": "guardreasoner", "args": {"mode": "fast"}},
        "datasets": datasets,
        "execution": {"batch_size": 32},
        "output": {"run_dir": str((folder / "run").resolve())},
    }
    write_whole(folder / CONFIG, json.dumps(config, indent=2) + "\n")
    return kept, [cell for cell in cells if cell not in kept]


def row(sample: Sample, task: Task) -> Json:
    """One line: the turns that are judged, the last of which the label is about."""
    exchange = sample.exchange
    messages = [{"role": "user", "content": exchange.prompt}]
    if task.needs_response:
        messages.append({"role": "assistant", "content": exchange.response or ""})
    return {
        "id": sample.id,
        "messages": messages,
        "unsafe": sample.labels.get(task) == task.positive,
        "metadata": {"source": sample.source, "task": task.value},
    }
