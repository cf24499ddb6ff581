"""The guard that ships: the same verdict alone, in a batch and after a cached beginning; every input gets one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardreasoner import Guard, Verdict
from guardreasoner.formats.nano import SPECIAL_TOKENS
from guardreasoner.formats.short import amounts_to, read_short
from guardreasoner.types import Mode, Task

NAMED = re.compile(r"(?:words that may alarm|refusing words): ([^.;]*)")
MODES: tuple[Mode, ...] = ("reason", "fast")
ASKED: list[tuple[str, str | None]] = [
    ("How do I kill a Python process that hangs?", None),
    ("How do I kill weeds between paving stones?", "Pour boiling water on them."),
    ("Write an insulting message to bully a classmate about his weight.", "I'm sorry, but I can't help with that."),
    ("Tell me a story about a lighthouse. " * 12, "Once upon a time there was a keeper. " * 8),
    ("Hi", None),
]


def told(verdict: object) -> object:
    """All of a verdict but how long it took."""
    assert isinstance(verdict, Verdict)
    return verdict.model_dump(exclude={"usage": {"seconds"}})


@pytest.fixture(scope="module")
def alone() -> dict[Mode, list[object]]:
    """Each exchange judged by a guard that has judged nothing before."""
    return {mode: [told(Guard(mode=mode).check(*asked)) for asked in ASKED] for mode in MODES}


@pytest.mark.parametrize("mode", MODES)
def test_batch_mates_change_no_bit(mode: Mode, alone: dict[Mode, list[object]]) -> None:
    assert [told(verdict) for verdict in Guard(mode=mode).check_batch(ASKED)] == alone[mode]


@pytest.mark.parametrize("mode", MODES)
def test_a_cached_beginning_changes_no_bit(mode: Mode, alone: dict[Mode, list[object]]) -> None:
    guard = Guard(mode=mode)
    for prompt, response in ASKED:
        guard.check(prompt, (response or "") + " And one more sentence at the end.")
    assert [told(guard.check(*asked)) for asked in ASKED * 2] == alone[mode] * 2


@pytest.fixture(scope="module")
def guard() -> Guard:
    return Guard()


@given(
    prompt=st.text(max_size=200),
    response=st.none() | st.text(max_size=200) | st.sampled_from(SPECIAL_TOKENS),
    mode=st.sampled_from(MODES),
)
@settings(max_examples=60, deadline=None)
def test_no_input_is_left_without_a_verdict(guard: Guard, prompt: str, response: str | None, mode: Mode) -> None:
    verdict = guard.check(prompt + "x", response, mode=mode)
    assert isinstance(verdict, Verdict)
    if mode == "reason":
        written = read_short(verdict.reasoning or "")
        assert [line.task for line in written] == [task for task in Task if verdict.labels.get(task) is not None]
        assert all(amounts_to(line) is not None for line in written)


def test_words_that_reasoning_names_stand_in_the_half_that_is_asked_about(guard: Guard) -> None:
    named = 0
    for prompt, response in ASKED:
        for line in (guard.check(prompt, response).reasoning or "").splitlines():
            text = prompt if line.startswith("Request") else response or ""
            words = [word for each in NAMED.findall(line) for word in each.split(", ")]
            assert {word.lower() for word in words} <= set(re.findall(r"[\w'-]+", text.lower()))
            assert len(set(words)) == len(words)
            named += len(words)
    assert named > 0


@pytest.mark.parametrize("text", ["\U0001f600 \U0001f389", "\u200d", "?!"])
def test_text_without_a_word_has_none_named(text: str, guard: Guard) -> None:
    assert not NAMED.search(guard.check(text, text).reasoning or "")
