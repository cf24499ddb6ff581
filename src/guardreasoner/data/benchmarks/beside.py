"""The sets beside the paper's: over-refusal and robustness."""

from __future__ import annotations

from guardreasoner.data.benchmarks import rules
from guardreasoner.data.benchmarks.sets import RowSet
from guardreasoner.data.upstream import Upstream

_OR_BENCH, _OR_BENCH_COMMIT = "bench-llm/or-bench", "e36d8b80e81837c8a8f264bbb2a49f1b32c7e272"
_JAILBREAKBENCH, _JAILBREAKBENCH_COMMIT = "JailbreakBench/JBB-Behaviors", "886acc352a31533ffbcf4ef22c744658688086fc"

XSTEST_PROMPTS = RowSet(
    "xstest_prompts",
    Upstream(
        name="XSTestPrompts",
        hub="paul-rottger/xstest",
        split="all",
        revision="d7bb5bd738c1fcbc36edd83d5e7d1b71a3e2d84d",
        file="xstest_prompts.csv",
        fields=("prompt", "label"),
        licence="CC-BY-4.0",
        host="github",
    ),
    rules.xstest_prompt,
    "`safe` is unharmful, `unsafe` harmful",
)


def _or_bench(part: str, stem: str, name: str, *, harmful: bool) -> RowSet:
    upstream = Upstream(
        name=name,
        hub=_OR_BENCH,
        config=part,
        split="train",
        revision=_OR_BENCH_COMMIT,
        file=f"{part}.csv",
        fields=("prompt", "category"),
        licence="CC-BY-4.0",
    )
    rule = rules.all_harmful if harmful else rules.all_unharmful
    return RowSet(stem, upstream, rule, f"all {'harmful' if harmful else 'unharmful'}")


OR_BENCH_80K = _or_bench("or-bench-80k", "or_bench_80k", "ORBench80k", harmful=False)
OR_BENCH_HARD = _or_bench("or-bench-hard-1k", "or_bench_hard_1k", "ORBenchHard1k", harmful=False)
OR_BENCH_TOXIC = _or_bench("or-bench-toxic", "or_bench_toxic", "ORBenchToxic", harmful=True)


def _jailbreakbench(split: str, stem: str, name: str) -> RowSet:
    upstream = Upstream(
        name=name,
        hub=_JAILBREAKBENCH,
        config="behaviors",
        split=split,
        revision=_JAILBREAKBENCH_COMMIT,
        file=f"data/{split}-behaviors.csv",
        fields=("Goal",),
        licence="MIT",
    )
    rule = rules.jailbreakbench(harmful=split == "harmful")
    return RowSet(stem, upstream, rule, f"`Goal`, all {'harmful' if split == 'harmful' else 'unharmful'}")


JAILBREAKBENCH_BENIGN = _jailbreakbench("benign", "jailbreakbench_benign", "JailbreakBenchBenign")
JAILBREAKBENCH_HARMFUL = _jailbreakbench("harmful", "jailbreakbench_harmful", "JailbreakBenchHarmful")
