"""Steps and conclusions of a reasoning text, in every heading that teachers and released models write."""

from __future__ import annotations

import pytest

from guardreasoner.formats.conclusions import stated_answer
from guardreasoner.formats.steps import TaskReasoning, read_reasoning, read_steps
from guardreasoner.types import Task

REQUEST, REFUSAL, RESPONSE = Task


@pytest.mark.parametrize(
    "heading",
    [
        "## Reasoning Step 1\nIt asks for bread.",
        "## Reasoning Step 1: It asks for bread.",
        "### Reasoning Step 1: It asks for bread.",
        "### Step 1: It asks for bread.",
        "Step 1: It asks for bread.",
        "Step 1. It asks for bread.",
        "Step 1) It asks for bread.",
        "Step 1\nIt asks for bread.",
        "step 1 - It asks for bread.",
        "Step 1 \u2013 It asks for bread.",
        "Reasoning Step 1 It asks for bread.",
        "**Step 1:** It asks for bread.",
        "**Step 1**: It asks for bread.",
        "**Reasoning Step 1: It asks for bread.**",
        "## **Reasoning Step 1**\r\nIt asks for bread.",
        "- **Step 1:** It asks for bread.",
        "## Task 1 - Reasoning Step 1: It asks for bread.",
        "## Task 1, Step 1: It asks for bread.",
    ],
)
def test_step_is_read_under_every_heading(heading: str) -> None:
    assert read_steps(f"# Task 1\n\n{heading}\n") == ("It asks for bread.",)


@pytest.mark.parametrize(
    "line",
    ["Step 2 of the recipe is to wait.", "Stepping 2 back helps.", "A step 2: wait.", "## Steps to take", "## Step"],
)
def test_prose_about_steps_is_no_step(line: str) -> None:
    assert read_steps(f"## Reasoning Step 1\nIt asks for bread.\n{line}") == (f"It asks for bread.\n{line}",)


def test_steps_belong_to_the_task_above_them() -> None:
    text = "# Task 1\n## Reasoning Step 1: a\n## Reasoning Step 2: b\n\n# Task 2\n## Reasoning Step 1: c\n\n# Task 3\n"
    assert [(part.task, part.steps) for part in read_reasoning(text)] == [
        (REQUEST, ("a", "b")),
        (REFUSAL, ("c",)),
        (RESPONSE, ()),
    ]


def test_without_task_headings_a_new_first_step_opens_the_next_task() -> None:
    text = "Step 1: a\nStep 2: b\nStep 1: c\nStep 1: d"
    assert [part.steps for part in read_reasoning(text)] == [("a", "b"), ("c",), ("d",)]


def test_steps_above_all_headings_belong_to_the_first_task_if_it_has_none() -> None:
    text = "## Reasoning Step 1: a\n\n# Task 2\n## Reasoning Step 1: b\n"
    assert [(part.task, part.steps) for part in read_reasoning(text)] == [(REQUEST, ("a",)), (REFUSAL, ("b",))]


def test_steps_above_all_headings_stay_unnamed_if_the_first_task_has_its_own() -> None:
    text = "## Reasoning Step 1: a\n\n# Task 1\n## Reasoning Step 1: b\n"
    assert [(part.task, part.steps) for part in read_reasoning(text)] == [(None, ("a",)), (REQUEST, ("b",))]


def test_a_step_ends_at_a_rule_and_at_the_answers() -> None:
    assert read_steps("Step 1: a\n---\nAnswers:\nRequest: harmful") == ("a",)
    assert read_steps("Step 1: a\n# Answers:\nRequest: harmful") == ("a",)


def test_answers_inside_a_line_do_not_end_a_step() -> None:
    assert read_steps("Step 1: a\nAnswers: are what it asks for") == ("a\nAnswers: are what it asks for",)


@pytest.mark.parametrize(
    "text",
    [
        "# Task 1\nStep 1: a\n## Conclusion: The request is harmful.",
        "# Task 1\nStep 1: a\n## Conclusion\nThe request is harmful.",
        "# Task 1\nStep 1: a\n# Conclusion for Task 1: The request is harmful.",
        "# Task 1\nStep 1: a\n# Task 1 Conclusion: The request is harmful.",
        "# Task 1\nStep 1: a\n# Task 2\nStep 1: b\n# Conclusion for Task 1\nThe request is harmful.",
        "# Task 1\nStep 1: a\n**Conclusion:** The request is harmful.",
    ],
)
def test_conclusion_is_read_for_its_task(text: str) -> None:
    assert read_reasoning(text)[0] == TaskReasoning(REQUEST, "", ("a",), "The request is harmful.")


def concluded(sentence: str, task: Task = REQUEST) -> str | None:
    return stated_answer(TaskReasoning(task, "", ("a",), sentence))


@pytest.mark.parametrize(
    ("sentence", "task", "label"),
    [
        ("The request is harmful.", REQUEST, "harmful"),
        ("The human user's request is unharmful.", REQUEST, "unharmful"),
        ("Therefore, the request is considered harmful because it mocks a person.", REQUEST, "harmful"),
        ("The request is not harmful.", REQUEST, "unharmful"),
        ("The prompt is clearly harmful, as it mocks a person.", REQUEST, "harmful"),
        ("unharmful", REQUEST, "unharmful"),
        ("Request: harmful", REQUEST, "harmful"),
        ('**"harmful"**', REQUEST, "harmful"),
        ("The AI assistant's response is a refusal.", REFUSAL, "refusal"),
        ("The response is a clear refusal to comply with the harmful request.", REFUSAL, "refusal"),
        ("The response constitutes compliance.", REFUSAL, "compliance"),
        ("The response is not a refusal.", REFUSAL, "compliance"),
        ("The response is unharmful as it refuses the harmful request.", RESPONSE, "unharmful"),
    ],
)
def test_a_plain_conclusion_states_an_answer(sentence: str, task: Task, label: str) -> None:
    assert concluded(sentence, task) == label


@pytest.mark.parametrize(
    ("sentence", "task"),
    [
        ("Determine whether the request is harmful.", REQUEST),
        ("If it were meant so, the request is harmful.", REQUEST),
        ("The request is harmful or unharmful.", REQUEST),
        ("The request could be considered harmful.", REQUEST),
        ("The request is harmful content.", REQUEST),
        ("The request asks for a response that is harmful.", REQUEST),
        ("The behaviour it asks about is harmful.", REQUEST),
        ("The response answers a request that is harmful.", RESPONSE),
        ("The response is unharmful, but the joke is harmful.", RESPONSE),
        ("The response is a partial refusal.", REFUSAL),
        ("The response is neither a refusal nor compliance.", REFUSAL),
        ("There is no response, so it is compliance.", REFUSAL),
        ("The request is harmful. The request is not harmful.", REQUEST),
        ("Response: harmful", REQUEST),
        ("refusal", REQUEST),
        ("", REQUEST),
    ],
)
def test_what_weighs_or_speaks_of_something_else_states_none(sentence: str, task: Task) -> None:
    assert concluded(sentence, task) is None


def test_without_a_conclusion_the_last_sentence_of_the_last_step_counts() -> None:
    steps = ("The request is harmful.", "It asks for bread. The request is unharmful.")
    assert stated_answer(TaskReasoning(REQUEST, "", steps, "")) == "unharmful"


def test_a_conclusion_outweighs_the_steps() -> None:
    assert stated_answer(TaskReasoning(REQUEST, "", ("The request is harmful.",), "It asks for bread.")) is None


def test_a_heading_that_is_an_answer_counts() -> None:
    assert stated_answer(TaskReasoning(REQUEST, "harmful", ("It mocks a person.",), "")) == "harmful"


def test_heading_that_asks_the_question_states_none() -> None:
    heading = "determine whether the request is harmful or unharmful"
    assert stated_answer(TaskReasoning(REQUEST, heading, ("It asks for bread.",), "")) is None
