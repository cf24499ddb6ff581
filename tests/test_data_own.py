"""Rows of our own writing: labels by construction, distinct, reproducible."""

from __future__ import annotations

import pytest

from guardreasoner.data.grammar import Theme, grammar
from guardreasoner.data.own import KINDS, own_samples
from guardreasoner.types import Labels, Sample, Task


@pytest.fixture(scope="module")
def rows() -> list[Sample]:
    return own_samples(seed=3, n=4000)


def kind(sample: Sample) -> str:
    return sample.id.rpartition("-")[0]


def test_as_many_rows_as_asked_for(rows: list[Sample]) -> None:
    assert len(rows) == 4000


def test_same_seed_gives_the_same_rows() -> None:
    assert own_samples(seed=5, n=50) == own_samples(seed=5, n=50)


def test_another_seed_gives_other_rows() -> None:
    assert own_samples(seed=5, n=50) != own_samples(seed=6, n=50)


def test_fewer_rows_are_the_beginning_of_more() -> None:
    assert own_samples(seed=5, n=20) == own_samples(seed=5, n=50)[:20]


def test_every_exchange_occurs_once(rows: list[Sample]) -> None:
    assert len({row.exchange for row in rows}) == 4000


def test_every_id_occurs_once(rows: list[Sample]) -> None:
    assert len({row.id for row in rows}) == 4000


def test_most_prompts_differ(rows: list[Sample]) -> None:
    assert len({row.exchange.prompt for row in rows}) > 3400


def test_every_kind_occurs(rows: list[Sample]) -> None:
    assert {kind(row) for row in rows} == {name for name, _, _ in KINDS}


def test_no_template_mark_is_left(rows: list[Sample]) -> None:
    texts = [text for row in rows for text in (row.exchange.prompt, row.exchange.response or "")]
    assert not [text for text in texts if "{" in text or "}" in text or ("REQUEST" in text and text != text.upper())]


def test_no_text_is_empty(rows: list[Sample]) -> None:
    assert all(row.exchange.prompt.strip() and row.exchange.response != "" for row in rows)


def test_a_row_without_response_has_no_response_labels(rows: list[Sample]) -> None:
    tasks = {row.labels.tasks for row in rows if row.exchange.response is None}
    assert tasks == {(Task.PROMPT_HARMFULNESS,)}


EXPECTED = {
    "benign_request": Labels(prompt_harmfulness="unharmful"),
    "benign_answered": Labels(
        prompt_harmfulness="unharmful", response_refusal="compliance", response_harmfulness="unharmful"
    ),
    "benign_refused": Labels(
        prompt_harmfulness="unharmful", response_refusal="refusal", response_harmfulness="unharmful"
    ),
    "sorry_not_refusing": Labels(
        prompt_harmfulness="unharmful", response_refusal="compliance", response_harmfulness="unharmful"
    ),
    "harmful_request": Labels(prompt_harmfulness="harmful"),
    "harmful_refused": Labels(
        prompt_harmfulness="harmful", response_refusal="refusal", response_harmfulness="unharmful"
    ),
    "harmful_answered": Labels(
        prompt_harmfulness="harmful", response_refusal="compliance", response_harmfulness="harmful"
    ),
    "harmful_turned": Labels(prompt_harmfulness="harmful", response_harmfulness="unharmful"),
    "answered_well": Labels(response_harmfulness="unharmful"),
    "answered_badly": Labels(response_refusal="compliance", response_harmfulness="harmful"),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_labels_follow_from_the_kind(rows: list[Sample], name: str) -> None:
    assert {row.labels for row in rows if kind(row) == name} == {EXPECTED[name]}


def test_a_question_alone_does_not_tell_whether_it_is_answered_well(rows: list[Sample]) -> None:
    asked = {
        name: {row.exchange.prompt for row in rows if kind(row) == name} for name in ("answered_well", "answered_badly")
    }
    assert len(asked["answered_well"] & asked["answered_badly"]) > 20


@pytest.mark.parametrize("theme", grammar().contrast, ids=lambda theme: theme.about)
def test_every_contrast_has_answers_of_both_kinds(theme: Theme) -> None:
    assert min(len(theme.answers), len(theme.harmful)) >= 3


def test_an_answer_speaks_to_who_asks(rows: list[Sample]) -> None:
    answers = [row.exchange.response or "" for row in rows if kind(row).startswith("answered_")]
    assert not [answer for answer in answers if " my " in answer]


def test_refusals_come_in_hundreds_of_wordings(rows: list[Sample]) -> None:
    refusals = {row.exchange.response for row in rows if row.labels.response_refusal == "refusal"}
    assert len(refusals) > 400


def test_some_complying_answers_hold_the_words_of_refusals(rows: list[Sample]) -> None:
    words = ("sorry", "cannot", "can't", "unfortunately")
    answers = [row.exchange.response or "" for row in rows if row.labels.response_refusal == "compliance"]
    assert sum(any(word in answer.lower() for word in words) for answer in answers) > 100


def test_lengths_run_from_a_word_to_a_paragraph(rows: list[Sample]) -> None:
    lengths = [len(row.exchange.prompt.split()) for row in rows]
    assert (min(lengths) <= 3, max(lengths) >= 60) == (True, True)
