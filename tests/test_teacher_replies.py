"""What a server's body or error means for the sample, the pace and the run."""

from typing import Any

import pytest

from guardreasoner.teachers.pacing import Load
from guardreasoner.teachers.replies import Refusal, Reply, Setback, read_completion, read_error


def chat(content: Any, finish: str | None = "stop", **message: Any) -> dict[str, Any]:
    choice = {"message": {"role": "assistant", "content": content, **message}, "finish_reason": finish}
    return {"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}}


def test_an_answer_is_kept_with_its_tokens() -> None:
    assert read_completion(chat("yes")) == Reply("answered", "yes", None, 7, 3)


def test_tokens_that_a_server_does_not_count_are_none() -> None:
    assert read_completion({"choices": chat("yes")["choices"]}) == Reply("answered", "yes", None, None, None)


def test_text_parts_are_joined() -> None:
    assert read_completion(chat([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}])) == Reply(
        "answered", "ab", None, 7, 3
    )


@pytest.mark.parametrize(
    ("value", "outcome", "text"),
    [
        (chat(None, refusal="I will not."), "refused", "I will not."),
        (chat("", "content_filter"), "filtered", ""),
        (chat("half of", "length"), "cut", "half of"),
        (chat("", "length"), "cut", ""),
    ],
)
def test_an_outcome_that_is_no_answer_is_final(value: dict[str, Any], outcome: str, text: str) -> None:
    heard = read_completion(value)
    assert isinstance(heard, Reply)
    assert (heard.outcome, heard.text) == (outcome, text)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (chat(""), "the answer is empty"),
        (chat(" \n"), "the answer is empty"),
        (chat(None), "the answer is empty"),
        ({"choices": []}, "the answer holds no choice"),
        ("<html>", "the answer is no JSON object"),
        ({}, "the answer is no chat completion: `choices`: Field required"),
        ({"choices": [{}]}, "the answer is no chat completion: `choices.0.message`: Field required"),
    ],
)
def test_what_cannot_be_used_is_asked_again(value: object, reason: str) -> None:
    heard = read_completion(value)
    assert isinstance(heard, Setback)
    assert (heard.reason, heard.again, heard.load) == (reason, True, Load.NONE)


def test_an_error_in_a_successful_response_is_an_error() -> None:
    heard = read_completion({"error": {"message": "busy", "code": 429}})
    assert heard == Setback("status 429: busy", Load.PATIENCE, None, waits=True)


@pytest.mark.parametrize("status", [408, 409, 425, 500, 502, 504])
def test_a_failing_server_is_asked_again(status: int) -> None:
    assert read_error(status, {"error": {"message": "no"}}, {}) == Setback(f"status {status}: no", Load.STRAIN)


@pytest.mark.parametrize(("status", "waits"), [(429, True), (503, False), (529, False)])
def test_a_server_that_asks_for_patience_gets_it(status: int, waits: bool) -> None:
    heard = read_error(status, {"error": {"message": "busy"}}, {"retry-after": "3"})
    assert heard == Setback(f"status {status}: busy", Load.PATIENCE, 3.0, waits=waits)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, {"message": "The response was filtered", "code": "content_filter"}),
        (400, {"message": "triggering Azure OpenAI's content management policy"}),
        (403, {"message": "Your model requires moderation and your input was flagged", "code": 403}),
    ],
)
def test_a_filter_that_speaks_by_an_error_is_an_outcome(status: int, error: dict[str, Any]) -> None:
    heard = read_error(status, {"error": error}, {})
    assert isinstance(heard, Reply)
    assert heard.outcome == "filtered"


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "This model's maximum context length is 8192 tokens"),
        (422, "the request exceeds the available context size"),
        (413, "Payload Too Large"),
    ],
)
def test_a_sample_that_does_not_fit_is_not_asked_again_in_this_run(status: int, message: str) -> None:
    heard = read_error(status, {"error": {"message": message}}, {})
    assert heard == Setback(f"status {status}: {message}", again=False)


@pytest.mark.parametrize(
    ("status", "message", "row"),
    [
        (401, "Incorrect API key", False),
        (402, "Insufficient Balance", False),
        (403, "Country not supported", False),
        (404, "no such model", False),
        (400, "Unsupported parameter", True),
        (429, "You exceeded your current quota", False),
    ],
)
def test_what_no_patience_cures_ends_the_run(status: int, message: str, row: bool) -> None:
    heard = read_error(status, {"error": {"message": message}}, {})
    assert heard == Refusal(status, f"status {status}: {message}", row)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": {"message": "a  b\nc"}}, "a b c"),
        ({"error": "bare"}, "bare"),
        ({"message": "here"}, "here"),
        ({"detail": [{"msg": "x"}]}, '[{"msg": "x"}]'),
        ("plain", "plain"),
        ({"error": {}}, "{}"),
        (None, "no message"),
        ("long" * 200, "long" * 75),
    ],
)
def test_a_servers_message_is_found_wherever_it_stands(body: object, said: str) -> None:
    heard = read_error(500, body, {})
    assert isinstance(heard, Setback)
    assert heard.reason == f"status 500: {said}"
