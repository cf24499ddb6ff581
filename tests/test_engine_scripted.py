"""What a script may be, and what the scripted engine makes of it."""

from __future__ import annotations

import math

import pytest

from guardreasoner.engines.scripted import ScriptedEngine
from guardreasoner.errors import EngineError, InputError
from guardreasoner.types import SamplingParams

ANSWER = "Thought.<|answers|><|request|><|harmful|><|completion|><|refusal|><|end|>"
LABELS = ["<|harmful|>", "<|unharmful|>"]


def said(engine: ScriptedEngine, prompt: str, n: int = 1) -> list[str]:
    return [completion.text for completion in engine.generate([prompt], SamplingParams(n=n))[0]]


def probabilities(engine: ScriptedEngine, prompt: str, choices: list[str]) -> list[float]:
    return [round(math.exp(logprob), 6) for logprob in engine.choose([prompt], choices)[0]]


def test_a_text_is_said_to_every_prompt() -> None:
    assert said(ScriptedEngine("yes"), "anything") == ["yes"]


def test_a_callable_hears_the_prompt_and_the_attempt() -> None:
    engine = ScriptedEngine(lambda prompt, attempt: f"{prompt}{attempt}")
    assert said(engine, "p", n=2) == ["p0", "p1"]


def test_attempts_cycle_through_a_sequence() -> None:
    assert said(ScriptedEngine(["a", "b"]), "p", n=3) == ["a", "b", "a"]


def test_the_longest_part_found_in_the_prompt_counts() -> None:
    engine = ScriptedEngine({"": "else", "bread": "bake", "rye bread": ["rye", "rye again"]})
    assert [said(engine, prompt) for prompt in ("cake", "bread", "my rye bread")] == [["else"], ["bake"], ["rye"]]


def test_a_prompt_without_a_part_in_the_mapping_is_an_engine_error() -> None:
    with pytest.raises(EngineError, match=r"^no key of the script is in the prompt 'cake'; expected one of 1$"):
        said(ScriptedEngine({"bread": "bake"}), "cake")


def test_an_empty_sequence_is_an_engine_error() -> None:
    with pytest.raises(EngineError, match=r"^the script is an empty sequence; expected at least one answer$"):
        said(ScriptedEngine([]), "p")


def test_a_text_of_exactly_max_tokens_words_stops_by_itself() -> None:
    ((made,),) = ScriptedEngine("one two three").generate(["p"], SamplingParams(max_tokens=3))
    assert (made.text, made.finish_reason, made.num_tokens) == ("one two three", "stop", 3)


def test_the_space_before_a_word_belongs_to_it() -> None:
    ((made,),) = ScriptedEngine(" one  two\nthree").generate(["p"], SamplingParams(max_tokens=2))
    assert (made.text, made.finish_reason) == (" one  two", "length")


def test_the_first_stop_string_counts() -> None:
    ((made,),) = ScriptedEngine("one two three").generate(["p"], SamplingParams(stop=("three", " two")))
    assert (made.text, made.finish_reason) == ("one", "stop")


def test_the_choice_after_the_written_beginning_is_the_likely_one() -> None:
    engine = ScriptedEngine(ANSWER)
    assert probabilities(engine, "question Thought.<|answers|><|request|>", LABELS) == [0.9, 0.1]


def test_the_choice_is_found_when_the_reasoning_is_left_out() -> None:
    prompt = "<|request|><|answers|><|request|><|harmful|><|completion|>"
    assert probabilities(ScriptedEngine(ANSWER), prompt, ["<|refusal|>", "<|compliance|>"]) == [0.9, 0.1]


def test_a_choice_inside_a_longer_one_is_not_taken_for_it() -> None:
    engine = ScriptedEngine("Request: unharmful")
    assert probabilities(engine, "Q\nRequest: ", ["harmful", "unharmful"]) == [0.1, 0.9]


def test_an_answer_that_begins_with_a_choice_chooses_it() -> None:
    assert probabilities(ScriptedEngine(lambda *_: " refusal"), "Completion:", [" compliance", " refusal"]) == [
        0.1,
        0.9,
    ]


def test_choices_that_the_script_does_not_have_are_equally_likely() -> None:
    assert probabilities(ScriptedEngine("nothing"), "p", LABELS) == [0.5, 0.5]


def test_scores_that_are_given_are_used_as_they_are() -> None:
    engine = ScriptedEngine("", scores=lambda prompt, choice: -float(len(prompt + choice)))
    assert engine.choose(["p", "pp"], ["a", "bb"]) == [[-2.0, -3.0], [-3.0, -4.0]]


def test_a_prompt_must_leave_room_for_one_token() -> None:
    with pytest.raises(InputError, match=r"^prompt 1 has 3 tokens; expected at most 2$"):
        ScriptedEngine("a", context_length=3).choose(["one two", "one two three"], ["a"])


def test_the_text_ends_where_the_context_ends() -> None:
    ((made,),) = ScriptedEngine("a b c", context_length=4).generate(["one two"], SamplingParams())
    assert (made.text, made.finish_reason) == ("a b", "length")
