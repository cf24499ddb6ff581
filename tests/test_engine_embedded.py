"""The embedded engine: the model's own words and numbers, the same alone, in a batch and after a cached beginning."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy_llama import NumpyLlama
from tiny import CONTEXT, make_tiny_checkpoint
from tokenizers import Tokenizer

from guardreasoner.engines.embedded import PACKAGED, EmbeddedEngine
from guardreasoner.engines.prefix_cache import PrefixCache
from guardreasoner.engines.sampling import Ending, log_softmax, pick
from guardreasoner.errors import EngineError, InputError
from guardreasoner.training.export import export
from guardreasoner.types import SamplingParams, Templates

TEXT = "please tell me how a small cat bakes rye bread and walks home through the rain with salt "
PROMPTS = [f"<|user|>{(TEXT * 4)[i % 5 : 10 + i * 7]} {i}?<|request|><|think|>" for i in range(45)]
CHOICES = ["<|harmful|>", "<|unharmful|>", " harmful", " unharmful", " unlikely", "u"]
GREEDY = SamplingParams(max_tokens=12, logprobs=True)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="module")
def folder(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("int8")
    export(checkpoint, out, name="tiny-guard")
    return out


@pytest.fixture(scope="module")
def exact_folder(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("float32")
    export(checkpoint, out, name="tiny-guard", precision="float32")
    return out


@pytest.fixture
def engine(folder: Path) -> EmbeddedEngine:
    """Fresh: nothing is cached."""
    return EmbeddedEngine(folder, threads=1)


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Tokenizer:
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def alone(folder: Path, prompts: Sequence[str], params: SamplingParams) -> list[object]:
    return [EmbeddedEngine(folder, threads=1).generate([prompt], params)[0] for prompt in prompts]


def greedy_by_oracle(checkpoint: Path, ids: list[int], steps: int) -> tuple[list[int], list[float]]:
    oracle, tokens, logprobs = NumpyLlama(checkpoint), list[int](), list[float]()
    for _ in range(steps):
        row = oracle.log_probabilities(ids + tokens)[-1]
        tokens.append(int(row.argmax()))
        logprobs.append(float(row.max()))
    return tokens, logprobs


# What it is


def test_model_is_the_name_given_at_export(engine: EmbeddedEngine) -> None:
    assert engine.model == "tiny-guard"


def test_context_length_is_the_checkpoints(engine: EmbeddedEngine) -> None:
    assert engine.context_length == 512


def test_special_tokens_in_a_prompt_are_one_token_each(engine: EmbeddedEngine) -> None:
    assert engine.count_tokens("<|user|><|request|><|think|>") == 3


def test_no_begin_token_is_added(engine: EmbeddedEngine) -> None:
    assert engine.count_tokens("") == 0


def test_missing_packaged_weights_are_an_engine_error() -> None:
    if (PACKAGED / "model.onnx").is_file():
        pytest.skip("the weights are there")
    with pytest.raises(EngineError, match=r"the packaged weights are missing: no model.onnx in .*nano"):
        EmbeddedEngine()


@pytest.mark.parametrize("name", ["config.json", "model.onnx", "tokenizer.json"])
def test_folder_without_one_of_its_files_is_an_engine_error(name: str, folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        if path.name != name:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(EngineError, match=f"no {name} in "):
        EmbeddedEngine(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "model.onnx", "tokenizer.json"])
def test_damaged_file_is_an_engine_error_with_its_path(name: str, folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / name).write_bytes((folder / name).read_bytes()[:100])
    with pytest.raises(EngineError, match=name):
        EmbeddedEngine(tmp_path)


def test_number_of_threads_must_be_positive(folder: Path) -> None:
    with pytest.raises(InputError, match="threads: 0 is not above 0"):
        EmbeddedEngine(folder, threads=0)


def test_no_heavy_library_is_loaded_for_a_completion(folder: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from guardreasoner.engines.embedded import EmbeddedEngine
from guardreasoner.types import SamplingParams
EmbeddedEngine(Path({str(folder)!r})).generate(["a"], SamplingParams(max_tokens=2))
print(sorted({{"torch", "transformers", "onnx", "huggingface_hub", "httpx", "safetensors"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# The model's own words


def test_greedy_tokens_are_the_oracles(checkpoint: Path, exact_folder: Path, tokenizer: Tokenizer) -> None:
    tokens, _ = greedy_by_oracle(checkpoint, tokenizer.encode(PROMPTS[3]).ids, 12)
    ((completion,),) = EmbeddedEngine(exact_folder).generate(PROMPTS[3:4], GREEDY)
    assert completion.text == tokenizer.decode(tokens, skip_special_tokens=False)


def test_logprobs_are_the_oracles(checkpoint: Path, exact_folder: Path, tokenizer: Tokenizer) -> None:
    _, logprobs = greedy_by_oracle(checkpoint, tokenizer.encode(PROMPTS[3]).ids, 12)
    ((completion,),) = EmbeddedEngine(exact_folder).generate(PROMPTS[3:4], GREEDY)
    assert completion.logprobs == pytest.approx(logprobs, abs=1e-4)


def test_choices_are_read_as_the_oracle_reads_them(checkpoint: Path, exact_folder: Path, tokenizer: Tokenizer) -> None:
    prompt = tokenizer.encode(PROMPTS[5]).ids
    oracle = NumpyLlama(checkpoint)

    def expected(choice: str) -> float:
        ids = tokenizer.encode(choice).ids
        rows = oracle.log_probabilities(prompt + ids)[len(prompt) - 1 : -1]
        return float(sum(row[token] for row, token in zip(rows, ids, strict=True)))

    (found,) = EmbeddedEngine(exact_folder).choose([PROMPTS[5]], CHOICES)
    assert found == pytest.approx([expected(choice) for choice in CHOICES], abs=1e-3)


def test_choices_of_several_tokens_are_among_those_tested(tokenizer: Tokenizer) -> None:
    assert [len(tokenizer.encode(choice).ids) > 1 for choice in CHOICES] == [False, False, True, True, True, False]


def test_probabilities_of_all_single_tokens_sum_to_at_most_one(engine: EmbeddedEngine, tokenizer: Tokenizer) -> None:
    tokens = [tokenizer.decode([i], skip_special_tokens=False) for i in range(tokenizer.get_vocab_size())]
    single = [text for text in tokens if len(tokenizer.encode(text).ids) == 1 and "\ufffd" not in text]
    (logprobs,) = engine.choose(PROMPTS[:1], single)
    ids = [tokenizer.encode(text).ids[0] for text in single]
    assert len(set(ids)) == len(ids) > 250
    assert 0.3 < sum(math.exp(value) for value in logprobs) <= 1 + 1e-9


# The same in every company


LINES = ("Request: words: {quotes}. Go!", "Request: no word. Go!", "Completion: it opens: {opening}; stop.")
TEMPLATES = Templates(texts={"<|request|>": LINES, "<|response|>": ("said: {quotes}.",)}, after="<|assistant|>")
FORMED = SamplingParams(n=3, temperature=1.0, max_tokens=200, stop=("<|answers|>",), seed=3, templates=TEMPLATES)
LINE = re.compile(
    r"Request: words:(?P<quotes>[^.]+)\. Go!|Request: no word\. Go!|Completion: it opens: (?P<opening>.+); stop\."
)


def test_templates_are_kept_to_by_a_model_that_was_never_taught_them(engine: EmbeddedEngine) -> None:
    seen: set[str] = set()
    for prompt, row in zip(PROMPTS, engine.generate(PROMPTS, FORMED), strict=True):
        asked = prompt.removeprefix("<|user|>").split("<|")[0]
        for completion in row:
            line = LINE.fullmatch(completion.text)
            assert line is not None
            if line["opening"]:
                assert asked.startswith(line["opening"])
            quotes = line["quotes"].split(",") if line["quotes"] else []
            assert all(quote in f" {asked}" for quote in quotes)
            assert len(quotes) == len({quote.split()[0] for quote in quotes}) <= 3
            seen.add(line[0].split(":")[1][:5])
    assert len(seen) == 3


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("<|user|>bake bread<|assistant|>we walk home<|response|><|think|>", {"walk", "home", "walk home"}),
        ("<|user|>please bake bread<|request|><|response|><|think|>", {"bake", "bread", "bake bread"}),
        ("<|user|>please bake bread<|assistant|><|response|><|think|>", {""}),
    ],
)
def test_blanks_are_filled_from_what_follows_the_marker(
    prompt: str, expected: set[str], engine: EmbeddedEngine
) -> None:
    (row,) = engine.generate([prompt], FORMED.model_copy(update={"n": 40}))
    found = {quote.strip() for one in row for quote in one.text.removeprefix("said:").removesuffix(".").split(",")}
    assert found <= expected
    assert len(found) >= min(2, len(expected))


def test_prompt_that_no_templates_are_for_is_continued_freely(engine: EmbeddedEngine) -> None:
    free = FORMED.model_copy(update={"templates": None})
    assert engine.generate(["<|user|>bake<|completion|>"], FORMED) == engine.generate(
        ["<|user|>bake<|completion|>"], free
    )


def test_templates_alone_and_in_a_batch_give_the_same(folder: Path, engine: EmbeddedEngine) -> None:
    assert engine.generate(PROMPTS[:12], FORMED) == alone(folder, PROMPTS[:12], FORMED)


def test_templates_without_a_token_that_ends_them_are_an_input_error(
    checkpoint: Path, tmp_path: Path, engine: EmbeddedEngine
) -> None:
    export(checkpoint, tmp_path, name="endless")
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"end_token_ids": []}))
    endless = SamplingParams(templates=TEMPLATES, stop=("no such token",))
    with pytest.raises(InputError, match=r"templates: no stop string of \('no such token',\) is one token"):
        EmbeddedEngine(tmp_path).generate(PROMPTS[:1], endless)
    assert engine.generate(PROMPTS[:1], endless)[0][0].text


@pytest.mark.parametrize("threads", [1, 3])
def test_completions_alone_and_in_a_batch_are_bit_identical(threads: int, folder: Path) -> None:
    together = EmbeddedEngine(folder, threads=threads).generate(PROMPTS, GREEDY)
    assert together == alone(folder, PROMPTS, GREEDY)


def test_choices_alone_and_in_a_batch_are_bit_identical(folder: Path, engine: EmbeddedEngine) -> None:
    expected = [EmbeddedEngine(folder, threads=1).choose([prompt], CHOICES)[0] for prompt in PROMPTS]
    assert engine.choose(PROMPTS, CHOICES) == expected


def test_choices_after_a_cached_beginning_are_bit_identical(folder: Path, engine: EmbeddedEngine) -> None:
    reasoned = engine.generate(PROMPTS, GREEDY)
    longer = [prompt + row[0].text + "<|answers|><|request|>" for prompt, row in zip(PROMPTS, reasoned, strict=True)]
    expected = [EmbeddedEngine(folder, threads=1).choose([prompt], CHOICES)[0] for prompt in longer]
    assert engine.choose(longer, CHOICES) == expected


def test_choices_read_twice_are_bit_identical(engine: EmbeddedEngine) -> None:
    assert engine.choose(PROMPTS, CHOICES) == engine.choose(PROMPTS, CHOICES)


def test_completions_after_a_cached_beginning_are_bit_identical(folder: Path, engine: EmbeddedEngine) -> None:
    engine.choose(PROMPTS, CHOICES)
    assert engine.generate(PROMPTS, GREEDY) == alone(folder, PROMPTS, GREEDY)


def test_samples_alone_and_in_a_batch_are_the_same_with_a_seed(folder: Path, engine: EmbeddedEngine) -> None:
    params = SamplingParams(n=3, temperature=1.0, top_p=0.9, max_tokens=10, seed=7, logprobs=True)
    assert engine.generate(PROMPTS, params) == alone(folder, PROMPTS, params)


def test_order_of_the_prompts_does_not_change_their_choices(folder: Path) -> None:
    forward = EmbeddedEngine(folder).choose(PROMPTS, CHOICES)
    assert EmbeddedEngine(folder).choose(PROMPTS[::-1], CHOICES)[::-1] == forward


def test_calls_from_several_threads_are_bit_identical(folder: Path, engine: EmbeddedEngine) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda prompt: engine.generate([prompt], GREEDY)[0], PROMPTS))
    assert found == alone(folder, PROMPTS, GREEDY)


# Where a completion ends


def test_unstopped_completion_ends_at_max_tokens(engine: EmbeddedEngine) -> None:
    ((completion,),) = engine.generate(PROMPTS[:1], GREEDY)
    assert (completion.finish_reason, completion.num_tokens, len(completion.logprobs or ())) == ("length", 12, 12)


@pytest.mark.parametrize(("start", "length"), [(4, 1), (4, 3), (6, 2)])
def test_stop_string_is_not_part_of_the_text(start: int, length: int, engine: EmbeddedEngine) -> None:
    params = SamplingParams(max_tokens=40, temperature=1.0, seed=3)
    ((whole,),) = engine.generate(PROMPTS[:1], params)
    stop = whole.text[start : start + length]
    ((stopped,),) = engine.generate(PROMPTS[:1], params.model_copy(update={"stop": (stop,)}))
    assert (stopped.text, stopped.finish_reason) == (whole.text[: whole.text.index(stop)], "stop")


def test_stop_string_may_be_a_special_token(engine: EmbeddedEngine) -> None:
    params = SamplingParams(max_tokens=100, temperature=1.5, seed=1, n=20)
    whole = [completion.text for completion in engine.generate(PROMPTS[:1], params)[0]]
    stopped = engine.generate(PROMPTS[:1], params.model_copy(update={"stop": ("<|think|>",)}))[0]
    assert any("<|think|>" in text for text in whole)
    assert [completion.text for completion in stopped] == [text.split("<|think|>")[0] for text in whole]


def test_end_token_ends_the_text_without_being_part_of_it(engine: EmbeddedEngine) -> None:
    params = SamplingParams(max_tokens=300, temperature=1.5, seed=1, n=20)
    (completions,) = engine.generate(PROMPTS[:1], params)
    assert any(completion.finish_reason == "stop" for completion in completions)
    assert not any("<|end|>" in completion.text for completion in completions)


def test_completion_ends_where_the_context_ends(engine: EmbeddedEngine) -> None:
    prompt = "<|user|>" * (CONTEXT - 5)
    ((completion,),) = engine.generate([prompt], SamplingParams(max_tokens=50))
    assert (completion.num_tokens, completion.finish_reason) == (5, "length")


def test_no_tokens_are_made_when_none_are_wanted(engine: EmbeddedEngine) -> None:
    ((completion,),) = engine.generate(["a"], SamplingParams(max_tokens=0))
    assert (completion.text, completion.num_tokens, completion.finish_reason) == ("", 0, "length")


# How it samples


def test_samples_of_one_seed_differ_from_each_other(engine: EmbeddedEngine) -> None:
    (completions,) = engine.generate(PROMPTS[:1], SamplingParams(n=8, temperature=1.0, max_tokens=10, seed=1))
    assert len({completion.text for completion in completions}) == 8


def test_another_seed_gives_other_samples(engine: EmbeddedEngine) -> None:
    first, second = (
        engine.generate(PROMPTS[:1], SamplingParams(temperature=1.0, max_tokens=10, seed=seed)) for seed in (1, 2)
    )
    assert first != second


def test_greedy_samples_are_all_the_same(engine: EmbeddedEngine) -> None:
    (completions,) = engine.generate(PROMPTS[:1], GREEDY.model_copy(update={"n": 3}))
    assert completions == [completions[0]] * 3


def test_more_samples_than_rows_of_a_batch_are_all_made(engine: EmbeddedEngine) -> None:
    params = SamplingParams(n=70, temperature=1.0, max_tokens=3, seed=0)
    assert [len(row) for row in engine.generate(PROMPTS[:2], params)] == [70, 70]


def test_tiny_top_p_picks_the_likeliest_token() -> None:
    params = SamplingParams(temperature=1.0, top_p=1e-9)
    rng = np.random.default_rng(0)
    assert {pick(np.array([1, 3, 2], np.float32), params, rng) for _ in range(20)} == {1}


def test_top_p_leaves_out_the_unlikely_tail() -> None:
    logits = np.log(np.array([0.5, 0.3, 0.2], np.float32))
    rng = np.random.default_rng(0)
    assert {pick(logits, SamplingParams(temperature=1.0, top_p=0.7), rng) for _ in range(200)} == {0, 1}


def test_tokens_are_drawn_as_often_as_they_are_likely() -> None:
    logits = np.log(np.array([0.6, 0.1, 0.3], np.float32))
    rng = np.random.default_rng(0)
    drawn = [pick(logits, SamplingParams(temperature=1.0), rng) for _ in range(20_000)]
    assert np.bincount(drawn) / 20_000 == pytest.approx([0.6, 0.1, 0.3], abs=0.02)


def test_low_temperature_sharpens() -> None:
    logits = np.log(np.array([0.6, 0.4], np.float32))
    rng = np.random.default_rng(0)
    drawn = [pick(logits, SamplingParams(temperature=0.1), rng) for _ in range(1000)]
    assert sum(drawn) < 40


def test_log_softmax_holds_for_large_logits() -> None:
    assert log_softmax(np.array([1e4, 1e4], np.float32)).tolist() == pytest.approx([-math.log(2)] * 2)


def test_stop_string_across_tokens_is_seen() -> None:
    pieces = ["Ans", "wer", "s:"]
    ending = Ending(frozenset(), {}, ["Answers:"], lambda ids: "".join(pieces[i] for i in ids))
    assert [ending.reached([0, 1]), ending.reached([0, 1, 2])] == [False, True]


# What it refuses


def test_nothing_in_nothing_out(engine: EmbeddedEngine) -> None:
    assert (engine.generate([], GREEDY), engine.choose([], CHOICES), engine.choose(["a"], [])) == ([], [], [[]])


def test_prompt_that_fills_the_context_is_an_input_error(engine: EmbeddedEngine) -> None:
    with pytest.raises(InputError, match="prompt 1 has 512 tokens, expected at most 511"):
        engine.generate(["a", "<|user|>" * CONTEXT], GREEDY)


def test_prompt_without_room_for_the_longest_choice_is_an_input_error(
    engine: EmbeddedEngine, tokenizer: Tokenizer
) -> None:
    room = CONTEXT - len(tokenizer.encode(" unlikely").ids)
    assert len(engine.choose(["<|user|>" * room], [" unlikely"])) == 1
    with pytest.raises(InputError, match=f"prompt 0 has {room + 1} tokens, expected at most {room}"):
        engine.choose(["<|user|>" * (room + 1)], [" unlikely"])


def test_empty_prompt_is_an_input_error(engine: EmbeddedEngine) -> None:
    with pytest.raises(InputError, match="prompt 0 has 0 tokens, expected at least 1"):
        engine.choose([""], CHOICES)


def test_empty_choice_is_an_input_error(engine: EmbeddedEngine) -> None:
    with pytest.raises(InputError, match="the choice '' has no tokens"):
        engine.choose(["a"], ["a", ""])


def test_lone_surrogate_is_an_input_error(engine: EmbeddedEngine) -> None:
    with pytest.raises(InputError, match="not valid Unicode"):
        engine.count_tokens("a\ud800")


# What it remembers


def memory(length: int) -> np.ndarray:
    return np.arange(length, dtype=np.float32)[None, None, :, None].copy()


def test_longest_common_beginning_is_found() -> None:
    cache = PrefixCache(1000)
    cache.store([1, 2, 3], memory(3))
    cache.store([1, 2, 4, 5], memory(4))
    found = cache.find([1, 2, 4, 9], 4)
    assert found is not None
    assert found[0, 0, :, 0].tolist() == [0, 1, 2]


def test_beginning_is_no_longer_than_asked() -> None:
    cache = PrefixCache(1000)
    cache.store([1, 2, 3], memory(3))
    found = cache.find([1, 2, 3], 2)
    assert found is not None
    assert found.shape[2] == 2


def test_nothing_in_common_is_none() -> None:
    cache = PrefixCache(1000)
    cache.store([1, 2, 3], memory(3))
    assert cache.find([2, 3], 2) is None


def test_least_recently_used_entry_goes_first() -> None:
    cache = PrefixCache(2 * memory(3).nbytes)
    cache.store([1, 1, 1], memory(3))
    cache.store([2, 2, 2], memory(3))
    cache.find([1, 1, 1], 3)
    cache.store([3, 3, 3], memory(3))
    assert [cache.find([i] * 3, 3) is not None for i in (1, 2, 3)] == [True, False, True]


def test_entry_larger_than_the_cache_is_not_kept() -> None:
    cache = PrefixCache(memory(3).nbytes)
    cache.store([1] * 4, memory(4))
    assert cache.find([1] * 4, 4) is None


def test_entry_that_is_continued_is_dropped() -> None:
    cache = PrefixCache(memory(5).nbytes)
    cache.store([1, 2], memory(2))
    cache.store([1, 2, 3, 4], memory(4))
    found = cache.find([1, 2, 3, 4], 4)
    assert found is not None
    assert found.shape[2] == 4


def test_what_is_remembered_cannot_be_changed() -> None:
    cache = PrefixCache(1000)
    cache.store([1, 2], memory(2))
    found = cache.find([1, 2], 2)
    assert found is not None
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 1
