"""What becomes of a teacher's answer: kept, or rejected for a reason."""

from __future__ import annotations

import pytest
from synthesis import BREAD, GOLD, GOOD, answer, answers, reasoning, sample

from guardreasoner.data.benchmarks import BenchmarkPrompt
from guardreasoner.data.leaks import find_leak
from guardreasoner.data.overlap import Overlap
from guardreasoner.data.sift import find, sift
from guardreasoner.errors import InputError
from guardreasoner.formats.paper import PaperFormat
from guardreasoner.types import Exchange, Labels, Outcome, Rejected, Sample, SFTExample, TeacherAnswer

ALONE = sample(response=None, labels=Labels(prompt_harmfulness="unharmful"))


def test_sound_answer_becomes_an_example() -> None:
    (found,) = sift([(sample(), answer(f"\n{GOOD}\n\n"))])
    assert found.example == SFTExample(
        id="1",
        source="mild",
        prompt=PaperFormat().render(Exchange(prompt=BREAD, response="Mix, wait, bake.")),
        completion=GOOD,
        labels=GOLD,
    )
    assert found.rejected is None


def test_answer_that_contradicts_gold_is_rejected() -> None:
    assert find(sample(), answer(reasoning() + answers(response="harmful"))) == (
        "contradicts gold",
        "response_harmfulness: the answer is harmful, gold is unharmful",
    )


def test_task_that_nobody_annotated_is_the_teachers_to_decide() -> None:
    only_response = sample(labels=Labels(response_harmfulness="unharmful"))
    assert find(only_response, answer(reasoning() + answers("harmful", "refusal"))) is None


def test_without_a_response_the_other_answers_do_not_matter() -> None:
    assert find(ALONE, answer(reasoning() + answers(completion="refusal", response="harmful"))) is None
    assert find(ALONE, answer(reasoning() + answers(completion="None", response="None"))) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (reasoning(), "no answer block"),
        ("", "empty text"),
        (reasoning() + answers(request="maybe"), "'maybe' is no answer to prompt_harmfulness"),
    ],
)
def test_answer_that_cannot_be_read_is_rejected(text: str, why: str) -> None:
    found = find(sample(), answer(text))
    assert found is not None
    assert found[0] == "no readable answer"
    assert why in (found[1] or "")


@pytest.mark.parametrize("outcome", ["cut", "refused", "filtered", "failed"])
def test_call_without_a_whole_answer_is_rejected_under_its_name(outcome: Outcome) -> None:
    assert find(sample(), answer("", outcome, detail="said why")) == (outcome, "said why")


@pytest.mark.parametrize(
    "sentence",
    [
        "The ground truth is",
        "The ground truth is that the request is unharmful.",
        "As the ground truth says, it is fine.",
        "This agrees with the ground-truth answers.",
        "The given label is unharmful.",
        "According to the given labels, the request is unharmful.",
        "The provided label confirms it.",
        "The gold label is unharmful.",
        "Based on the provided answers, the response is compliance.",
        "This is consistent with the given answer.",
        "The provided answer for this task is unharmful.",
        "The correct answer is given as unharmful.",
        "The correct answer was already provided.",
        "The label is unharmful.",
        "This follows from the annotations of the data.",
        "I was told that it is unharmful.",
    ],
)
def test_text_that_gives_away_the_answers_is_rejected(sentence: str) -> None:
    found = find(sample(), answer(reasoning(closing=sentence) + answers()))
    assert found is not None
    assert found[0] == "leaked ground truth"


@pytest.mark.parametrize(
    ("prompt", "sentence"),
    [
        (
            "What is ground truth in machine learning?",
            "The response explains that the ground truth is what annotators say.",
        ),
        ("What is ground truth in machine learning?", "The user wants to know what ground truth means."),
        ("Who writes the labels of a data set?", "The response explains that human labels come from annotators."),
        ("Which label do I put on a jar?", "The response says that the provided label is for jam."),
        ("Who annotates images?", "The response says that the annotators are paid."),
        (BREAD, "There is no provided answer or action taken."),
        (BREAD, "The provided answer is helpful."),
        (BREAD, "The response gives the correct answer to the question."),
        (BREAD, 'The response is labeled as "None".'),
        (BREAD, "The request is labelled a cooking question."),
        (BREAD, "The user was told to wait and asks what follows."),
        (BREAD, "The user asks for the truth about the ground floor."),
    ],
)
def test_words_that_only_look_like_a_leak_are_kept(prompt: str, sentence: str) -> None:
    assert find_leak(sentence, Exchange(prompt=prompt)) is None


def test_exchange_about_ground_truth_hides_no_leak() -> None:
    exchange = Exchange(prompt="What is ground truth in machine learning?")
    assert find_leak("The ground truth is unharmful.", exchange) == "ground truth: 'The ground truth is unharmful.'"
    assert find_leak("The ground truth is \n\nAnswers:", exchange) is not None


def test_task_without_a_step_is_rejected() -> None:
    text = "# Task 1\nStep 1: a\n# Task 2\nIt is compliance.\n# Task 3\nStep 1: c\n"
    assert find(sample(), answer(text + answers())) == ("no reasoning steps", "response_refusal has none")


def test_task_that_does_not_apply_needs_no_step() -> None:
    assert find(ALONE, answer("# Task 1\nStep 1: a\n# Task 2\nNone\n" + answers(completion="None"))) is None


def test_ten_steps_are_kept_and_eleven_are_not() -> None:
    assert find(sample(), answer(reasoning(10) + answers())) is None
    assert find(sample(), answer(reasoning(11) + answers())) == ("more than ten steps", "prompt_harmfulness has 11")


def test_conclusion_against_the_answer_is_rejected() -> None:
    text = reasoning(closing="## Conclusion: The response is harmful.\n") + answers()
    assert find(sample(), answer(text)) == (
        "reasoning contradicts answer",
        "response_harmfulness: it concludes harmful, the answer is unharmful",
    )


def test_conclusion_on_a_task_that_does_not_apply_is_not_compared() -> None:
    text = reasoning(closing="## Conclusion: The response is harmful.\n") + answers()
    assert find(ALONE, answer(text)) is None


def test_of_two_like_exchanges_the_first_sound_one_is_kept() -> None:
    pairs = [
        (sample(id="1"), answer("no answers", id="1")),
        (sample(id="2"), answer(id="2")),
        (sample("how do I bake BREAD", id="3"), answer(id="3")),
        (sample(response="No.", id="4"), answer(id="4")),
        (sample(response=None, labels=Labels(), id="5"), answer(id="5")),
    ]
    assert reasons(pairs) == {"1": "no readable answer", "2": None, "3": "duplicate", "4": None, "5": None}


def test_prompts_without_words_are_compared_as_they_are() -> None:
    pairs = [(sample(prompt, id=id), answer(id=id)) for id, prompt in (("1", "?!"), ("2", "..."), ("3", "?!"))]
    assert reasons(pairs) == {"1": None, "2": None, "3": "duplicate"}


def reasons(pairs: list[tuple[Sample, TeacherAnswer]]) -> dict[str, str | None]:
    found = zip(pairs, sift(pairs), strict=True)
    return {pair[0].id: None if sifted.rejected is None else sifted.rejected.reason for pair, sifted in found}


def test_prompt_of_a_benchmark_is_rejected() -> None:
    overlap = Overlap([BenchmarkPrompt("bench", 7, "how do i bake bread")])
    (found,) = sift([(sample(), answer())], overlap=overlap)
    assert found == (
        None,
        Rejected(id="1", source="mild", reason="benchmark overlap", detail="same prompt as bench row 7", text=GOOD),
    )


def test_keep_all_keeps_whatever_has_text_and_still_says_what_was_found() -> None:
    pairs = [
        (sample(id="1"), answer("The ground truth is", id="1")),
        (sample(id="2"), answer(id="2")),
        (sample(id="3"), answer(id="3")),
        (sample(id="4"), answer("# Task 1", "cut", id="4")),
        (sample(id="5"), answer("", "filtered", id="5")),
    ]
    found = [(s.example is not None, s.rejected and s.rejected.reason) for s in sift(pairs, keep="all")]
    assert found == [
        (True, "no readable answer"),
        (True, None),
        (True, "duplicate"),
        (True, "cut"),
        (False, "filtered"),
    ]


def test_answer_to_another_sample_is_an_error() -> None:
    with pytest.raises(InputError, match="the answer to mild 2 was paired with the sample mild 1"):
        list(sift([(sample(), answer(id="2"))]))
