"""What the embedded guard may write next, by templates whose blanks words of the prompt fill."""

from __future__ import annotations

import pytest

from guardreasoner.engines.templates import LONGEST_QUOTE, QUOTE, QUOTES, Prompt, Templates, Writer, parts

COMMA, STOP, END, OTHER_END = 1, 2, 3, 4
THE, CAT, UN, LOCK, ING, MARK, NO, SAYS = 10, 11, 12, 13, 14, 15, 20, 21
INNER = {LOCK, ING}


def writer(texts: list[list[int]], prompt: list[int]) -> Writer:
    words = Prompt(prompt, INNER, {MARK})
    return Writer(Templates(texts, COMMA, {END, OTHER_END}), words)


def after(texts: list[list[int]], prompt: list[int], *written: int) -> list[int]:
    now = writer(texts, prompt)
    for token in written:
        now.write(token)
    return now.allowed


def test_template_is_cut_at_its_blanks() -> None:
    assert parts("it opens: {quote}; words: {quotes}.") == ["it opens:", QUOTE, "; words:", QUOTES, "."]
    assert parts("{quotes}") == [QUOTES]
    assert parts("no {word}") == ["no {word}"]


def test_templates_are_told_apart_as_they_are_written() -> None:
    texts = [[NO, STOP], [NO, CAT], [SAYS]]
    assert after(texts, [THE]) == [NO, SAYS]
    assert after(texts, [THE], NO) == [STOP, CAT]
    assert after(texts, [THE], SAYS) == [END, OTHER_END]


def test_blank_takes_the_prompts_words_and_no_marker() -> None:
    assert after([[SAYS, QUOTE, STOP]], [MARK, THE, CAT, MARK], SAYS) == [THE, CAT]


def test_quote_runs_on_as_the_prompt_does() -> None:
    assert after([[QUOTE, STOP]], [MARK, THE, CAT, MARK], THE) == [STOP, CAT]
    assert after([[QUOTE, STOP]], [MARK, THE, CAT, MARK], CAT) == [STOP]


def test_word_is_quoted_whole() -> None:
    prompt = [THE, UN, LOCK, ING, CAT]
    assert after([[QUOTE, STOP]], prompt) == [THE, CAT, UN]
    assert after([[QUOTE, STOP]], prompt, UN) == [LOCK]
    assert after([[QUOTE, STOP]], prompt, UN, LOCK) == [ING]
    assert after([[QUOTE, STOP]], prompt, UN, LOCK, ING) == [STOP, CAT]
    assert after([[QUOTE, STOP]], [*prompt, UN], UN) == [STOP, LOCK]


def test_no_two_quotes_of_a_blank_begin_the_same() -> None:
    texts = [[QUOTES, STOP, QUOTES, END]]
    assert after(texts, [THE, CAT], CAT) == [COMMA, STOP]
    assert after(texts, [THE, CAT], CAT, COMMA) == [THE]
    assert after(texts, [THE, MARK, CAT], CAT, COMMA, THE) == [STOP]
    assert after(texts, [THE, CAT], CAT, STOP) == [THE, CAT]


def test_comma_between_quotes_is_none_of_the_prompts() -> None:
    prompt = [THE, COMMA, CAT]
    assert after([[QUOTE, STOP]], prompt, THE) == [COMMA, STOP]
    assert after([[QUOTE, STOP]], prompt, THE, COMMA) == [STOP, CAT]
    assert after([[QUOTES, STOP]], prompt) == [THE, CAT]
    assert after([[QUOTES, STOP]], prompt, THE, COMMA) == [CAT]
    assert after([[QUOTES, STOP]], prompt, THE, COMMA, CAT) == [STOP]


def test_quote_ends_at_last() -> None:
    assert after([[QUOTE, STOP]], [CAT, CAT], *[CAT] * (LONGEST_QUOTE - 1)) == [STOP, CAT]
    assert after([[QUOTE, STOP]], [CAT, CAT], *[CAT] * LONGEST_QUOTE) == [STOP]
    inside = [LOCK] * (LONGEST_QUOTE - 1)
    assert after([[QUOTE, STOP]], [UN, LOCK, LOCK, ING], UN, *inside) == [LOCK, ING]


@pytest.mark.parametrize("prompt", [[], [MARK, MARK]])
def test_where_there_is_nothing_to_quote_the_blank_stays_empty(prompt: list[int]) -> None:
    assert after([[SAYS, QUOTE, STOP, QUOTES, NO]], prompt, SAYS) == [STOP]
    assert after([[SAYS, QUOTE, STOP, QUOTES, NO]], prompt, SAYS, STOP, NO) == [END, OTHER_END]
