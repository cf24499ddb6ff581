r"""From a benchmark file in the authors' form to samples.

A file is one JSON list of `{instruction, input, output}`, as in data/benchmark of yueliu1999/GuardReasoner. `input` is
`Human user:\n..\n\nAI assistant:\n..\n\n`; in the sets that judge requests the response `None` stands for no response.
`output` is a label, or an answer block in which a task that was not annotated is `None`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from guardreasoner.data.layout import read_input
from guardreasoner.data.tally import exchange_of
from guardreasoner.errors import InputError
from guardreasoner.formats.paper import NAMES
from guardreasoner.types import Exchange, Labels, Sample, Task


def read_authors(path: Path, stem: str, tasks: Sequence[Task]) -> Iterator[Sample | str]:
    """All rows of one file; the first that cannot be read is an InputError that names it, counted from 1.

    A row without the text that its label is about, which no guard can get right, is the reason why it is left out.
    `tasks` are those that the file is for. Where they are several, a label must say its task, and may be `None`.
    """
    for number, row in enumerate(_rows(path), 1):
        place = f"{path}, row {number}"
        fields = cast("dict[str, Any]", row) if isinstance(row, dict) else {}
        given, output = fields.get("input"), fields.get("output")
        if not isinstance(given, str) or not isinstance(output, str):
            raise InputError(f"{place}: expected an object with the texts instruction, input, output")
        exchange = read_exchange(given, tasks[0])
        if exchange is None:
            raise InputError(
                f"{place}: `input` is not laid out as 'Human user: .. AI assistant: ..', found {given[:40]!r}"
            )
        labels = {task: read_label(output, task, alone=len(tasks) == 1) for task in tasks}
        if not any(labels.values()):
            expected = " or ".join(dict.fromkeys(label for task in tasks for label in task.labels))
            raise InputError(f"{place}: `output` holds no label, expected {expected}, found {output[:40]!r}")
        made = exchange_of(exchange.prompt, exchange.response)
        gold = {} if isinstance(made, str) else {task: labels[task] for task in tasks if task in made.tasks}
        if isinstance(made, str):
            yield made
        elif not any(gold.values()):
            yield "no response"
        else:
            named = {task.value: label for task, label in gold.items()}
            yield Sample(id=str(number), source=stem, exchange=made, labels=Labels.model_validate(named))


def read_exchange(text: str, task: Task) -> Exchange | None:
    """The exchange of one `input`, or None if it is laid out otherwise. Sets that judge requests lack responses."""
    return read_input(text, may_lack_response=not task.needs_response)


def read_label(output: str, task: Task, *, alone: bool = True) -> str | None:
    """The label of `task` in one `output`, or None if it holds none. A bare word is enough for a task `alone`."""
    answer = re.search(rf"^{NAMES[task]}: *(\S+) *$", output, re.MULTILINE)
    label = answer.group(1) if answer else output.strip() if alone else None
    return label if label in task.labels else None


@dataclass(frozen=True)
class BenchmarkPrompt:
    """One prompt of a benchmark file: the file's name without `.json`, and its row, counted from 1."""

    benchmark: str
    row: int
    text: str


def benchmark_prompts(folder: Path) -> Iterator[BenchmarkPrompt]:
    """The prompts of every .json file in `folder`, whether the table lists it or not.

    A file that cannot be read is an error: left out in silence, its prompts would be trained on.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of benchmark files")
    paths = sorted(path for path in folder.glob("*.json") if path.is_file())
    if not paths:
        raise InputError(f"{folder}: a folder without a .json file, expected benchmarks in the authors' form")
    for path in paths:
        for number, row in enumerate(_rows(path), 1):
            given = cast("dict[str, Any]", row).get("input") if isinstance(row, dict) else None
            exchange = read_exchange(given, Task.PROMPT_HARMFULNESS) if isinstance(given, str) else None
            if exchange is None:
                raise InputError(
                    f"{path}, row {number}: expected an object whose `input` is laid out as "
                    f"'Human user: .. AI assistant: ..', found {given!r:.40}"
                )
            yield BenchmarkPrompt(path.stem, number, exchange.prompt)


def _rows(path: Path) -> Sequence[object]:
    try:
        rows: object = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not valid UTF-8 at byte {error.start + 1}") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {error.lineno}: not valid JSON: {error.msg}") from None
    except (RecursionError, ValueError):
        raise InputError(f"{path}: not readable JSON: nested too deep or a number too long") from None
    if not isinstance(rows, list) or rows == []:
        found = "an empty list" if rows == [] else "other JSON"
        raise InputError(f"{path}: found {found}, expected a list of objects with instruction, input, output")
    return cast("list[object]", rows)
