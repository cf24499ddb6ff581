"""Hard-sample mining: what is right, what is hard, which pair, whose pairs, how heavy. Numbers by hand."""

from __future__ import annotations

from collections import Counter

import pytest

from guardreasoner.formats import FORMATS
from guardreasoner.mining.grading import Decides, Grade, grade, grades, weigh_up
from guardreasoner.mining.pairs import (
    OTHER_MODELS,
    SAME_PROMPT,
    SURPLUS,
    Merged,
    Pick,
    Rule,
    balance,
    merge,
    models_for,
    pair_of,
    weigh,
)
from guardreasoner.mining.questions import BEYOND, REPEATED, UNLABELLED, Question, draw
from guardreasoner.mining.tally import pair_figures
from guardreasoner.recipe import SynthesizeSection
from guardreasoner.teachers.lessons import views, write
from guardreasoner.teachers.rule import train_teacher
from guardreasoner.types import Exchange, Labels, PreferencePair, Rollout, Sample, Task

PAPER, NANO = FORMATS["paper"], FORMATS["nano"]
REQUEST, COMPLETION, RESPONSE = Task.PROMPT_HARMFULNESS, Task.RESPONSE_REFUSAL, Task.RESPONSE_HARMFULNESS
# the paper's leave-one-out ensemble: WildGuard and two of the other three
MEMBERS = {"m1": ("Aegis",), "m2": ("BeaverTails",), "m3": ("ToxicChat",)}


def make(
    id: str = "1", prompt: str = "Hello", response: str | None = "Hi", source: str = "mild", **gold: str
) -> Sample:
    exchange = Exchange(prompt=prompt, response=response)
    return Sample(id=id, source=source, exchange=exchange, labels=Labels.model_validate(gold))


def asked(sample: Sample) -> Question:
    (question,) = draw([sample], PAPER).questions
    return question


def answers(request: str, completion: str, response: str) -> str:
    return f"Some steps.\n\nAnswers:\nRequest: {request}\nCompletion: {completion}\nResponse: {response}"


def mined(
    prompt: str, source: str, model: str, right: int = 2, wrong: int = 2, chosen: str = "right", rejected: str = "no"
) -> PreferencePair:
    return PreferencePair(
        id=prompt,
        source=source,
        model=model,
        prompt=prompt,
        chosen=chosen,
        rejected=rejected,
        right=right,
        wrong=wrong,
    )


# questions


def test_format_that_asks_all_tasks_together_makes_one_question_of_a_sample() -> None:
    (question,) = draw([make(prompt_harmfulness="unharmful")], PAPER).questions
    assert (question.id, question.tasks, question.gold) == (
        "1",
        (REQUEST, COMPLETION, RESPONSE),
        Labels(prompt_harmfulness="unharmful"),
    )


def test_format_that_asks_each_task_alone_makes_a_question_of_each_labelled_task() -> None:
    drawn = draw([make(prompt_harmfulness="unharmful", response_refusal="compliance")], NANO)
    assert [(question.id, question.tasks, question.gold) for question in drawn.questions] == [
        ("1-prompt_harmfulness", (REQUEST,), Labels(prompt_harmfulness="unharmful")),
        ("1-response_refusal", (COMPLETION,), Labels(response_refusal="compliance")),
    ]
    assert drawn.left_out == {UNLABELLED: 1}


def test_prompt_and_text_are_those_that_r_sft_trains_the_embedded_guard_on() -> None:
    sample = make(prompt_harmfulness="unharmful", response_refusal="compliance", response_harmfulness="unharmful")
    teacher = train_teacher([sample])
    taught = [write(sample, view, teacher) for _, view in views([sample], SynthesizeSection(), 0) if view.reasoned]
    questions = draw([sample], NANO).questions
    assert [question.prompt for question in questions] == [example.prompt for example in taught]
    read = [grade(example.completion, question, NANO) for example, question in zip(taught, questions, strict=True)]
    assert read == [{REQUEST: True}, {COMPLETION: True}, {RESPONSE: True}]


def test_request_with_many_responses_is_asked_about_once() -> None:
    samples = [make(str(number), response=f"Hi {number}", prompt_harmfulness="unharmful") for number in range(3)]
    drawn = draw(samples, NANO)
    assert [question.id for question in drawn.questions] == ["0-prompt_harmfulness"]
    assert drawn.left_out == {REPEATED: 2, UNLABELLED: 6}


def test_questions_and_those_left_out_add_up() -> None:
    samples = [make(str(number), prompt=f"Hello {number % 7}", prompt_harmfulness="unharmful") for number in range(10)]
    drawn = draw([*samples, make("none")], PAPER, limit=5)
    assert (len(drawn.questions), drawn.left_out) == (5, {REPEATED: 3, UNLABELLED: 1, BEYOND: 2})


def test_draw_is_seeded_in_order_and_grows_with_the_limit() -> None:
    samples = [make(str(number), prompt=f"Hello {number}", prompt_harmfulness="unharmful") for number in range(30)]
    small, large, other = (
        [int(question.id) for question in draw(samples, PAPER, limit, seed).questions]
        for limit, seed in ((5, 0), (10, 0), (5, 1))
    )
    assert small == sorted(small)
    assert set(small) < set(large)
    assert small != other


# right, wrong, unreadable


def test_text_is_right_or_wrong_per_annotated_task() -> None:
    question = asked(make(prompt_harmfulness="harmful", response_harmfulness="unharmful"))
    text = answers("harmful", "refusal", "harmful")
    assert grade(text, question, PAPER) == {REQUEST: True, RESPONSE: False}


def test_text_without_a_readable_answer_is_unreadable() -> None:
    question = asked(make(prompt_harmfulness="harmful"))
    assert grade("It is harmful, I think.", question, PAPER) is None


def test_text_that_lacks_the_answer_to_a_task_that_applies_is_unreadable() -> None:
    question = asked(make(prompt_harmfulness="harmful"))
    assert grade(answers("harmful", "None", "unharmful"), question, PAPER) is None


def test_answer_that_was_not_closed_is_unreadable() -> None:
    (question,) = draw([make(prompt_harmfulness="harmful", response=None)], NANO).questions
    texts = ["Bad.<|answers|><|request|><|harmful|><|end|>", "Bad.<|answers|><|request|><|harmful|>"]
    assert [grade(text, question, NANO) for text in texts] == [{REQUEST: True}, None]


def test_text_cut_at_the_token_limit_is_unreadable_whatever_it_says() -> None:
    question = asked(make(prompt_harmfulness="harmful"))
    text = answers("harmful", "refusal", "unharmful")
    rollout = Rollout(id="1", source="mild", model="main", texts=(text, text), cut=(False, True))
    assert grades(rollout, question, PAPER) == [{REQUEST: True}, None]


# easy, hard, hopeless


@pytest.mark.parametrize(
    ("request_right", "difficulty", "right", "wrong"),
    [
        ([True, True, True, True], "easy", (), ()),
        ([True, False, True, True], "hard", (0, 2, 3), (1,)),
        ([False, False, False, False], "hopeless", (), ()),
        ([None, None, None, None], "unreadable", (), ()),
        ([True, None, True, None], "easy", (), ()),  # what cannot be read is neither right nor wrong
        ([False, None, True, None], "hard", (2,), (0,)),
        ([False, None, None, None], "hopeless", (), ()),
    ],
)
def test_input_is_hard_if_one_text_is_right_and_one_is_wrong(
    request_right: list[bool | None], difficulty: str, right: tuple[int, ...], wrong: tuple[int, ...]
) -> None:
    graded: list[Grade] = [None if each is None else {REQUEST: each} for each in request_right]
    for decides in ("in order", "all"):
        found = weigh_up(graded, decides)
        assert (found.difficulty, found.right, found.wrong) == (difficulty, right, wrong)


@pytest.mark.parametrize(
    ("decides", "difficulty", "right", "wrong", "task"),
    [
        # of the request all are right, so the response decides, before the completion, as in the authors' script
        ("in order", "hard", (0, 2), (1, 3), RESPONSE),
        # right on every task: the first alone
        ("all", "hard", (0,), (1, 2, 3), None),
    ],
)
def test_first_task_that_differs_decides_or_all_together(
    decides: Decides, difficulty: str, right: tuple[int, ...], wrong: tuple[int, ...], task: Task | None
) -> None:
    graded: list[Grade] = [
        {REQUEST: True, COMPLETION: True, RESPONSE: True},
        {REQUEST: True, COMPLETION: True, RESPONSE: False},
        {REQUEST: True, COMPLETION: False, RESPONSE: True},
        {REQUEST: True, COMPLETION: False, RESPONSE: False},
    ]
    found = weigh_up(graded, decides)
    assert (found.difficulty, found.right, found.wrong, found.task) == (difficulty, right, wrong, task)


@pytest.mark.parametrize(("decides", "difficulty"), [("in order", "hard"), ("all", "hopeless")])
def test_task_that_is_always_wrong_leaves_no_text_right_on_all(decides: Decides, difficulty: str) -> None:
    graded: list[Grade] = [{REQUEST: False, RESPONSE: True}, {REQUEST: False, RESPONSE: False}]
    assert weigh_up(graded, decides).difficulty == difficulty


def test_unannotated_task_never_decides() -> None:
    question = asked(make(prompt_harmfulness="harmful"))
    texts = [answers("harmful", "refusal", "unharmful"), answers("harmful", "compliance", "harmful")]
    graded = [grade(text, question, PAPER) for text in texts]
    assert [weigh_up(graded, decides).difficulty for decides in ("in order", "all")] == ["easy", "easy"]


# pairs

TEXTS = ("right", "wrong, long", "rights", "wrong", "right.")


def pair(pick: Pick, seed: int = 0, id: str = "1") -> tuple[str, str]:
    question = asked(make(id, prompt_harmfulness="harmful"))
    rollout = Rollout(id=id, source="mild", model="main", texts=TEXTS, cut=(False,) * 5)
    graded: list[Grade] = [{REQUEST: text.startswith("right")} for text in TEXTS]
    made = pair_of(question, rollout, weigh_up(graded, "in order"), pick, seed)
    assert (made.right, made.wrong, made.prompt) == (3, 2, PAPER.render(question.exchange))
    assert (made.task, made.label) == (REQUEST, "harmful")
    return made.chosen, made.rejected


def test_longest_right_and_longest_wrong_text_make_the_pair_the_first_of_equals() -> None:
    assert pair("longest") == ("rights", "wrong, long")


def test_random_pair_is_the_same_each_time_and_differs_between_inputs_and_seeds() -> None:
    assert pair("random") == pair("random")
    assert len({pair("random", id=str(number)) for number in range(50)}) == 6
    assert len({pair("random", seed) for seed in range(50)}) == 6


# ensembles


@pytest.mark.parametrize(
    ("source", "models"),
    [
        ("ToxicChat", ("m1", "m2")),
        ("Aegis", ("m2", "m3")),
        ("BeaverTails", ("m1", "m3")),
        ("WildGuard", ("main",)),
    ],
)
def test_authors_take_each_source_from_the_members_that_saw_it(source: str, models: tuple[str, ...]) -> None:
    assert models_for(source, MEMBERS, "authors") == models


def test_paper_takes_every_source_from_all_models_the_main_one_first() -> None:
    assert models_for("Aegis", MEMBERS, "paper") == ("main", "m1", "m2", "m3")


def test_source_that_no_member_saw_is_taken_from_the_main_model() -> None:
    assert models_for("Aegis", {"only": ("Aegis",)}, "authors") == ("main",)


@pytest.mark.parametrize("rule", ["authors", "paper"])
def test_without_members_the_pairs_are_those_of_the_main_model(rule: Rule) -> None:
    pairs = [mined("a", "Aegis", "main")]
    assert merge({"main": pairs}, {}, rule).pairs == tuple(pairs)


HARD = {
    "main": [mined("w1", "WildGuard", "main"), mined("a1", "Aegis", "main")],
    "m1": [mined("t1", "ToxicChat", "m1"), mined("a1", "Aegis", "m1"), mined("w1", "WildGuard", "m1")],
    "m2": [mined("t1", "ToxicChat", "m2"), mined("t2", "ToxicChat", "m2"), mined("a2", "Aegis", "m2")],
    "m3": [mined("a2", "Aegis", "m3"), mined("b1", "BeaverTails", "m3"), mined("w2", "WildGuard", "m3")],
}


def test_merge_of_the_authors_drops_later_models_with_the_same_prompt() -> None:
    merged = merge(HARD, MEMBERS, "authors")
    assert [(pair.prompt, pair.model) for pair in merged.pairs] == [
        ("w1", "main"), ("t1", "m1"), ("t2", "m2"), ("a2", "m2"), ("b1", "m3"),
    ]  # fmt: skip
    assert merged.dropped == {
        "main": {OTHER_MODELS: 1},  # a1
        "m1": {OTHER_MODELS: 2},  # a1, which it did not see, and w1
        "m2": {SAME_PROMPT: 1},  # t1
        "m3": {SAME_PROMPT: 1, OTHER_MODELS: 1},  # a2; w2
    }


def test_merge_of_the_paper_is_the_union_the_main_model_first() -> None:
    merged = merge(HARD, MEMBERS, "paper")
    assert [(pair.prompt, pair.model) for pair in merged.pairs] == [
        ("w1", "main"), ("a1", "main"), ("t1", "m1"), ("t2", "m2"), ("a2", "m2"), ("b1", "m3"), ("w2", "m3"),
    ]  # fmt: skip
    assert merged.dropped == {"main": {}, "m1": {SAME_PROMPT: 2}, "m2": {SAME_PROMPT: 1}, "m3": {SAME_PROMPT: 1}}


@pytest.mark.parametrize("rule", ["authors", "paper"])
def test_pairs_kept_and_dropped_add_up(rule: Rule) -> None:
    merged = merge(HARD, MEMBERS, rule)
    assert len(merged.pairs) + sum(counts.total() for counts in merged.dropped.values()) == 11


# shares of the labels


def decided(task: Task, positive: int, negative: int) -> list[PreferencePair]:
    labels = [task.labels[0]] * positive + [task.labels[1]] * negative
    return [
        mined(f"{task.value}-{number}", "mild", "main").model_copy(update={"task": task, "label": label})
        for number, label in enumerate(labels)
    ]


def counted(merged: Merged) -> Counter[tuple[Task | None, str | None]]:
    return Counter((pair.task, pair.label) for pair in merged.pairs)


@pytest.mark.parametrize(
    ("share", "positive", "negative"),
    [(0.5, 8, 8), (0.25, 8, 24), (0.8, 8, 2), (0.1, 3, 27), (0.99, 8, 1)],  # of 8 and 27; never none of a label
)
def test_label_with_too_many_pairs_loses_its_surplus(share: float, positive: int, negative: int) -> None:
    pairs = Merged(tuple(decided(RESPONSE, 8, 27)), {"main": Counter()})
    balanced = balance(pairs, {"response_harmfulness": share}, seed=0)
    assert counted(balanced) == {(RESPONSE, "harmful"): positive, (RESPONSE, "unharmful"): negative}
    assert balanced.dropped == {"main": {SURPLUS: 35 - positive - negative}}


def test_task_without_a_share_or_with_one_label_keeps_all_pairs_in_their_order() -> None:
    pairs = Merged((*decided(REQUEST, 1, 5), *decided(COMPLETION, 0, 4), mined("all", "mild", "main")), {})
    assert balance(pairs, {"response_refusal": 0.5}, seed=0).pairs == pairs.pairs
    assert balance(pairs, {}, seed=0) == pairs


def test_surplus_is_drawn_by_the_seed_and_adds_to_what_was_dropped_before() -> None:
    pairs = Merged(tuple(decided(REQUEST, 2, 20)), {"main": Counter({SAME_PROMPT: 3})})
    kept = [tuple(pair.id for pair in balance(pairs, {"prompt_harmfulness": 0.5}, seed).pairs) for seed in (0, 0, 1)]
    assert kept[0] == kept[1] != kept[2]
    assert balance(pairs, {"prompt_harmfulness": 0.5}, 0).dropped == {"main": {SAME_PROMPT: 3, SURPLUS: 18}}
    assert pairs.dropped == {"main": {SAME_PROMPT: 3}}


def test_pairs_are_counted_by_their_right_answer() -> None:
    pairs = (*decided(REQUEST, 1, 5), *decided(COMPLETION, 0, 4), mined("all", "mild", "main"))
    assert pair_figures(pairs, Merged(pairs, {}))["by right answer"] == {
        "all annotated tasks": 1,
        "prompt_harmfulness: harmful": 1,
        "prompt_harmfulness: unharmful": 5,
        "response_refusal: compliance": 4,
    }


# weights


def weights(gaps: list[tuple[int, int]], gamma: float) -> list[float]:
    return [each.weight for each in weigh([mined("p", "s", "main", right, wrong) for right, wrong in gaps], gamma)]


def test_weights_go_from_one_minus_gamma_to_one_plus_gamma() -> None:
    # wrong - right = -2, 0, 2, and 1, which is three quarters of the way from -2 to 2
    assert weights([(3, 1), (2, 2), (1, 3), (1, 2)], 0.2) == pytest.approx([0.8, 1.0, 1.2, 1.1])


def test_norm_is_over_what_there_is() -> None:
    # 0 and 2: the least is 0.8 though as many are right as wrong
    assert weights([(2, 2), (1, 3)], 0.2) == pytest.approx([0.8, 1.2])


def test_weights_of_alike_pairs_are_one() -> None:
    assert weights([(3, 1), (3, 1)], 0.2) == [1.0, 1.0]


def test_gamma_of_zero_is_plain_dpo() -> None:
    assert weights([(3, 1), (2, 2), (1, 3)], 0.0) == [1.0, 1.0, 1.0]


def test_no_pairs_have_no_weights() -> None:
    assert weigh([], 0.2) == []


def test_pair_is_not_changed_but_for_its_weight() -> None:
    pairs = [mined("a", "s", "main", 3, 1), mined("b", "s", "main", 1, 3)]
    assert [each.model_copy(update={"weight": 1.0}) for each in weigh(pairs, 0.2)] == pairs
    assert Counter(each.weight for each in pairs) == {1.0: 2}
