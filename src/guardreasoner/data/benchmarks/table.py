"""Which benchmarks there are: the thirteen cells of the paper's tables in its order, and others beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from guardreasoner.data.benchmarks import beside, sets
from guardreasoner.data.benchmarks.sets import RowSet
from guardreasoner.errors import InputError
from guardreasoner.types import Sample, Task

AUTHORS = "yueliu1999/GuardReasoner"
"""On GitHub; its folder data/benchmark holds a file per set of the paper."""

Group = Literal["paper", "beside"]
PUBLISHER = "its publisher's file has"
_WILDGUARD_NOTE = "the set that is released has 1,725 pairs, some without this label"


@dataclass(frozen=True)
class Benchmark:
    """One cell: a task on the rows of a set."""

    name: str
    """As the paper's tables have it."""
    task: Task
    rows_of: RowSet
    rows: int
    positives: int | None
    """None: not published, and the file was not at hand."""
    group: Group = "paper"
    counted: str = "the authors' file has"
    """Whose figures `rows` and `positives` are."""
    note: str | None = None

    @property
    def stem(self) -> str:
        return self.rows_of.stem

    def difference(self, samples: Sequence[Sample]) -> str | None:
        """How `samples` depart from `rows` and `positives`, None if they do not."""
        labels = [label for sample in samples if (label := sample.labels.get(self.task)) is not None]
        positives = labels.count(self.task.positive)
        if (len(labels), positives) == (self.rows, positives if self.positives is None else self.positives):
            return None
        counted = "" if self.positives is None else f", {self.positives:,} of them {self.task.positive}"
        found = f"{len(labels):,} rows, {positives:,} of them {self.task.positive}"
        return f"{found}; {self.counted} {self.rows:,}{counted}{f'; {self.note}' if self.note else ''}"


_PROMPT, _RESPONSE, _REFUSAL = Task.PROMPT_HARMFULNESS, Task.RESPONSE_HARMFULNESS, Task.RESPONSE_REFUSAL

PAPER = (
    Benchmark("ToxicChat", _PROMPT, sets.TOXIC_CHAT, 2853, 362),
    Benchmark("HarmBench", _PROMPT, sets.HARMBENCH_PROMPT, 239, 239),
    Benchmark("OpenAIModeration", _PROMPT, sets.OPENAI_MODERATION, 1680, 522),
    Benchmark("AegisSafetyTest", _PROMPT, sets.AEGIS, 359, 232, note="the rule gives 233, others found"),
    Benchmark("SimpleSafetyTests", _PROMPT, sets.SIMPLE_SAFETY_TESTS, 100, 100),
    Benchmark(
        "WildGuardTest", _PROMPT, sets.WILDGUARD_TEST, 1756, None, counted="the paper counts", note=_WILDGUARD_NOTE
    ),
    Benchmark("HarmBench", _RESPONSE, sets.HARMBENCH_RESPONSE, 602, 273),
    Benchmark("SafeRLHF", _RESPONSE, sets.SAFE_RLHF, 2000, 1000),
    Benchmark("BeaverTails", _RESPONSE, sets.BEAVER_TAILS, 3021, 1733),
    Benchmark("XSTest", _RESPONSE, sets.XSTEST_HARM, 446, 78),
    Benchmark(
        "WildGuardTest", _RESPONSE, sets.WILDGUARD_TEST, 1768, None, counted="the paper counts", note=_WILDGUARD_NOTE
    ),
    Benchmark("XSTest", _REFUSAL, sets.XSTEST_REFUSAL, 449, 178),  # the paper says 499
    Benchmark(
        "WildGuardTest", _REFUSAL, sets.WILDGUARD_TEST, 1777, None, counted="the paper counts", note=_WILDGUARD_NOTE
    ),
)
BESIDE = (
    Benchmark("XSTestPrompts", _PROMPT, beside.XSTEST_PROMPTS, 450, 200, "beside", PUBLISHER),
    Benchmark("ORBenchHard1k", _PROMPT, beside.OR_BENCH_HARD, 1319, 0, "beside", PUBLISHER),
    Benchmark("ORBenchToxic", _PROMPT, beside.OR_BENCH_TOXIC, 655, 655, "beside", PUBLISHER),
    Benchmark("ORBench80k", _PROMPT, beside.OR_BENCH_80K, 80_359, 0, "beside", PUBLISHER),
    Benchmark("JailbreakBenchBenign", _PROMPT, beside.JAILBREAKBENCH_BENIGN, 100, 0, "beside", PUBLISHER),
    Benchmark("JailbreakBenchHarmful", _PROMPT, beside.JAILBREAKBENCH_HARMFUL, 100, 100, "beside", PUBLISHER),
)
BENCHMARKS = (*PAPER, *BESIDE)
ROW_SETS = tuple(dict.fromkeys(benchmark.rows_of for benchmark in BENCHMARKS))
"""Each set once, in the order of the table."""


def cells_of(rows: RowSet) -> tuple[Benchmark, ...]:
    """The benchmarks that these rows are for."""
    return tuple(benchmark for benchmark in BENCHMARKS if benchmark.stem == rows.stem)


def named(names: Sequence[str]) -> tuple[Benchmark, ...]:
    """In the order of the table. A name is a benchmark's, a set's, `paper` or `beside`, in any case."""
    chosen: set[Benchmark] = set()
    for name in names:
        found = {each for each in BENCHMARKS if name.lower() in _names(each)}
        if not found:
            known = ", ".join(dict.fromkeys(each.name for each in BENCHMARKS))
            raise InputError(f"unknown benchmark {name!r}, expected paper, beside, {known}")
        chosen |= found
    return tuple(each for each in BENCHMARKS if each in chosen)


def _names(benchmark: Benchmark) -> set[str]:
    return _set_names(benchmark) | {benchmark.group.lower()}


def _set_names(benchmark: Benchmark) -> set[str]:
    rows = benchmark.rows_of
    return {name.lower() for name in (benchmark.name, rows.name, rows.stem)}


SET_NAMES = frozenset[str]().union(*map(_set_names, BENCHMARKS))
"""Small letters: what no set of anybody's own may be called, or its figures would stand beside the paper's."""
