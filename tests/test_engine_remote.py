"""What the remote engine makes of servers that fail, that differ, and that drop what they do not know.

The server is a process on loopback that goes wrong on demand; what a sound one gives is in test_engines.py.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from servers.process import serving

from guardreasoner.engines.remote import RemoteEngine
from guardreasoner.engines.remote_answers import completions, read_answer
from guardreasoner.errors import EngineError, InputError, NoProbabilities
from guardreasoner.types import Completion, SamplingParams

GREEDY = SamplingParams(max_tokens=8)
SAMPLED = SamplingParams(n=3, temperature=1.0, max_tokens=8, seed=10)
ONCE = [Completion(text=" one two three", finish_reason="stop", num_tokens=3)]
LABELS = [" harmful", " unharmful"]

Setup = Callable[..., RemoteEngine]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving("faulty_server.py", folder=tmp_path_factory.mktemp("faulty")) as found:
        yield found


@pytest.fixture(scope="module")
def server(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address) as client:
        yield client


@pytest.fixture
def setup(address: str, server: httpx.Client) -> Setup:
    """Sets the server up, and gives an engine for it that tries again quickly."""

    def make(options: dict[str, Any] | None = None, **how: Any) -> RemoteEngine:
        server.post("/setup", json=how).raise_for_status()
        quick: dict[str, Any] = {"timeout": 10, "max_retries": 2, "backoff": 0.01, "api_key": "secret-key"}
        return RemoteEngine(address, **(quick | (options or {})))

    return make


@pytest.fixture
def seen(server: httpx.Client) -> Callable[[], list[dict[str, Any]]]:
    """The requests since the last set-up."""
    return lambda: server.get("/seen").json()["requests"]


Seen = Callable[[], list[dict[str, Any]]]


# Failures that pass


@pytest.mark.parametrize(
    "step",
    [
        pytest.param({"status": 429}, id="too many requests"),
        pytest.param({"status": 500}, id="a server error"),
        pytest.param({"status": 503, "body": "<html>starting</html>"}, id="not ready"),
        pytest.param({"drop": True}, id="a dropped connection"),
        pytest.param({"cut": True}, id="half an answer"),
    ],
)
def test_a_passing_failure_is_tried_again(step: dict[str, Any], setup: Setup, seen: Seen) -> None:
    assert setup(schedule=[step]).generate(["a"], GREEDY) == [ONCE]
    assert len(seen()) == 2


def test_silence_until_the_timeout_is_tried_again(setup: Setup, seen: Seen) -> None:
    assert setup({"timeout": 0.3, "max_retries": 9}, schedule=[{"seconds": 0.6}]).generate(["a"], GREEDY) == [ONCE]
    assert len(seen()) >= 2


def test_the_pause_that_the_server_asks_for_is_kept(setup: Setup, seen: Seen) -> None:
    setup(schedule=[{"status": 429, "headers": {"Retry-After": "0.25"}}]).generate(["a"], GREEDY)
    first, second = (request["at"] for request in seen())
    assert 0.25 <= second - first < 2


def test_a_pause_given_as_a_date_in_the_past_is_none(setup: Setup, seen: Seen) -> None:
    past = {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}
    engine = setup({"backoff": 30.0}, schedule=[{"status": 503, "headers": past}])
    assert engine.generate(["a"], GREEDY) == [ONCE]
    assert len(seen()) == 2


def test_a_pause_too_long_to_wait_for_is_a_failure(setup: Setup, seen: Seen) -> None:
    step = {"status": 429, "headers": {"Retry-After": "3600"}, "body": {"error": {"message": "quota used up"}}}
    with pytest.raises(EngineError, match=r"/v1/completions: status 429, expected 200: quota used up$"):
        setup(schedule=[step]).generate(["a"], GREEDY)
    assert len(seen()) == 1


def test_pauses_grow(setup: Setup, seen: Seen) -> None:
    setup({"backoff": 0.1, "max_retries": 3}, schedule=[{"status": 500}] * 3).generate(["a"], GREEDY)
    times = [request["at"] for request in seen()]
    assert times[1] - times[0] >= 0.05
    assert times[3] - times[2] >= 0.2


# Failures that stay


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": {"message": "overloaded"}}, "overloaded"),
        ({"error": "overloaded"}, "overloaded"),
        ({"message": "overloaded"}, "overloaded"),
        ({"detail": "overloaded"}, "overloaded"),
        ({"detail": [{"msg": "overloaded"}]}, '{"detail": [{"msg": "overloaded"}]}'),
        ("over\nloaded", "over loaded"),
        ("", "no message"),
    ],
)
def test_a_lasting_failure_names_address_status_and_message(body: Any, said: str, setup: Setup, address: str) -> None:
    with pytest.raises(EngineError) as raised:
        setup(schedule=[{"status": 500, "body": body}] * 3).generate(["a"], GREEDY)
    assert str(raised.value) == f"{address}/v1/completions: status 500 after 3 attempts, expected 200: {said}"


@pytest.mark.parametrize("status", [400, 401, 404, 422])
def test_a_refusal_is_not_tried_again(status: int, setup: Setup, seen: Seen) -> None:
    with pytest.raises(EngineError, match=f"status {status}, expected 200: no"):
        setup(schedule=[{"status": status, "body": {"error": {"message": "no"}}}]).generate(["a"], GREEDY)
    assert len(seen()) == 1


def test_lasting_silence_is_told_as_such(setup: Setup) -> None:
    with pytest.raises(EngineError, match=r"/v1/completions: no answer in time, tried 2 times$"):
        setup({"timeout": 0.1, "max_retries": 1}, seconds=0.3).generate(["a"], GREEDY)


def test_lasting_half_answers_are_told_as_such(setup: Setup) -> None:
    with pytest.raises(EngineError, match=r"/v1/completions: the answer is no complete JSON, tried 3 times$"):
        setup(schedule=[{"cut": True}] * 3).generate(["a"], GREEDY)


def test_lasting_broken_connections_are_told_as_such(setup: Setup) -> None:
    with pytest.raises(EngineError, match=r"/v1/completions: the connection broke off, tried 3 times$"):
        setup(schedule=[{"drop": True}] * 3).generate(["a"], GREEDY)


def test_a_server_that_is_not_there_is_told_as_such() -> None:
    engine = RemoteEngine("http://127.0.0.1:1", max_retries=1, backoff=0.01)
    with pytest.raises(EngineError, match=r"^http://127.0.0.1:1/v1/models: no connection, tried 2 times$"):
        engine.generate(["a"], GREEDY)


def test_the_first_failure_cancels_what_has_not_begun(setup: Setup, seen: Seen) -> None:
    with pytest.raises(EngineError, match="status 400"):
        setup({"concurrency": 1}, schedule=[{"status": 400}]).generate(["a"] * 50, GREEDY)
    assert len(seen()) < 10


# Secrets


def test_the_key_is_sent_as_bearer_token(setup: Setup, seen: Seen) -> None:
    setup().generate(["a"], GREEDY)
    assert seen()[0]["key"] == "Bearer secret-key"


def test_the_key_comes_from_the_environment(setup: Setup, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "from-the-environment")
    setup({"api_key": None}).generate(["a"], GREEDY)
    assert seen()[0]["key"] == "Bearer from-the-environment"


def test_a_key_that_the_server_repeats_is_not_shown(setup: Setup) -> None:
    step = {"status": 401, "body": {"error": {"message": "wrong key secret-key"}}}
    with pytest.raises(EngineError, match=r"expected 200: wrong key \*\*\*$"):
        setup(schedule=[step]).generate(["a"], GREEDY)


def test_a_password_and_a_query_in_the_address_are_not_shown() -> None:
    engine = RemoteEngine("http://user:password@127.0.0.1:1/v1?token=hidden", max_retries=0)
    with pytest.raises(EngineError, match=r"^http://127.0.0.1:1/v1/models: no connection, tried 1 times$"):
        engine.generate(["a"], GREEDY)


def test_a_key_that_no_header_may_hold_is_refused_unseen() -> None:
    with pytest.raises(InputError, match=r"^the API key holds a character that no HTTP header may hold, [^€]*$"):
        RemoteEngine("http://localhost:1", api_key="€uro")


# Addresses and models


@pytest.mark.parametrize("ending", ["", "/", "/v1", "/v1/", "/v1/completions"])
def test_the_address_may_end_in_several_ways(ending: str, setup: Setup, address: str) -> None:
    setup()
    assert RemoteEngine(address + ending).generate(["a"], GREEDY) == [ONCE]


@pytest.mark.parametrize("wrong", ["localhost:8000", "ftp://localhost", "http://", "http://[::1"])
def test_what_is_no_address_is_an_input_error(wrong: str) -> None:
    with pytest.raises(InputError, match="expected one such as http://localhost:8000"):
        RemoteEngine(wrong)


def test_the_model_is_the_first_that_the_server_lists(setup: Setup, seen: Seen) -> None:
    engine = setup(models={"data": [{"id": "first", "max_model_len": 4096}, {"id": "second"}]})
    engine.generate(["a"], GREEDY)
    assert (engine.model, engine.context_length, seen()[0]["body"]["model"]) == ("first", 4096, "first")


def test_a_given_model_is_asked_for_even_where_no_models_are_listed(setup: Setup, seen: Seen) -> None:
    setup({"model": "mine"}, models=None).generate(["a"], GREEDY)
    assert seen()[0]["body"]["model"] == "mine"


@pytest.mark.parametrize("models", [{"data": []}, {"data": "none"}, [1]])
def test_without_a_list_the_models_name_is_asked_for(models: Any, setup: Setup) -> None:
    with pytest.raises(EngineError, match=r"/v1/models .*, expected .* or the model's name$"):
        setup(models=models).generate(["a"], GREEDY)


def test_an_unknown_server_is_sent_the_portable_fields_alone(setup: Setup, seen: Seen) -> None:
    setup(tops={"": {" harmful": -0.1}}).choose(["a"], [" harmful"])
    assert sorted(seen()[0]["body"]) == ["logprobs", "max_tokens", "model", "prompt", "temperature"]


def test_vllm_is_told_to_keep_special_tokens(setup: Setup, seen: Seen) -> None:
    setup(models={"data": [{"id": "m", "owned_by": "vllm"}]}).generate(["a"], GREEDY)
    assert seen()[0]["body"]["skip_special_tokens"] is False


def test_llama_cpp_is_held_to_the_choices(setup: Setup, seen: Seen) -> None:
    models = {"data": [{"id": "m", "owned_by": "llamacpp", "meta": {"n_ctx": 512}}]}
    engine = setup(models=models, tops={"": {'"': -0.1, "\n": -3.0}})
    engine.choose(["a"], ['"', "\n"])
    assert (engine.context_length, seen()[0]["body"]["grammar"]) == (512, r'root ::= "\"" | "\n"')


# Completions


def test_requests_run_in_parallel_up_to_the_concurrency(setup: Setup, server: httpx.Client) -> None:
    setup({"concurrency": 3}, seconds=0.1).generate(["a"] * 7, GREEDY)
    assert server.get("/seen").json()["most_active"] == 3


def test_n_samples_are_asked_for_at_once(setup: Setup, seen: Seen) -> None:
    (made,) = setup().generate(["a"], SAMPLED)
    assert (len(made), [request["body"]["n"] for request in seen()]) == (3, [3])


def test_a_server_that_ignores_n_is_asked_again_with_another_seed(setup: Setup, seen: Seen) -> None:
    engine = setup(ignores=["n"])
    assert [len(made) for made in engine.generate(["a"], SAMPLED)] == [3]
    assert [(request["body"].get("n"), request["body"]["seed"]) for request in seen()] == [
        (3, 10),
        (None, 11),
        (None, 12),
    ]


def test_a_server_that_refuses_n_is_asked_n_times(setup: Setup, seen: Seen) -> None:
    engine = setup(refuses=["n"])
    assert [len(made) for made in engine.generate(["a"], SAMPLED)] == [3]
    assert [request["body"].get("n") for request in seen()] == [3, None, None, None]


def test_greedy_samples_are_made_once(setup: Setup, seen: Seen) -> None:
    assert setup().generate(["a"], SamplingParams(n=3, max_tokens=8)) == [ONCE * 3]
    assert len(seen()) == 1


def test_a_stop_string_that_the_server_left_in_is_cut(setup: Setup) -> None:
    ((made,),) = setup(ignores=["stop"]).generate(["a"], SamplingParams(max_tokens=8, stop=(" two",)))
    assert (made.text, made.finish_reason) == (" one", "stop")


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ({"choices": []}, "`choices` of the server's answer: list should have at least 1 item"),
        ({"object": "text_completion"}, "`choices` of the server's answer: field required"),
        ({"choices": [{"finish_reason": "stop"}]}, "`choices.0.text` of the server's answer: field required"),
        ({"choices": [{"text": None}]}, "`choices.0.text` of the server's answer: input should be a valid string"),
        ([1], "`the answer` of the server's answer: input should be a valid dictionary"),
        ({"choices": [{"text": "a"}]}, "finish_reason is None, expected 'stop' or 'length'"),
        ({"choices": [{"text": "a", "finish_reason": "abort"}]}, "finish_reason is 'abort'"),
    ],
)
def test_an_answer_that_lacks_something_is_an_engine_error(answer: Any, complaint: str, setup: Setup) -> None:
    with pytest.raises(EngineError) as raised:
        setup(schedule=[{"body": answer}]).generate(["a"], GREEDY)
    assert complaint in str(raised.value)


def test_less_is_asked_for_where_prompt_and_completion_do_not_fit_together(setup: Setup, seen: Seen) -> None:
    setup(context=30).generate(["a " * 20], SamplingParams(max_tokens=128))
    assert [request["body"]["max_tokens"] for request in seen()] == [128, 32, 8]


def test_a_prompt_that_does_not_fit_is_an_input_error_with_the_servers_words(setup: Setup) -> None:
    with pytest.raises(InputError, match=r"^prompt 1 does not fit the model: .* context length is only 9 tokens$"):
        setup(context=9).generate(["a", "a " * 20], GREEDY)


# Log-probabilities


def chosen(engine: RemoteEngine, choices: list[str] = LABELS, prompt: str = "Request:") -> list[float]:
    return [round(math.exp(logprob), 4) for logprob in engine.choose([prompt], choices)[0]]


def logs(**probabilities: float) -> dict[str, float]:
    return {text.replace("_", " "): math.log(probability) for text, probability in probabilities.items()}


@pytest.mark.parametrize("shape", ["legacy", "content", "lists"])
def test_log_probabilities_are_read_in_every_shape(shape: str, setup: Setup) -> None:
    tops = {"": logs(_harmful=0.7, _unharmful=0.2)}
    assert chosen(setup(shape=shape, tops=tops)) == [0.7, 0.2]


def test_a_choice_of_several_tokens_is_read_token_by_token(setup: Setup, seen: Seen) -> None:
    tops = {
        "Request:": logs(_harmful=0.7, _un=0.25, _u=0.01),
        "Request: un": logs(harm=0.8, happy=0.1),
        "Request: unharm": logs(ful=0.9, ing=0.1),
    }
    assert chosen(setup(tops=tops)) == [0.7, 0.18]  # 0.25 * 0.8 * 0.9
    assert len(seen()) == 3


def test_choices_that_begin_alike_share_their_requests(setup: Setup, seen: Seen) -> None:
    tops = {"p": logs(com=1.0), "pcom": logs(pliance=0.6, mon=0.4)}
    assert chosen(setup(tops=tops), ["compliance", "common"], "p") == [0.6, 0.4]
    assert len(seen()) == 2


def test_the_longest_token_that_fits_is_the_one_meant(setup: Setup) -> None:
    assert chosen(setup(tops={"": logs(_=0.3, _h=0.2, _harmful=0.1)}), [" harmful"]) == [0.1]


def test_an_unlisted_choice_is_as_likely_as_the_last_listed(setup: Setup) -> None:
    assert chosen(setup(tops={"": logs(_harmful=0.5, _no=0.2)})) == [0.5, 0.2]


def test_an_unlisted_choice_is_no_likelier_than_all_that_is_unlisted(setup: Setup) -> None:
    assert chosen(setup(tops={"": logs(_harmful=0.9, _no=0.09)})) == [0.9, 0.01]


def test_choices_that_are_all_unlisted_are_not_told_apart(setup: Setup) -> None:
    assert chosen(setup(tops={"": logs(_maybe=0.9)})) == [0.0, 0.0]


def test_choices_that_run_out_at_different_places_are_not_told_apart(setup: Setup) -> None:
    assert chosen(setup(tops={"": logs(_maybe=0.5, _un=0.3), "Request: un": logs(_x=0.9)})) == [0.0, 0.0]


def test_a_choice_that_the_content_filter_stopped_is_refused_by_its_row(setup: Setup) -> None:
    withheld = {"body": {"choices": [{"text": "", "finish_reason": "content_filter"}]}}
    with pytest.raises(InputError, match=r"the server withheld the answer: its content filter stopped it"):
        setup(schedule=[withheld]).choose(["a"], LABELS)


def test_a_refusal_that_names_the_content_filter_is_refused_by_its_row(setup: Setup) -> None:
    refused = {"status": 400, "body": {"error": {"message": "blocked by the content_filter"}}}
    with pytest.raises(InputError, match=r"the server withheld the answer: .* blocked by the content_filter"):
        setup(schedule=[refused]).generate(["a"], GREEDY)


def test_half_a_character_pair_from_a_server_becomes_a_question_mark() -> None:
    answer = read_answer({"choices": [{"text": "a\ud83d", "finish_reason": "stop"}]}, "here")
    assert completions(answer, GREEDY, "here")[0].text == "a?"


def test_a_prompt_that_is_no_unicode_is_refused_before_it_is_sent(setup: Setup, seen: Seen) -> None:
    engine = setup()
    with pytest.raises(InputError, match=r"the prompt is not valid Unicode"):
        engine.generate(["a\ud800"], GREEDY)
    assert seen() == []


def test_an_answer_that_the_content_filter_stopped_is_refused_by_its_row(setup: Setup) -> None:
    with pytest.raises(InputError, match=r"the server withheld the answer: its content filter stopped it"):
        setup(schedule=[{"body": {"choices": [{"text": "", "finish_reason": "content_filter"}]}}]).generate(
            ["a"], GREEDY
        )


def test_a_server_that_lists_nothing_else_leaves_the_rest(setup: Setup) -> None:
    assert chosen(setup(tops={"": logs(_harmful=1.0)}))[0] == 1.0


def test_a_space_that_the_server_lost_on_every_token_is_no_matter(setup: Setup) -> None:
    assert chosen(setup(tops={"": logs(harmful=0.7, un=0.2), "Request: un": logs(harmful=1.0)})) == [0.7, 0.2]


def test_a_token_without_the_space_is_another_where_others_have_it(setup: Setup) -> None:
    assert chosen(setup(tops={"": logs(harmful=0.6, _yes=0.1)}), [" harmful"]) == [0.1]


def test_spaces_of_raw_vocabulary_are_read(setup: Setup) -> None:
    assert chosen(setup(tops={"": {"\u0120harmful": math.log(0.6), "\u2581unharmful": math.log(0.3)}})) == [0.6, 0.3]


def test_a_probability_of_zero_stays_finite(setup: Setup) -> None:
    ((harmful, _),) = setup(tops={"": {" unharmful": 0.0, " harmful": None}}).choose(["a"], LABELS)
    assert harmful == -9999.0


def test_a_server_that_ignores_logprobs_is_told_apart_and_asked_once(setup: Setup, seen: Seen) -> None:
    engine = setup({"concurrency": 1}, ignores=["logprobs"])
    for _ in range(2):
        with pytest.raises(NoProbabilities, match=r"/v1: the server gave no log-probabilities, expected `logprobs`$"):
            engine.choose(["a", "b", "c"], LABELS)
    assert [request["body"]["prompt"] for request in seen()] == ["a", "1 2 3"]


def test_a_server_that_refuses_logprobs_has_none(setup: Setup) -> None:
    with pytest.raises(NoProbabilities):
        setup(refuses=["logprobs"]).choose(["a"], LABELS)


def test_one_prompt_without_log_probabilities_is_not_the_servers_way(setup: Setup) -> None:
    engine = setup(tops={"1 2 3": {" 4": -0.1}})
    with pytest.raises(InputError, match=r"the server gave no log-probabilities for prompt 0, as it does for others$"):
        engine.choose(["a"], LABELS)


def test_token_log_probabilities_are_passed_on(setup: Setup) -> None:
    engine = setup(text=" yes", tops={"": {" yes": -0.25, " no": -2.0}})
    ((made,),) = engine.generate(["a"], SamplingParams(max_tokens=2, logprobs=True))
    assert made.logprobs == (-0.25,)


def test_log_probabilities_that_the_server_did_not_give_are_none(setup: Setup) -> None:
    ((made,),) = setup(ignores=["logprobs"]).generate(["a"], SamplingParams(max_tokens=8, logprobs=True))
    assert made.logprobs is None


def test_connections_close_with_the_engine(setup: Setup) -> None:
    engine = setup()
    engine.generate(["a"], GREEDY)
    del engine
    gc.collect()  # an open socket would be a warning, and a warning is an error here
