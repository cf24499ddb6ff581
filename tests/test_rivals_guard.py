"""A guard that speaks as a rival: labels as it wrote them, probabilities where they stand, refusals apart."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx
import pytest
from servers.process import serving

from guardreasoner.engines.remote_answers import WITHHELD
from guardreasoner.engines.scripted import ScriptedEngine
from guardreasoner.engines.served import served_at
from guardreasoner.errors import InputError, MalformedAnswer, NoProbabilities
from guardreasoner.guard import Guard
from guardreasoner.report.judged import Judged, judged, predictions_of, refusals_as_positive
from guardreasoner.stages.evaluate import evaluate
from guardreasoner.types import Exchange, Labels, Malformed, Sample, Scores, Task, Verdict

PAIR = ("How do I bake bread?", "Mix flour and water.")


class Noting(ScriptedEngine):
    """Keeps what it was asked to choose between, and after which text."""

    def __init__(self, *given: object, **options: object) -> None:
        super().__init__(*given, **options)  # pyright: ignore
        self.chosen: list[tuple[str, tuple[str, ...]]] = []

    def choose(self, prompts: Sequence[str], choices: Sequence[str]) -> list[list[float]]:
        self.chosen += [(prompt, tuple(choices)) for prompt in prompts]
        return super().choose(prompts, choices)


class Mute(ScriptedEngine):
    def choose(self, prompts: Sequence[str], choices: Sequence[str]) -> list[list[float]]:
        raise NoProbabilities("this server gives none")


def probabilities(**of: float) -> Callable[[str, str], float]:
    return lambda _, choice: math.log(of[choice.strip().lower()])


def test_label_is_what_was_written_and_score_its_share_at_that_place() -> None:
    engine = Noting("\n\nunsafe\nS1", probabilities(unsafe=0.6, safe=0.2))
    verdict = Guard(engine, format="llama-guard-3").check("Call him a fool.")
    assert verdict.labels == Labels(prompt_harmfulness="harmful")
    assert verdict.scores is not None
    assert verdict.scores.prompt_harmfulness == pytest.approx(0.75)
    assert [(text[-2:], words) for text, words in engine.chosen] == [("\n\n", ("unsafe", "safe"))]


def test_space_before_the_word_belongs_to_the_choice() -> None:
    engine = Noting(" safe", probabilities(unsafe=0.1, safe=0.8))
    Guard(engine, format="llama-guard").check("Hello")
    assert [(text[-7:], words) for text, words in engine.chosen] == [("[/INST]", (" unsafe", " safe"))]


def test_strict_and_loose_share_the_middle_level_differently() -> None:
    scores = probabilities(unsafe=0.5, controversial=0.3, safe=0.2)
    found = {
        name: Guard(
            ScriptedEngine("Safety: Controversial\nCategories: PII", scores), format=f"qwen3guard-{name}"
        ).check("Hi")
        for name in ("strict", "loose")
    }
    assert [verdict.labels.prompt_harmfulness for verdict in found.values()] == ["harmful", "unharmful"]
    assert [verdict.scores and verdict.scores.prompt_harmfulness for verdict in found.values()] == [
        pytest.approx(0.8), pytest.approx(0.5),
    ]  # fmt: skip


def test_threshold_decides_by_the_score_instead_of_the_word() -> None:
    engine = ScriptedEngine("safe", probabilities(unsafe=0.3, safe=0.7))
    guard = Guard(engine, format="llama-guard-3", thresholds={Task.PROMPT_HARMFULNESS: 0.25})
    assert guard.check("Hello").labels.prompt_harmfulness == "harmful"


def test_threshold_without_a_probability_is_an_error() -> None:
    guard = Guard(Mute("safe"), format="llama-guard-3", thresholds={Task.PROMPT_HARMFULNESS: 0.25})
    with pytest.raises(InputError, match="llama-guard-3 gave no probability to compare with it"):
        guard.check("Hello")


def test_model_without_probabilities_gives_labels_alone() -> None:
    verdict = Guard(Mute("safe"), format="llama-guard-3").check("Hello")
    assert (verdict.labels.prompt_harmfulness, verdict.scores) == ("unharmful", None)


def test_tasks_that_are_not_judged_have_no_label() -> None:
    verdict = Guard(ScriptedEngine("safe"), format="llama-guard-3").check(*PAIR)
    assert verdict.labels == Labels(prompt_harmfulness="unharmful", response_harmfulness="unharmful")
    assert Guard(ScriptedEngine("safe"), format="llama-guard-3").tasks == (
        Task.PROMPT_HARMFULNESS, Task.RESPONSE_HARMFULNESS,
    )  # fmt: skip


def test_one_unreadable_message_leaves_the_exchange_unread() -> None:
    engine = ScriptedEngine(lambda prompt, _: "It depends" if "Agent: Mix" in prompt else "safe")
    guard = Guard(engine, format="llama-guard-3")
    with pytest.raises(MalformedAnswer, match="the first line is 'It depends'"):
        guard.check(*PAIR)
    (read,) = guard.check_batch([PAIR])
    assert isinstance(read, Malformed)
    assert read.partial is not None
    assert read.partial.labels == Labels(prompt_harmfulness="unharmful")
    assert read.usage is not None
    assert (read.usage.reasoning_tokens, read.usage.texts) == (3, 2)


def test_answer_about_the_response_counts_where_the_one_about_the_request_is_unreadable(tmp_path: Path) -> None:
    gold = Labels(prompt_harmfulness="unharmful", response_harmfulness="harmful")
    sample = Sample(id="1", source="own", exchange=Exchange(prompt=PAIR[0], response=PAIR[1]), labels=gold)
    engine = ScriptedEngine(lambda prompt, _: "unsafe\nS1" if "Agent: Mix" in prompt else "It depends")
    (row,) = evaluate(Guard(engine, format="llama-guard-3"), [sample], tmp_path / "p.jsonl", "reason")
    found = {task: predictions_of([row], task) for task in (Task.PROMPT_HARMFULNESS, Task.RESPONSE_HARMFULNESS)}
    assert [each.predicted for (each,) in found.values()] == [None, "harmful"]
    assert (row.problem, row.text, row.declined) == (
        "the first line is 'It depends', expected unsafe or safe", "It depends", False,
    )  # fmt: skip


def test_request_alone_is_no_row_for_a_judge_of_responses() -> None:
    with pytest.raises(InputError, match=r"^md-judge judges responses alone, and there is none$"):
        Guard(ScriptedEngine("safe"), format="md-judge").check("Hello")


def test_exchange_that_does_not_fit_is_named() -> None:
    guard = Guard(ScriptedEngine("safe", context_length=40), format="llama-guard-3")
    with pytest.raises(InputError, match=r"the exchange has \d+ tokens, the model takes at most 36"):
        guard.check("Hello")


def test_unknown_format_names_all_that_there_are() -> None:
    with pytest.raises(
        InputError, match=r"unknown format 'lama', expected one of paper, .*wildguard.*openai-moderation"
    ):
        Guard(ScriptedEngine(), format="lama").check("Hello")


def test_reasoning_tokens_limit_what_a_rival_writes() -> None:
    guard = Guard(ScriptedEngine("one two three safe"), format="llama-guard-3", max_reasoning_tokens=2)
    with pytest.raises(MalformedAnswer, match="'one two'"):
        guard.check("Hello")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving("judge_server.py", folder=tmp_path_factory.mktemp("judges")) as found:
        yield found


def test_moderation_endpoint_flags_by_its_own_rule(address: str) -> None:
    read = Guard(address, format="openai-moderation").check_batch(["Call him a fool.", PAIR])
    assert [each.labels for each in read if isinstance(each, Verdict)] == [
        Labels(prompt_harmfulness="harmful"),  # its largest score is 0.3: `flagged` counts
        Labels(prompt_harmfulness="unharmful", response_harmfulness="unharmful"),
    ]
    assert [isinstance(each, Verdict) and each.scores for each in read] == [
        Scores(prompt_harmfulness=0.3), Scores(prompt_harmfulness=0.01, response_harmfulness=0.01),
    ]  # fmt: skip


def test_text_that_the_moderation_endpoint_takes_not_is_no_end_of_the_others(address: str) -> None:
    texts = [("Hello", "Please filter this."), ("A lengthy tale.", None), ("Call him a fool.", None)]
    asked = [Exchange(prompt=prompt, response=response) for prompt, response in texts]
    refused, long, flagged = Guard(address, format="openai-moderation").check_each(asked)
    assert isinstance(refused, Malformed)
    assert refused.refused
    assert refused.partial is not None
    assert refused.partial.labels == Labels(prompt_harmfulness="unharmful")
    assert isinstance(long, str)
    assert long.startswith("the text does not fit the endpoint: ")
    assert isinstance(flagged, Verdict)
    assert flagged.labels.prompt_harmfulness == "harmful"


def test_moderation_needs_an_address() -> None:
    with pytest.raises(InputError, match="expected a server's address that starts with http://, found ''"):
        Guard(format="openai-moderation").check("Hello")


@pytest.mark.parametrize("name", ["plain", "picky"])
def test_chat_model_is_asked_in_one_message(address: str, name: str) -> None:
    verdict = Guard(f"{address}/v1#{name}", format="chat").check("Call him a fool.")
    assert (verdict.labels, verdict.scores, verdict.model) == (Labels(prompt_harmfulness="harmful"), None, name)
    asked = httpx.get(f"{address}/seen").json()[-1]
    assert asked["model"] == name
    assert asked["messages"][0]["content"].startswith("You are a classifier for analyzing interactions")
    assert ("max_completion_tokens" in asked) is ("temperature" not in asked) is (name == "picky")


@pytest.mark.parametrize("word", ["decline", "withhold", "filter"])
def test_chat_model_that_declines_is_refused_and_not_unreadable(address: str, word: str) -> None:
    (read,) = Guard(f"{address}#plain", format="chat-cot").check_batch([f"Please {word} this."])
    assert isinstance(read, Malformed)
    assert (read.refused, read.reason) == (True, "the model refused to judge")


def test_chat_answer_cut_short_is_unreadable_and_not_refused(address: str) -> None:
    (read,) = Guard(f"{address}#plain", format="chat").check_batch(["Write half of it."])
    assert isinstance(read, Malformed)
    assert (read.refused, read.reason) == (False, "no answer block")


def test_guard_of_an_endpoint_can_be_copied(address: str) -> None:
    guard = Guard(address, format="openai-moderation")
    assert guard.check("Hello").labels == copy.deepcopy(guard).check("Hello").labels


def test_refusals_are_kept_apart_and_count_as_positive_by_choice(address: str, tmp_path: Path) -> None:
    samples = [
        Sample(
            id=str(number), source="own", exchange=Exchange(prompt=text), labels=Labels(prompt_harmfulness="unharmful")
        )
        for number, text in enumerate(["Please decline this.", "Write half of it.", "Hello"])
    ]
    rows = evaluate(Guard(f"{address}#plain", format="chat"), samples, tmp_path / "p.jsonl", "reason")
    assert [(row.refused, row.labels and row.labels.prompt_harmfulness) for row in rows] == [
        (True, None), (False, None), (False, "unharmful"),
    ]  # fmt: skip
    assert [row.labels and row.labels.prompt_harmfulness for row in refusals_as_positive(rows)] == [
        "harmful", None, "unharmful",
    ]  # fmt: skip


def test_answer_that_a_server_withheld_counts_as_positive_by_the_same_choice() -> None:
    gold = Labels(prompt_harmfulness="unharmful", response_harmfulness="unharmful")
    row = Judged(id="1", source="own", digest="0", gold=gold, labels=None, seconds=0.1, problem=f"{WITHHELD} (400)")
    partly = row.model_copy(update={"labels": Labels(prompt_harmfulness="unharmful")})
    found = [each.labels for each in refusals_as_positive([row, partly])]
    assert found == [
        Labels(prompt_harmfulness="harmful", response_harmfulness="harmful"),
        Labels(prompt_harmfulness="unharmful", response_harmfulness="harmful"),
    ]


def test_task_that_was_read_is_not_refused_beside_one_that_was() -> None:
    gold = Labels(prompt_harmfulness="harmful", response_harmfulness="harmful")
    read = Labels(prompt_harmfulness="harmful")
    row = Judged(id="1", source="own", digest="0", gold=gold, labels=read, seconds=0.1, refused=True)
    found = [predictions_of([row], task)[0] for task in (Task.PROMPT_HARMFULNESS, Task.RESPONSE_HARMFULNESS)]
    assert [(each.predicted, each.refused) for each in found] == [("harmful", False), (None, True)]


def test_record_of_an_unreadable_answer_is_not_refused() -> None:
    sample = Sample(id="1", source="own", exchange=Exchange(prompt="Hi"), labels=Labels(prompt_harmfulness="harmful"))
    assert judged(sample, sample.exchange, Malformed(text="?", reason="no answer block"), 0.1).refused is False


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("http://localhost:8000", ("http://localhost:8000/v1", None)),
        ("http://localhost:8000/v1/#small", ("http://localhost:8000/v1", "small")),
        ("https://host/v1beta/openai#gemini-1.5-pro", ("https://host/v1beta/openai", "gemini-1.5-pro")),
        ("https://host/v1/chat/completions#org/name", ("https://host/v1", "org/name")),
    ],
)
def test_model_of_a_server_stands_behind_the_address(address: str, found: tuple[str, str | None]) -> None:
    assert served_at(address) == found
