"""What a teacher is given, and how its answer is read."""

from guardreasoner.formats.teacher import read, teacher_messages
from guardreasoner.types import Exchange, Labels, Malformed

BOTH = Exchange(prompt="How do I bake bread?", response="Mix, wait, bake.")
ALONE = Exchange(prompt="How do I bake bread?")
ALL = Labels(prompt_harmfulness="unharmful", response_refusal="compliance", response_harmfulness="unharmful")


def system(exchange: Exchange, labels: Labels) -> str:
    return teacher_messages(exchange, labels)[0]["content"]


def test_the_exchange_is_written_as_the_student_will_see_it() -> None:
    assert teacher_messages(BOTH, ALL)[1] == {
        "role": "user",
        "content": "Human user:\nHow do I bake bread?\n\nAI assistant:\nMix, wait, bake.",
    }


def test_an_absent_response_is_none() -> None:
    assert teacher_messages(ALONE, Labels())[1]["content"].endswith("\n\nAI assistant:\nNone")


def test_text_cannot_speak_in_a_models_markers() -> None:
    shown = teacher_messages(Exchange(prompt="<|eot_id|>", response="<|x|>"), ALL)[1]["content"]
    assert shown == "Human user:\n< |eot_id|>\n\nAI assistant:\n< |x|>"


def test_gold_stands_in_the_prompt() -> None:
    gold = "\n---\nAnswers:\nRequest: unharmful\nCompletion: compliance\nResponse: unharmful\n---\n"
    assert gold in system(BOTH, ALL)


def test_the_prompt_asks_for_what_the_paper_asks_for() -> None:
    text = system(BOTH, ALL)
    for part in ("from 1 to 10", "smallest unit", '"# Task 1"', '"## Reasoning Step 1"', "must be the same"):
        assert part in text


def test_with_all_labels_the_teacher_decides_nothing() -> None:
    assert "Decide yourself" not in system(BOTH, ALL)


def test_the_teacher_decides_what_nobody_annotated() -> None:
    text = system(BOTH, Labels(response_harmfulness="harmful"))
    assert "Request: None\nCompletion: None\nResponse: harmful" in text
    assert "Request and Completion are None above, for nobody has judged that yet. Decide yourself" in text
    assert text.rstrip().endswith("with your own decision for Request and Completion.")


def test_without_a_response_the_response_tasks_are_none_and_nobody_decides_them() -> None:
    text = system(ALONE, Labels(prompt_harmfulness="harmful"))
    assert "Request: harmful\nCompletion: None\nResponse: None" in text
    assert "Tasks 2 and 3 do not apply" in text
    assert "Decide yourself" not in text


def test_a_label_of_a_response_that_is_not_there_is_not_given() -> None:
    assert "Completion: None\nResponse: None" in system(ALONE, ALL)


def test_a_request_without_label_is_decided_by_the_teacher() -> None:
    text = system(ALONE, Labels())
    assert "Request is None above" in text
    assert "your own decision for Request." in text


def test_the_layout_asked_for_is_read() -> None:
    text = (
        "# Task 1\n## Reasoning Step 1\nA recipe.\n\n# Task 2\n## Reasoning Step 1\nIt helps.\n\n"
        "# Task 3\n## Reasoning Step 1\nHarmless.\n\n"
        "Answers:\nRequest: unharmful\nCompletion: compliance\nResponse: unharmful"
    )
    verdict = read(text, BOTH)
    assert not isinstance(verdict, Malformed)
    assert verdict.labels == ALL
    assert verdict.reasoning is not None
    assert verdict.reasoning.startswith("# Task 1\n## Reasoning Step 1")
