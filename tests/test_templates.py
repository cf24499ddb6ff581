"""What the embedded guard may write next, by templates whose blanks words of the prompt fill."""

from __future__ import annotations

import pytest

from guardreasoner.engines.templates import (
    LONGEST_QUOTE,
    MOST_QUOTES,
    OPENING,
    QUOTES,
    Quotable,
    TokenTemplates,
    Writer,
    parts,
)

COMMA, STOP, END, OTHER_END, DASH = 1, 2, 3, 4, 5
THE, CAT, UN, LOCK, ING, MARK, NO, SAYS = 10, 11, 12, 13, 14, 15, 20, 21


def after(texts: list[list[int]], prompt: list[int], *written: int) -> list[int]:
    quotable = Quotable(prompt, inner={LOCK, ING}, never={MARK}, wordless={DASH, COMMA})
    now = Writer(TokenTemplates(texts, COMMA, {END, OTHER_END}), quotable)
    for token in written:
        assert token in now.allowed
        now.write(token)
    return now.allowed


def test_template_is_cut_at_its_blanks() -> None:
    assert parts("it opens: {opening}; words: {quotes}.") == ["it opens: ", OPENING, "; words:", QUOTES, "."]
    assert parts("{quotes}") == [QUOTES]
    assert parts("no {word}") == ["no {word}"]


def test_templates_are_told_apart_as_they_are_written() -> None:
    texts = [[NO, STOP], [NO, CAT], [SAYS]]
    assert after(texts, [THE]) == [NO, SAYS]
    assert after(texts, [THE], NO) == [STOP, CAT]
    assert after(texts, [THE], SAYS) == [END, OTHER_END]
    assert after(texts, [THE], SAYS, END) == [END, OTHER_END]


def test_quotes_take_the_prompts_words_and_neither_marker_nor_punctuation() -> None:
    assert after([[QUOTES, STOP]], [MARK, THE, DASH, CAT, MARK]) == [THE, CAT]


def test_opening_takes_the_first_words() -> None:
    assert after([[OPENING, STOP]], [MARK, THE, CAT, THE]) == [THE]
    assert after([[OPENING, STOP]], [THE, CAT, THE], THE) == [STOP, CAT]
    assert after([[OPENING, STOP]], [THE, CAT, THE], THE, CAT, THE) == [STOP]
    assert after([[OPENING, STOP]], [DASH, CAT]) == [DASH]
    assert after([[OPENING, STOP]], [LOCK, CAT], LOCK) == [STOP, CAT]


def test_quote_runs_on_as_the_prompt_does() -> None:
    assert after([[QUOTES, STOP]], [MARK, THE, DASH, CAT, MARK, THE, NO], THE) == [COMMA, STOP, DASH, NO]
    assert after([[QUOTES, STOP]], [MARK, THE, DASH, CAT, MARK, THE, NO], THE, DASH) == [COMMA, STOP, CAT]
    assert after([[QUOTES, STOP]], [MARK, THE, DASH, CAT, MARK, NO, DASH, UN], THE, DASH) == [COMMA, STOP, CAT]
    assert after([[QUOTES, STOP]], [MARK, CAT, MARK], CAT) == [STOP]


def test_word_is_quoted_whole() -> None:
    prompt = [THE, UN, LOCK, ING, CAT]
    assert after([[OPENING, STOP]], prompt[1:], UN) == [LOCK]
    assert after([[QUOTES, STOP]], prompt) == [THE, CAT, UN]
    assert after([[QUOTES, STOP]], prompt, UN) == [LOCK]
    assert after([[QUOTES, STOP]], prompt, UN, LOCK) == [ING]
    assert after([[QUOTES, STOP]], prompt, UN, LOCK, ING) == [COMMA, STOP, CAT]
    assert after([[QUOTES, STOP]], [*prompt, UN], UN) == [COMMA, STOP, LOCK]


def test_words_are_not_stitched_together() -> None:
    assert after([[QUOTES, STOP]], [UN, LOCK, CAT, LOCK, ING], UN, LOCK) == [COMMA, STOP, CAT]


def test_no_quote_begins_with_what_another_one_of_its_blank_has() -> None:
    texts = [[QUOTES, STOP, QUOTES, NO]]
    assert after(texts, [THE, CAT], CAT) == [COMMA, STOP]
    assert after(texts, [THE, CAT], CAT, COMMA) == [THE]
    assert after(texts, [THE, MARK, CAT], CAT, COMMA, THE) == [STOP]
    assert after(texts, [THE, CAT, UN], THE, CAT) == [COMMA, STOP, UN]
    assert after(texts, [THE, CAT, UN], THE, CAT, COMMA) == [UN]
    assert after(texts, [THE, CAT], CAT, STOP) == [THE, CAT]


def test_quotes_end_after_the_most() -> None:
    words = list(range(30, 31 + MOST_QUOTES))
    prompt = [token for word in words for token in (MARK, word)]
    written = [token for word in words[:MOST_QUOTES] for token in (COMMA, word)][1:]
    assert after([[QUOTES, STOP]], prompt, *written) == [STOP]
    assert after([[QUOTES, STOP]], prompt, *written[:-2]) == [COMMA, STOP]


def test_comma_between_quotes_is_none_of_the_prompts() -> None:
    prompt = [THE, COMMA, CAT]
    assert after([[OPENING, STOP]], prompt, THE) == [COMMA, STOP]
    assert after([[OPENING, STOP]], prompt, THE, COMMA) == [STOP, CAT]
    assert after([[QUOTES, STOP]], prompt, THE, COMMA) == [CAT]
    assert after([[QUOTES, STOP]], prompt, THE, COMMA, CAT) == [STOP]


def test_long_quote_ends_with_its_word() -> None:
    words = [CAT] * (2 * LONGEST_QUOTE)
    assert after([[OPENING, STOP]], words, *words[: LONGEST_QUOTE - 1]) == [STOP, CAT]
    assert after([[OPENING, STOP]], words, *words[:LONGEST_QUOTE]) == [STOP]
    long = [UN, *[LOCK] * (LONGEST_QUOTE + 2), CAT]
    assert after([[OPENING, STOP]], long, *long[: LONGEST_QUOTE + 1]) == [LOCK]
    assert after([[OPENING, STOP]], long, *long[:-1]) == [STOP]


@pytest.mark.parametrize("prompt", [[], [MARK, MARK]])
def test_where_there_is_nothing_to_quote_an_opening_stays_empty_and_quotes_are_not_asked_for(prompt: list[int]) -> None:
    assert after([[SAYS, OPENING, STOP], [SAYS, QUOTES, NO]], prompt, SAYS) == [STOP]
    assert after([[SAYS, QUOTES, STOP]], prompt, SAYS) == [STOP]


def test_text_of_punctuation_alone_has_an_opening_and_no_quotes() -> None:
    assert after([[OPENING, STOP], [QUOTES, NO]], [DASH]) == [DASH]
    assert after([[OPENING, STOP], [QUOTES, NO]], [DASH], DASH) == [STOP]
