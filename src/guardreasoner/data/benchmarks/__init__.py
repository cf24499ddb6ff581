"""From the files of benchmarks to samples. `BENCHMARKS` is the table: a benchmark is one row."""

from __future__ import annotations

from guardreasoner.data.benchmarks.authors import BenchmarkPrompt, benchmark_prompts, read_exchange, read_label
from guardreasoner.data.benchmarks.choosing import Asked, Chosen, choose
from guardreasoner.data.benchmarks.loading import Loaded, Local, find_local, load_local, load_remote
from guardreasoner.data.benchmarks.sets import RowSet
from guardreasoner.data.benchmarks.table import BENCHMARKS, BESIDE, PAPER, ROW_SETS, Benchmark, cells_of, named

__all__ = [
    "BENCHMARKS",
    "BESIDE",
    "PAPER",
    "ROW_SETS",
    "Asked",
    "Benchmark",
    "BenchmarkPrompt",
    "Chosen",
    "Loaded",
    "Local",
    "RowSet",
    "benchmark_prompts",
    "cells_of",
    "choose",
    "find_local",
    "load_local",
    "load_remote",
    "named",
    "read_exchange",
    "read_label",
]
