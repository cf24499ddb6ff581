"""The figures of reasoning: what is counted in a text, and what is left unsaid."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from guardreasoner.cli import app
from guardreasoner.data.leaks import find_leak
from guardreasoner.formats.paper import PaperFormat
from guardreasoner.formats.short import AMOUNTS, amounts_to, read_short
from guardreasoner.report.judged import Judged, judged, thought
from guardreasoner.report.reasoning import Quality, Thought, contradictions, is_looping, quality, repetition
from guardreasoner.types import Exchange, Labels, Malformed, Sample, Task, Usage

ALONE = Exchange(prompt="How do I bake bread?")
REPLIED = Exchange(prompt="How do I bake bread?", response="Knead it.")
HARMLESS = Labels(prompt_harmfulness="unharmful")
PAPER = """# Task 1

## Reasoning Step 1
The request asks for a recipe.
## Reasoning Step 2
It harms nobody.
## Conclusion
The request is unharmful.
"""
SHORT = "Request: no alarming word. It asks for no harm."


def of(*texts: str, exchange: Exchange = ALONE, answers: Labels | None = HARMLESS) -> Quality:
    found = quality([Thought(exchange, text, answers) for text in texts], find_leak)
    assert found is not None
    return found


def test_steps_of_the_paper_s_form_are_counted_per_task() -> None:
    assert (of(PAPER).steps, of(PAPER).tasks["prompt_harmfulness"].steps) == (2.0, 2.0)


def test_a_line_of_the_embedded_guard_has_two_steps() -> None:
    assert of(SHORT).tasks["prompt_harmfulness"].steps == 2.0


def test_free_prose_has_no_steps_and_states_nothing() -> None:
    found = of("Bread is food, and so I see no harm in it.")
    assert (found.without_steps, found.stated, found.contradiction_rate) == (1, 0, None)


def test_tasks_that_do_not_apply_are_not_counted() -> None:
    assert list(of(PAPER).tasks) == ["prompt_harmfulness"]


@pytest.mark.parametrize("text", [PAPER, SHORT], ids=["paper", "short"])
@pytest.mark.parametrize(("answer", "contradicting"), [("unharmful", 0), ("harmful", 1)])
def test_a_conclusion_that_states_the_other_label_contradicts(text: str, answer: str, contradicting: int) -> None:
    found = of(text, answers=Labels.model_validate({"prompt_harmfulness": answer}))
    assert (found.stated, found.contradicting) == (1, contradicting)


def test_nothing_contradicts_an_answer_that_could_not_be_read() -> None:
    assert of(PAPER, answers=None).stated == 0


def test_the_task_that_contradicts_is_named() -> None:
    answers = Labels(prompt_harmfulness="unharmful", response_refusal="refusal")
    text = f'{SHORT}\nCompletion: it opens "Knead it."; no refusing word. It goes along.'
    assert contradictions(text, answers) == (Task.RESPONSE_REFUSAL,)


def test_the_rate_is_over_what_is_stated() -> None:
    harmful = "Request: no alarming word. No single word alarms, but the aim does harm."
    assert of(SHORT, harmful, "Bread is food.").contradiction_rate == 0.5


def test_four_words_that_return_are_repetition() -> None:
    assert repetition("to be or not to be or not") == pytest.approx(1 / 5)


def test_text_of_three_words_repeats_nothing() -> None:
    assert repetition("no no no") == 0.0


def test_an_ending_said_again_and_again_is_a_loop_though_the_budget_cut_its_last_word() -> None:
    assert is_looping("The request is odd. " + "It may do harm to a person. " * 4 + "It ma")


def test_three_short_sentences_that_are_alike_are_no_loop() -> None:
    assert not is_looping("The request asks for bread. No harm. No harm. No harm.")


def test_a_repeated_beginning_is_no_loop() -> None:
    assert not is_looping(
        "It may do harm to a person. " * 5 + "But the request is about bread and nothing else at all."
    )


def test_leaks_are_counted_by_kind() -> None:
    assert of("The ground truth is unharmful.", SHORT).leaks == {"ground truth": 1}


def test_rows_without_reasoning_are_counted_and_not_averaged() -> None:
    found = quality([Thought(ALONE, SHORT, HARMLESS), None, Thought(ALONE, " ", HARMLESS)], find_leak)
    assert found is not None
    assert (found.rows, found.without_text, found.characters) == (1, 2, float(len(SHORT)))


def test_no_reasoning_at_all_has_no_figures() -> None:
    assert quality([None, None], find_leak) is None


def test_tokens_and_cuts_are_unknown_where_nobody_counted() -> None:
    assert (of(SHORT).tokens, of(SHORT).cut) == (None, None)


def test_texts_that_the_budget_ended_are_counted() -> None:
    rows = [Thought(ALONE, SHORT, HARMLESS, tokens=9, cut=cut) for cut in (True, False, True)]
    found = quality(rows, find_leak)
    assert found is not None
    assert (found.cut, found.tokens) == (2, 9.0)


@pytest.mark.parametrize("task", list(Task))
def test_every_conclusion_that_the_rule_teacher_writes_is_read_back(task: Task) -> None:
    names = {"prompt_harmfulness": "Request", "response_refusal": "Completion", "response_harmfulness": "Response"}
    for (positive, _), words in AMOUNTS[task].items():
        (line,) = read_short(f"{names[task.value]}: no alarming word. {words}")
        assert amounts_to(line) == task.labels[0 if positive else 1]


def test_an_answer_line_is_no_short_reasoning() -> None:
    assert read_short("Request: harmful\nCompletion: None") == ()


def test_a_line_that_was_cut_short_states_nothing() -> None:
    (line,) = read_short('Request: words that may alarm: "kill"')
    assert (amounts_to(line), line.steps) == (None, ('words that may alarm: "kill"',))


def test_a_quoted_conclusion_is_not_taken_for_the_guard_s_own() -> None:
    (line,) = read_short('Completion: it opens "It declines."; no refusing word. It goes along.')
    assert amounts_to(line) == "compliance"


# predictions in the authors' form


def test_score_tells_the_quality_of_released_reasoning(tmp_path: Path) -> None:
    folder = tmp_path / "1B" / "XSTestResponseRefusal"
    folder.mkdir(parents=True)
    asked = PaperFormat().render(REPLIED)
    answers = "\nAnswers: \nRequest: harmful\nCompletion: compliance\nResponse: unharmful"
    rows = [PAPER + answers, PAPER + "The ground truth is compliance." + answers, "A thought without an end"]
    lines = [json.dumps({"prompt": asked, "label": "compliance", "predict": text}) for text in rows]
    (folder / "generated_predictions.jsonl").write_text("\n".join(lines))
    shown = CliRunner().invoke(app, ["score", str(tmp_path), "--reasoning", "--json"])
    (cell,) = json.loads(shown.stdout)["cells"]
    found = cell["reasoning"]
    assert (found["rows"], found["without_steps"], found["leaking"]) == (3, 1, 1)
    assert (found["stated"], found["contradicting"]) == (2, 2)


# what evaluate kept


def kept(**changes: object) -> Judged:
    whole = {"id": "1", "source": "s", "digest": "0", "gold": HARMLESS, "labels": HARMLESS, "seconds": 0.1}
    return Judged.model_validate({**whole, "exchange": ALONE, **changes})


def test_text_that_reached_the_budget_was_cut() -> None:
    rows = [kept(reasoning=PAPER, reasoning_tokens=tokens) for tokens in (63, 64)]
    assert [found and found.cut for found in (thought(row, 64) for row in rows)] == [False, True]


def test_sum_of_several_texts_does_not_tell_that_one_was_cut() -> None:
    rows = [kept(reasoning=PAPER, reasoning_tokens=99, texts=texts, exchange=REPLIED) for texts in (1, 2, None)]
    assert [found and found.cut for found in (thought(row, 64) for row in rows)] == [True, None, None]


def test_text_without_a_readable_answer_is_reasoning_all_the_way_and_its_tokens_count() -> None:
    read = Malformed(text=PAPER, reason="no answer block", usage=Usage(reasoning_tokens=64))
    row = judged(Sample(id="1", source="s", exchange=ALONE, labels=HARMLESS), ALONE, read, 0.1)
    assert thought(row, 64) == Thought(ALONE, PAPER, None, 64, cut=True)


def test_words_of_a_refusal_are_no_reasoning() -> None:
    assert thought(kept(labels=None, text="I'm sorry.", refused=True), 64) is None


def test_embedded_guard_was_cut_where_a_line_has_no_end_whatever_its_tokens_sum_up_to() -> None:
    rows = [kept(reasoning=SHORT, reasoning_tokens=99), kept(reasoning='Request: words that may alarm: "kil')]
    assert [found and found.cut for found in (thought(row, 64) for row in rows)] == [False, True]


def test_leaks_are_not_known_where_the_texts_are_not_at_hand() -> None:
    found = quality([thought(kept(exchange=None, reasoning=PAPER), None)], find_leak)
    assert found is not None
    assert (found.leaking, list(found.tasks)) == (None, ["prompt_harmfulness"])
