"""From our benchmarks to files that guard-eval-harness loads, and from a guard's readings to its scores.

JSONL for its `local_jsonl` adapter, and a run config. The harness knows one label, unsafe or not: a cell of response
refusal has no form there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from guardreasoner.errors import InputError
from guardreasoner.interchange.cells import CellRows
from guardreasoner.jsonl import Json, make_folder, write_objects
from guardreasoner.run import write_whole
from guardreasoner.types import Exchange, Malformed, Sample, Task, Verdict

CONFIG = "run.yaml"


def export(cells: Sequence[CellRows], folder: Path) -> tuple[list[CellRows], list[CellRows]]:
    """Write the cells and `run.yaml`, which runs the embedded guard on them; returns (written, left out)."""
    make_folder(folder)
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


def exchange_of(turns: Sequence[tuple[str, str]]) -> Exchange:
    """The last request and, if the talk ends with one, the response to it."""
    requests = [index for index, (role, _) in enumerate(turns) if role == "user"]
    if not requests:
        raise InputError("a sample without a message of the user, expected one")
    prompt, after = turns[requests[-1]][1], turns[requests[-1] + 1 :]
    response = next((text for role, text in reversed(after) if role == "assistant"), None)
    return Exchange(prompt=prompt, response=response)


def unsafe(read: Verdict | Malformed | str, exchange: Exchange) -> float:
    """P(harmful) of the response if there is one, else of the request; what has no answer is never safe.

    Without one are also responses that are blank, which guards take for none, and tasks that a rival does not judge.
    """
    task = Task.PROMPT_HARMFULNESS if exchange.response is None else Task.RESPONSE_HARMFULNESS
    verdict = read.partial if isinstance(read, Malformed) else read
    if not isinstance(verdict, Verdict) or verdict.labels.get(task) is None:
        return 1.0
    score = None if verdict.scores is None else verdict.scores.get(task)
    return float(verdict.labels.get(task) == task.positive) if score is None else score
