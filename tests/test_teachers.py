"""The offline teacher: words chosen without the label, what they amount to by the label."""

import pytest

from guardreasoner.teachers.lexicon import learn, words
from guardreasoner.teachers.rule import train_teacher
from guardreasoner.types import Exchange, Labels, Sample


def sample(number: int, prompt: str, response: str, **labels: str) -> Sample:
    return Sample(
        id=str(number),
        source="own",
        exchange=Exchange(prompt=prompt, response=response),
        labels=Labels.model_validate(labels),
    )


REFUSED = {"prompt_harmfulness": "harmful", "response_refusal": "refusal", "response_harmfulness": "unharmful"}
COMPLIED = {"prompt_harmfulness": "unharmful", "response_refusal": "compliance", "response_harmfulness": "unharmful"}
SPITEFUL = {"prompt_harmfulness": "harmful", "response_refusal": "compliance", "response_harmfulness": "harmful"}
SAMPLES = [
    *(sample(n, f"insult my colleague number {n}", "Sorry, I cannot do this today.", **REFUSED) for n in range(40)),
    *(sample(n, f"praise my garden number {n}", "Lovely roses bloom there.", **COMPLIED) for n in range(2000)),
    *(sample(n, f"insult my neighbour number {n}", "What a clumsy fool.", **SPITEFUL) for n in range(40)),
]


@pytest.fixture(scope="module")
def teacher():
    return train_teacher(SAMPLES)


def test_words_are_lower_case_and_not_endless() -> None:
    assert words("Don\u2019t PANIC, a x " + "y" * 99) == ["don't", "panic"]


def test_word_of_one_side_is_telling_and_a_shared_one_is_not() -> None:
    lexicon = learn(
        [(f"insult number {n}", True) for n in range(9)] + [(f"praise number {n}", False) for n in range(200)]
    )
    assert lexicon.telling("Insult or praise the number") == ["insult"]


def test_word_that_stands_everywhere_is_not_telling() -> None:
    lexicon = learn([("insult", True)] * 90 + [("praise", False)] * 200, common=0.05)
    assert lexicon.telling("insult") == []


def test_without_a_negative_text_nothing_is_telling() -> None:
    assert learn([("insult", True)] * 20, common=1).telling("insult") == []


def test_harmful_request_is_reasoned_from_its_words(teacher) -> None:
    exchange, labels = Exchange(prompt="insult my colleague"), Labels(prompt_harmfulness="harmful")
    assert teacher.reason(exchange, labels) == (
        "Request: words that may alarm: insult, colleague. Taken together it asks for harm."
    )


def test_first_step_does_not_depend_on_the_label(teacher) -> None:
    exchange = Exchange(prompt="insult my colleague")
    lines = [
        teacher.reason(exchange, Labels.model_validate({"prompt_harmfulness": label}))
        for label in ("harmful", "unharmful")
    ]
    assert lines[0].split(". ")[0] == lines[1].split(". ")[0]
    assert lines[1].endswith("They may alarm, but it asks for no harm.")


def test_refusal_is_reasoned_from_its_opening(teacher) -> None:
    exchange = Exchange(prompt="x", response="Sorry, I cannot do this today.")
    assert teacher.reason(exchange, Labels(response_refusal="refusal")).startswith(
        "Completion: it opens: Sorry, I cannot do this; refusing words: "
    )


def test_unannotated_task_gets_no_line(teacher) -> None:
    reasoning = teacher.reason(Exchange(prompt="x", response="y"), Labels(response_harmfulness="unharmful"))
    assert [line.split(":")[0] for line in reasoning.splitlines()] == ["Response"]


def test_opening_without_spaces_is_cut(teacher) -> None:
    reasoning = teacher.reason(Exchange(prompt="x", response="z" * 5000), Labels(response_refusal="compliance"))
    assert len(reasoning) < 200
