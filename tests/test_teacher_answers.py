"""What answers.jsonl tells: what is answered, what failed, what it cost."""

import json
from pathlib import Path
from typing import Any

import pytest

from guardreasoner.errors import InputError
from guardreasoner.recipe import TeacherSection
from guardreasoner.run import write_records
from guardreasoner.teachers.answers import Answers, Question, question
from guardreasoner.teachers.cost import Budget, Cost, estimated_tokens
from guardreasoner.types import Exchange, Labels, Sample, TeacherAnswer

TEACHER = TeacherSection(price_prompt=2.0, price_completion=10.0, max_tokens=100)
SAMPLES = [Sample(id=f"{n}", source="test", exchange=Exchange(prompt=f"Bread {n}?"), labels=Labels()) for n in range(4)]


def answer(asked: Question, outcome: str = "answered", **more: Any) -> dict[str, Any]:
    return {"id": asked.id, "source": asked.source, "digest": asked.digest, "outcome": outcome, **more}


def write(path: Path, *answers: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in answers))
    return path


@pytest.fixture
def asked() -> list[Question]:
    return [question(sample, TEACHER) for sample in SAMPLES]


def test_a_file_that_is_not_there_holds_nothing(tmp_path: Path, asked: list[Question]) -> None:
    known = Answers(tmp_path / "none.jsonl")
    assert (len(known), asked[0] in known, known.cost) == (0, False, Cost())


def test_only_what_failed_is_asked_again(tmp_path: Path, asked: list[Question]) -> None:
    outcomes = ("answered", "failed", "refused")
    path = write(tmp_path / "a", *(answer(each, outcome) for each, outcome in zip(asked, outcomes, strict=False)))
    known = Answers(path)
    assert [each in known for each in asked] == [True, False, True, False]
    assert [known.failed(each) for each in asked] == [False, True, False, False]


def test_an_answer_after_a_failure_counts(tmp_path: Path, asked: list[Question]) -> None:
    known = Answers(write(tmp_path / "a", answer(asked[0], "failed"), answer(asked[0])))
    assert (asked[0] in known, known.failed(asked[0])) == (True, False)


def test_a_failure_after_an_answer_does_not_undo_it(tmp_path: Path, asked: list[Question]) -> None:
    known = Answers(write(tmp_path / "a", answer(asked[0]), answer(asked[0], "failed")))
    assert asked[0] in known


@pytest.mark.parametrize(
    "change", [{"model": "other"}, {"temperature": 0.5}, {"temperature": None}, {"max_tokens": 99}]
)
def test_another_way_of_asking_is_another_question(change: dict[str, Any]) -> None:
    assert question(SAMPLES[0], TEACHER.model_copy(update=change)).digest != question(SAMPLES[0], TEACHER).digest


@pytest.mark.parametrize("change", [{"concurrency": 1}, {"base_url": "http://x"}, {"price_prompt": 1.0}])
def test_how_a_teacher_is_reached_is_no_part_of_the_question(change: dict[str, Any]) -> None:
    assert question(SAMPLES[0], TEACHER.model_copy(update=change)).digest == question(SAMPLES[0], TEACHER).digest


def test_another_label_is_another_question() -> None:
    labelled = SAMPLES[0].model_copy(update={"labels": Labels(prompt_harmfulness="harmful")})
    assert question(labelled, TEACHER).digest != question(SAMPLES[0], TEACHER).digest


def test_pairs_are_in_the_order_of_the_samples(tmp_path: Path, asked: list[Question]) -> None:
    write_records(tmp_path / "samples", SAMPLES)
    written = [answer(each, text=f"text {each.id}") for each in reversed(asked)]
    known = Answers(write(tmp_path / "a", answer(asked[2], "failed"), *written))
    pairs = list(known.pairs(tmp_path / "samples", TEACHER))
    assert [(sample.id, got.id, got.text) for sample, got in pairs] == [(f"{n}", f"{n}", f"text {n}") for n in range(4)]


def test_a_sample_that_was_never_asked_is_an_error(tmp_path: Path, asked: list[Question]) -> None:
    write_records(tmp_path / "samples", SAMPLES)
    known = Answers(write(tmp_path / "a", answer(asked[0])))
    with pytest.raises(InputError, match="no answer to test 1, expected one per sample"):
        list(known.pairs(tmp_path / "samples", TEACHER))


def test_a_torn_last_line_is_passed_over(tmp_path: Path, asked: list[Question]) -> None:
    path = write(tmp_path / "a", answer(asked[0]))
    path.write_text(path.read_text() + '{"id": "1", "sour')
    assert len(Answers(path)) == 1


# Cost


def test_all_lines_count_those_of_failures_and_of_other_questions_too(tmp_path: Path, asked: list[Question]) -> None:
    known = Answers(
        write(
            tmp_path / "a",
            answer(asked[0], "failed", prompt_tokens=1000),
            answer(asked[0], prompt_tokens=1000, completion_tokens=200),
            answer(asked[1], digest="other", prompt_tokens=500, completion_tokens=100, batched=True),
        )
    )
    # (2,000 x 2 + 200 x 10 + half of 500 x 2 + 100 x 10) / 1,000,000
    assert known.cost.dollars(TEACHER) == pytest.approx(0.007)


def test_without_prices_there_is_no_cost() -> None:
    assert Cost(1, 10, 10).dollars(TeacherSection()) is None


@pytest.mark.parametrize(("characters", "tokens"), [(0, 0), (1, 1), (4, 1), (5, 2), (400, 100)])
def test_four_characters_are_a_token(characters: int, tokens: int) -> None:
    assert estimated_tokens(characters) == tokens


def test_the_mean_answer_is_three_hundred_tokens_until_some_were_seen() -> None:
    assert Cost().mean_completion == 300
    assert (
        Cost.of(TeacherAnswer(id="", source="", digest="", outcome="answered", completion_tokens=80)).mean_completion
        == 80
    )


def test_calls_under_way_count_at_their_worst() -> None:
    budget = Budget(TEACHER, Cost(), most=0.004)
    worst = budget.worst(68)  # with 32 for the chat template: (100 x 2 + 100 x 10) / 1,000,000
    assert worst == pytest.approx(0.0012)
    assert [budget.hold(worst) for _ in range(4)] == [True, True, True, False]
    budget.settle(worst, Cost(1, 50, 10))
    assert budget.spent == pytest.approx(0.0002)
    assert budget.hold(worst)
    assert not budget.hold(worst)


def test_a_lost_answer_counts_at_its_worst() -> None:
    budget = Budget(TEACHER, Cost(), most=0.002)
    worst = budget.worst(68)
    assert budget.hold(worst)
    budget.settle(worst, Cost())
    budget.lose(worst)
    assert budget.idle
    assert not budget.hold(worst)


def test_what_was_spent_before_counts() -> None:
    assert not Budget(TEACHER, Cost(1, 1_000_000, 0), most=2.0).hold(0.0001)


def test_a_batch_is_held_at_half_the_price() -> None:
    assert Budget(TEACHER, Cost(), None, share=0.5).worst(68) == pytest.approx(0.0006)


def test_without_a_limit_there_is_always_room() -> None:
    assert Budget(TeacherSection(), Cost(), None).hold(1e9)
