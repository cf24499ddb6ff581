"""What every engine promises, checked on all four: two local ones and a server run the same tiny random model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from servers.process import serving
from servers.tiny_gguf import write_gguf
from tiny import make_tiny_checkpoint

from guardreasoner.engines import Engine
from guardreasoner.engines.embedded import EmbeddedEngine
from guardreasoner.engines.hf import HFEngine
from guardreasoner.engines.remote import RemoteEngine
from guardreasoner.engines.scripted import ScriptedEngine
from guardreasoner.errors import InputError
from guardreasoner.formats.nano import SPECIAL_TOKENS
from guardreasoner.training.export import export
from guardreasoner.types import SamplingParams

NAMES = ("embedded", "hf", "remote", "scripted")
MODELS = ("embedded", "hf", "remote")
PROMPTS = ["Hi", "How do I bake bread?", "Please tell me a story about a cat"]
CHOICES = [" it", "How", "(", "<|harmful|>"]

Open = Callable[[str], Engine]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_checkpoint(tmp_path_factory.mktemp("tiny") / "checkpoint")


@pytest.fixture(scope="module")
def llama_cpp(checkpoint: Path) -> Iterator[str]:
    folder = checkpoint.parent
    with serving("llama_server.py", str(write_gguf(checkpoint, folder / "tiny.gguf")), folder=folder) as address:
        yield address


@pytest.fixture(scope="module")
def opened(checkpoint: Path, request: pytest.FixtureRequest) -> Open:
    """Each engine is opened when a test first asks for it."""
    engines: dict[str, Engine] = {}

    def make(name: str) -> Engine:
        match name:
            case "embedded":
                export(checkpoint, checkpoint.parent / "exported", name="tiny", precision="float32")
                return EmbeddedEngine(checkpoint.parent / "exported")
            case "hf":
                return HFEngine(checkpoint, device="cpu", batch_size=4)
            case "remote":
                address = request.getfixturevalue("llama_cpp")
                return RemoteEngine(address, max_retries=0, timeout=20, top_logprobs=400)
            case _:
                return ScriptedEngine(" it is a small script of nine words long", context_length=512)

    def open_once(name: str) -> Engine:
        if name not in engines:
            engines[name] = make(name)
        return engines[name]

    return open_once


@pytest.fixture(params=NAMES)
def engine(request: pytest.FixtureRequest, opened: Open) -> Engine:
    return opened(request.param)


def texts(engine: Engine, prompts: list[str], params: SamplingParams) -> list[list[str]]:
    return [[completion.text for completion in completions] for completions in engine.generate(prompts, params)]


def test_no_prompts_give_no_completions_and_no_log_probabilities(engine: Engine) -> None:
    assert (engine.generate([], SamplingParams()), engine.choose([], CHOICES)) == ([], [])


def test_no_choices_give_an_empty_row_per_prompt(engine: Engine) -> None:
    assert engine.choose(PROMPTS, []) == [[], [], []]


def test_completions_of_a_batch_are_those_of_each_prompt_alone(engine: Engine) -> None:
    params = SamplingParams(max_tokens=8)
    alone = [texts(engine, [prompt], params)[0] for prompt in PROMPTS]
    assert texts(engine, PROMPTS, params) == alone


def test_every_prompt_gets_n_completions(engine: Engine) -> None:
    made = engine.generate(PROMPTS, SamplingParams(n=3, temperature=1.0, max_tokens=4))
    assert [len(completions) for completions in made] == [3, 3, 3]


def test_greedy_completions_are_all_the_same(engine: Engine) -> None:
    (made,) = texts(engine, ["Hi"], SamplingParams(n=3, max_tokens=6))
    assert made == [made[0]] * 3


def test_a_stop_string_ends_the_text_and_is_no_part_of_it(engine: Engine) -> None:
    ((free,),) = texts(engine, ["Hi"], SamplingParams(max_tokens=8))
    stop = free[3:5]
    ((stopped,),) = engine.generate(["Hi"], SamplingParams(max_tokens=8, stop=("never there", stop)))
    assert (stopped.text, stopped.finish_reason) == (free[: free.find(stop)], "stop")


def test_max_tokens_ends_the_text_by_length(engine: Engine) -> None:
    ((made,),) = engine.generate(["Hi"], SamplingParams(max_tokens=3))
    assert (made.num_tokens, made.finish_reason) == (3, "length")


def test_log_probabilities_come_one_per_token(engine: Engine) -> None:
    ((made,),) = engine.generate(["Hi"], SamplingParams(max_tokens=5, logprobs=True))
    assert made.logprobs is not None
    assert len(made.logprobs) == 5
    assert all(logprob <= 0 for logprob in made.logprobs)


def test_choose_gives_a_finite_log_probability_per_prompt_and_choice(engine: Engine) -> None:
    chosen = engine.choose(PROMPTS, CHOICES)
    assert [[math.isfinite(logprob) and logprob <= 0 for logprob in row] for row in chosen] == [[True] * 4] * 3


def test_choices_with_distinct_first_tokens_share_at_most_one(engine: Engine) -> None:
    assert all(sum(map(math.exp, row)) <= 1 + 1e-6 for row in engine.choose(PROMPTS, CHOICES))


def test_a_choice_in_a_batch_is_as_likely_as_alone(engine: Engine) -> None:
    alone = [engine.choose([prompt], CHOICES)[0] for prompt in PROMPTS]
    assert [pytest.approx(row, abs=1e-4) for row in alone] == engine.choose(PROMPTS, CHOICES)


def test_a_longer_choice_is_less_likely_than_its_beginning(engine: Engine) -> None:
    ((beginning, whole),) = engine.choose(["Hi"], [" it", " it it"])
    assert whole < beginning


def test_a_prompt_that_does_not_fit_is_an_input_error_naming_its_index(engine: Engine) -> None:
    with pytest.raises(InputError, match=r"prompt 1 .*\d+ tokens"):
        engine.generate(["Hi", "How do I bake bread? " * 200], SamplingParams(max_tokens=4))


def test_a_prompt_that_does_not_fit_is_an_input_error_in_choose_too(engine: Engine) -> None:
    with pytest.raises(InputError, match=r"prompt 1 .*\d+ tokens"):
        engine.choose(["Hi", "How do I bake bread? " * 200], CHOICES)


def test_a_text_ends_where_the_context_ends(engine: Engine) -> None:
    prompt = "<|request|> " * 255
    ((made,),) = engine.generate([prompt], SamplingParams(max_tokens=400, stop=()))
    assert made.num_tokens <= 512 - 255


def test_the_context_length_is_that_of_the_model(engine: Engine) -> None:
    assert engine.context_length == 512


@pytest.mark.parametrize("name", MODELS)
def test_the_same_model_writes_the_same_greedy_text_on_every_engine(name: str, opened: Open) -> None:
    assert texts(opened(name), ["Hi"], SamplingParams(max_tokens=8)) == [[")\x0e\x0e\x0e\x0e\x0e\x0e\x0e"]]


@pytest.mark.parametrize(("name", "tolerance"), [("embedded", 1e-4), ("remote", 0.02)])  # llama.cpp caches in float16
def test_the_same_model_gives_choices_the_same_log_probabilities(name: str, tolerance: float, opened: Open) -> None:
    choices = [" it", "How", " i", "e", " it it"]
    expected = [pytest.approx(row, abs=tolerance) for row in opened("hf").choose(PROMPTS, choices)]
    assert opened(name).choose(PROMPTS, choices) == expected


@pytest.mark.parametrize("name", MODELS)
def test_token_log_probabilities_are_those_that_choose_gives(name: str, opened: Open) -> None:
    ((made,),) = opened(name).generate(["Hi"], SamplingParams(max_tokens=1, logprobs=True))
    ((chosen,),) = opened(name).choose(["Hi"], [made.text])
    assert made.logprobs == pytest.approx((chosen,), abs=1e-4)


@pytest.mark.parametrize("name", ["embedded", "hf"])
@pytest.mark.parametrize("marker", SPECIAL_TOKENS)
def test_a_marker_of_the_nano_format_is_one_token(name: str, marker: str, opened: Open) -> None:
    engine = opened(name)
    assert (engine.count_tokens(marker), engine.count_tokens(f"a{marker}{marker}a")) == (1, 4)


@pytest.mark.parametrize("name", ["embedded", "hf"])
def test_a_seed_repeats_its_samples(name: str, opened: Open) -> None:
    params = SamplingParams(n=4, temperature=1.0, max_tokens=6, seed=7)
    assert texts(opened(name), PROMPTS, params) == texts(opened(name), PROMPTS, params)


@pytest.mark.parametrize("name", MODELS)
def test_the_samples_of_one_prompt_differ(name: str, opened: Open) -> None:
    (made,) = texts(opened(name), ["Hi"], SamplingParams(n=4, temperature=1.0, max_tokens=8, seed=3))
    assert len(set(made)) == 4
