r"""From the authors' benchmark files to samples. `BENCHMARKS` is the table: a benchmark is one row.

A file is one JSON list of `{instruction, input, output}`, as in data/benchmark of yueliu1999/GuardReasoner. `input` is
`Human user:\n..\n\nAI assistant:\n..\n\n`; in the sets that judge requests the response `None` stands for no response.
`output` is a label, or an answer block in which the other tasks are `None`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from guardreasoner.data.layout import read_input
from guardreasoner.errors import InputError
from guardreasoner.formats.paper import NAMES
from guardreasoner.types import Exchange, Labels, Sample, Task


@dataclass(frozen=True)
class Benchmark:
    """One cell of the paper's tables: its name there, its task, the authors' file without `.json`, and its rows."""

    name: str
    task: Task
    stem: str
    rows: int


BENCHMARKS = (
    Benchmark("ToxicChat", Task.PROMPT_HARMFULNESS, "0_8_toxic_chat", 2853),
    Benchmark("BeaverTails", Task.RESPONSE_HARMFULNESS, "0_A_beaver_tails", 3021),
    Benchmark("XSTest", Task.RESPONSE_HARMFULNESS, "0_6_xstest_response_harmful", 446),
    Benchmark("XSTest", Task.RESPONSE_REFUSAL, "0_7_xstest_response_refusal", 449),  # the paper says 499
)


@dataclass(frozen=True)
class BenchmarkRows:
    """What one file holds. `difference` says how it departs from the authors' file, None if it does not."""

    benchmark: Benchmark
    samples: tuple[Sample, ...]
    difference: str | None


def find_benchmarks(paths: Iterable[Path]) -> list[Path]:
    """The benchmark files among `paths` in the order of the table; a folder stands for those that lie in it."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = [path / f"{benchmark.stem}.json" for benchmark in BENCHMARKS]
            if not (there := [file for file in inside if file.is_file()]):
                raise InputError(f"{path}: a folder without a benchmark file, expected {_known()}")
            found += there
        elif path.is_file():
            found.append(path)
        else:
            raise InputError(f"{path}: no such file or folder")
    order = [benchmark.stem for benchmark in BENCHMARKS]
    return sorted(dict.fromkeys(found), key=lambda path: order.index(benchmark_of(path).stem))


def benchmark_of(path: Path) -> Benchmark:
    """The row of the table that a file's name stands for."""
    for benchmark in BENCHMARKS:
        if path.name == f"{benchmark.stem}.json":
            return benchmark
    raise InputError(f"{path}: unknown benchmark {path.stem!r}, expected {_known()}")


def read_benchmark(path: Path) -> BenchmarkRows:
    """All rows of one file; the first that cannot be read is an InputError that names it, counted from 1."""
    benchmark = benchmark_of(path)
    samples = [_sample(benchmark, row, f"{path}, row {number}", number) for number, row in enumerate(_rows(path), 1)]
    difference = _difference(len(samples), benchmark.rows)
    return BenchmarkRows(benchmark, tuple(samples), difference)


@dataclass(frozen=True)
class BenchmarkPrompt:
    """One prompt of a benchmark file: the file's name without `.json`, and its row, counted from 1."""

    benchmark: str
    row: int
    text: str


def benchmark_prompts(folder: Path) -> Iterator[BenchmarkPrompt]:
    """The prompts of every .json file in `folder`, whether `BENCHMARKS` lists it or not.

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


def read_exchange(text: str, task: Task) -> Exchange | None:
    """The exchange of one `input`, or None if it is laid out otherwise. Sets that judge requests lack responses."""
    return read_input(text, may_lack_response=not task.needs_response)


def read_label(output: str, task: Task) -> str | None:
    """The label of `task` in one `output`, or None if it holds none."""
    answer = re.search(rf"^{NAMES[task]}: *(\S+) *$", output, re.MULTILINE)
    label = (answer.group(1) if answer else output).strip()
    return label if label in task.labels else None


def _rows(path: Path) -> Sequence[object]:
    try:
        rows: object = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not valid UTF-8 at byte {error.start + 1}") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {error.lineno}: not valid JSON: {error.msg}") from None
    if not isinstance(rows, list) or rows == []:
        found = "an empty list" if rows == [] else "other JSON"
        raise InputError(f"{path}: found {found}, expected a list of objects with instruction, input, output")
    return cast("list[object]", rows)


def _sample(benchmark: Benchmark, row: object, place: str, number: int) -> Sample:
    fields = cast("dict[str, Any]", row) if isinstance(row, dict) else {}
    given, output = fields.get("input"), fields.get("output")
    if not isinstance(given, str) or not isinstance(output, str):
        raise InputError(f"{place}: expected an object with the texts instruction, input, output")
    exchange = read_exchange(given, benchmark.task)
    if exchange is None:
        raise InputError(f"{place}: `input` is not laid out as 'Human user: .. AI assistant: ..', found {given[:40]!r}")
    label = read_label(output, benchmark.task)
    if label is None:
        expected = " or ".join(benchmark.task.labels)
        raise InputError(f"{place}: `output` holds no label, expected {expected}, found {output[:40]!r}")
    labels = Labels.model_validate({benchmark.task.value: label})
    return Sample(id=str(number), source=benchmark.stem, exchange=exchange, labels=labels)


def _difference(found: int, expected: int) -> str | None:
    return None if found == expected else f"{found:,} rows, the authors' file has {expected:,}"


def _known() -> str:
    return ", ".join(f"{benchmark.stem}.json" for benchmark in BENCHMARKS)
