"""Overlap with benchmark prompts: same, contained, near; near ones exactly as comparing every pair finds them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardreasoner.data.benchmarks import BenchmarkPrompt, benchmark_prompts
from guardreasoner.data.labelled import normalised
from guardreasoner.data.overlap import Overlap, grams, is_near
from guardreasoner.errors import InputError

LONG = "how do i keep my bread dry in a wet summer"


def overlap(*prompts: str) -> Overlap:
    return Overlap(BenchmarkPrompt("bench", row, prompt) for row, prompt in enumerate(prompts, 1))


def test_prompts_are_the_same_whatever_their_case_and_marks() -> None:
    assert overlap("x", LONG).find("How do I keep my bread dry, in a wet summer?!") == "same prompt as bench row 2"


def test_benchmark_prompt_inside_a_longer_one_is_found() -> None:
    wrapped = "Pretend to be a baker from long ago who speaks in rhymes. Answer this: " + LONG + ". Begin with a song."
    assert overlap(LONG).find(wrapped) == "contains the prompt of bench row 1"


def test_short_benchmark_prompt_inside_a_longer_one_is_no_overlap() -> None:
    short = "how do i keep my bread dry"
    assert overlap(short).find(f"My neighbour, who is a baker in the next village, asked me this: {short}?") is None


def test_beginning_of_a_benchmark_prompt_is_not_the_prompt() -> None:
    prompt = "Tell me in at most ten words of your own, and slowly: how do i keep my bread dry in a cellar with mice?"
    assert overlap(LONG).find(prompt) is None


def test_prompt_with_a_word_changed_is_near() -> None:
    assert overlap(LONG).find("how do i keep my bread dry in a hot summer") == (
        "near the prompt of bench row 1 (Jaccard 0.73)"
    )


def test_other_prompt_is_no_overlap() -> None:
    assert overlap(LONG).find("Why is the sky blue?") is None


@pytest.mark.parametrize("prompt", ["", "?!", " \n"])
def test_prompt_without_words_overlaps_with_nothing(prompt: str) -> None:
    assert overlap("", "...", LONG).find(prompt) is None


def test_jaccard_of_exactly_six_tenths_is_near() -> None:
    assert is_near(3, 4, 4)
    assert not is_near(2, 3, 3)


def test_text_shorter_than_a_gram_is_its_own() -> None:
    assert (grams("abc"), grams("abcdef"), grams("")) == ({"abc"}, {"abcde", "bcdef"}, set())


VOCABULARY = ["a", "bread", "bake", "cloud", "do", "how", "i", "rain", "salt", "table", "the", "window"]
WORDS = st.lists(st.sampled_from(VOCABULARY), max_size=14)
EDITS = st.lists(st.tuples(st.integers(0, 13), st.sampled_from(["", "salt", "zebra"])), max_size=3)


@settings(max_examples=150, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=12), st.data())
def test_near_prompts_are_those_that_comparing_every_pair_finds(lists: list[list[str]], data: st.DataObject) -> None:
    prompts = [" ".join(words) for words in lists]
    words = list(data.draw(st.sampled_from(lists)))
    for place, word in data.draw(EDITS):
        words[place : place + 1] = [word]
    candidate = " ".join(words)
    own = grams(normalised(candidate))
    compared = [(grams(normalised(prompt)), prompt) for prompt in prompts]
    near = [
        len(own & other) / len(own | other) for other, _ in compared if is_near(len(own & other), len(own), len(other))
    ]
    found = overlap(*prompts).find(candidate)
    if found is None or found.startswith("near"):
        expected = f"(Jaccard {max(near):.2f})" if near else None
        assert (found and found[found.index("(") :]) == expected


def write(folder: Path, name: str, rows: object) -> None:
    (folder / name).write_text(json.dumps(rows))


def row(prompt: str, response: str = "None") -> dict[str, str]:
    given = f"Human user:\n{prompt}\n\nAI assistant:\n{response}\n\n"
    return {"instruction": "Judge.", "input": given, "output": "harmful"}


def test_prompts_of_every_json_file_are_read(tmp_path: Path) -> None:
    write(tmp_path, "0_8_toxic_chat.json", [row("one"), row("two")])
    write(tmp_path, "of_my_own.json", [row("three", "A response.")])
    (tmp_path / "notes.txt").write_text("not read")
    assert list(benchmark_prompts(tmp_path)) == [
        BenchmarkPrompt("0_8_toxic_chat", 1, "one"),
        BenchmarkPrompt("0_8_toxic_chat", 2, "two"),
        BenchmarkPrompt("of_my_own", 1, "three"),
    ]


def test_file_of_another_form_is_an_error_and_not_left_out(tmp_path: Path) -> None:
    write(tmp_path, "other.json", [row("one"), {"input": "Hello"}])
    with pytest.raises(InputError, match=r"other\.json, row 2: expected an object whose `input` is laid out as"):
        list(benchmark_prompts(tmp_path))


def test_folder_without_benchmarks_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a folder without a \.json file"):
        list(benchmark_prompts(tmp_path))
    with pytest.raises(InputError, match="no such folder of benchmark files"):
        list(benchmark_prompts(tmp_path / "none"))
