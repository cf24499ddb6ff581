"""Where the rows of each benchmark are from, and what their labels are made of: a set is one entry and one rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from guardreasoner.data.benchmarks import rules
from guardreasoner.data.converting import Converter
from guardreasoner.data.raw import read_raw
from guardreasoner.data.seeds import beavertails, toxicchat, wildguard
from guardreasoner.data.tables import Record
from guardreasoner.data.upstream import Upstream
from guardreasoner.jsonl import Json

Reader = Callable[[Path], Iterator[Record]]
_HARMBENCH, _HARMBENCH_COMMIT = "centerforaisafety/HarmBench", "8e1604d1171fe8a48d8febecd22f600e462bdcdd"
_OR_BENCH, _OR_BENCH_COMMIT = "bench-llm/or-bench", "e36d8b80e81837c8a8f264bbb2a49f1b32c7e272"
_JAILBREAKBENCH, _JAILBREAKBENCH_COMMIT = "JailbreakBench/JBB-Behaviors", "886acc352a31533ffbcf4ef22c744658688086fc"


@dataclass(frozen=True)
class RowSet:
    """The rows of one or several benchmarks: they are judged once."""

    stem: str
    """The authors' file without `.json`; a set that they did not use has a name of its own here."""
    upstream: Upstream
    convert: Converter
    rule: str
    """`convert` in words."""
    read: Reader = read_raw
    prepare: Callable[[Iterable[Json]], Iterator[Json]] | None = None
    """From the rows upstream to those that are converted, where it is not one to one."""

    @property
    def name(self) -> str:
        return self.upstream.name


TOXIC_CHAT = RowSet(
    "0_8_toxic_chat",
    Upstream(
        name="ToxicChat",
        hub="lmsys/toxic-chat",
        config="toxicchat0124",
        split="test",
        revision="3e0319203c7162b9c9f8015b594441f979c199bc",
        file="data/0124/toxic-chat_annotation_test.csv",
        fields=("user_input", "human_annotation", "toxicity"),
        licence="CC-BY-NC-4.0",
    ),
    toxicchat,
    "rows with `human_annotation`; `toxicity` 1 is harmful",
)
HARMBENCH_PROMPT = RowSet(
    "0_3_harmbench_prompt",
    Upstream(
        name="HarmBenchPrompt",
        hub=_HARMBENCH,
        split="test",
        revision=_HARMBENCH_COMMIT,
        file="data/behavior_datasets/harmbench_behaviors_text_test.csv",
        fields=("Behavior", "FunctionalCategory"),
        licence="MIT",
        host="github",
    ),
    rules.harmbench_behaviour,
    "standard and copyright behaviours, all harmful; contextual ones are left out",
)
OPENAI_MODERATION = RowSet(
    "0_2_OpenAIModeration",
    Upstream(  # the hub's copy of data/samples-1680.jsonl.gz in openai/moderation-api-release on GitHub
        name="OpenAIModeration",
        hub="mmathys/openai-moderation-api-evaluation",
        split="train",
        revision="84e5cf3bcd6acb3dfc70b6760451645872218a3e",
        file="samples-1680.jsonl.gz",
        fields=("prompt",),
        licence="MIT",
        by_file=True,
    ),
    rules.openai_moderation,
    "one of the eight categories S, H, V, HR, SH, S3, H2, V2 is harmful",
)
AEGIS = RowSet(
    "0_1_AegisSafetyTest",
    Upstream(
        name="AegisSafetyTest",
        hub="nvidia/Aegis-AI-Content-Safety-Dataset-1.0",
        split="test",
        revision="bd96d862068e47630197de64eb91f8d1481ff3e0",
        file="Content Moderation Extracted Annotations 02.08.24_test_release_0418_v1.parquet",
        fields=("text", "text_type", "labels_0", "labels_1", "labels_2"),
        licence="CC-BY-4.0",
    ),
    rules.aegis,
    "rows of `user_message`; harmful unless two of the first three annotators say `Safe`",
)
SIMPLE_SAFETY_TESTS = RowSet(
    "0_0_SimpleSafetyTests",
    Upstream(
        name="SimpleSafetyTests",
        hub="Bertievidgen/SimpleSafetyTests",
        split="test",
        revision="98223c5d8c4059c8f4d8fe2fec8720ee8a20d3c5",
        file="sst_test_cases.csv",
        fields=("prompt",),
        licence="CC-BY-4.0",
        by_file=True,
    ),
    rules.all_harmful,
    "all harmful",
)
WILDGUARD_TEST = RowSet(
    "0_4_wild_guard_test",
    Upstream(
        name="WildGuardTest",
        hub="allenai/wildguardmix",
        config="wildguardtest",
        split="test",
        revision="d29c47f41c8b51348b5c8e8c81c039b3132b66d1",
        file="test/wildguard_test.parquet",
        fields=("prompt", "response", "prompt_harm_label", "response_refusal_label", "response_harm_label"),
        licence="ODC-BY",
        gated=True,
    ),
    wildguard,
    "the three labels as they are, null is not annotated; requests are judged with their responses",
)
HARMBENCH_RESPONSE = RowSet(
    "0_5_harmbench_response",
    Upstream(
        name="HarmBenchResponse",
        hub=_HARMBENCH,
        split="classifier validation",
        revision=_HARMBENCH_COMMIT,
        file="data/classifier_val_sets/text_behaviors_val_set.json",
        fields=("test_case", "generation", "human_0", "human_1", "human_2"),
        licence="MIT",
        host="github",
    ),
    rules.harmbench_response,
    "the majority of `human_0..2`; the request is `test_case`",
    read=rules.grouped_rows,
)
SAFE_RLHF = RowSet(
    "0_9_safe_rlhf",
    Upstream(
        name="SafeRLHF",
        hub="PKU-Alignment/PKU-SafeRLHF",
        split="test",
        revision="ff7ba91063016c78a225b0f74e1c0860bb18230f",  # of the branch v0
        file="round0/test.jsonl.xz",
        fields=("prompt", "response_0", "response_1", "is_response_0_safe", "is_response_1_safe"),
        licence="CC-BY-NC-4.0",
        by_file=True,
    ),
    beavertails,
    "rows with one safe and one unsafe response, 1,000 of each by a draw seeded with 42; unsafe is harmful",
    prepare=rules.safety_eval_pairs,
)
BEAVER_TAILS = RowSet(
    "0_A_beaver_tails",
    Upstream(
        name="BeaverTails",
        hub="PKU-Alignment/BeaverTails",
        split="30k_test",
        revision="8401fe609d288129cc684a9b3be6a93e41cfe678",
        file="round0/30k/test.jsonl.gz",
        fields=("prompt", "response", "is_safe"),
        licence="CC-BY-NC-4.0",
    ),
    beavertails,
    "`is_safe` false is harmful",
)


def _xstest(name: str, split: str) -> Upstream:
    return Upstream(
        name=name,
        hub="allenai/xstest-response",
        split=split,
        revision=None,  # gated, and no public page names a commit: the newest is taken
        file=f"data/{split}-00000-of-00001.parquet",
        fields=("prompt", "response", "label"),
        licence="ODC-BY",
        gated=True,
    )


XSTEST_HARM = RowSet(
    "0_6_xstest_response_harmful",
    _xstest("XSTestResponseHarmful", "response_harmfulness"),
    rules.xstest_harm,
    "`label` as it is",
)
XSTEST_REFUSAL = RowSet(
    "0_7_xstest_response_refusal",
    _xstest("XSTestResponseRefusal", "response_refusal"),
    rules.xstest_refusal,
    "`label` as it is",
)
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
