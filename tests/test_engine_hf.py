"""What the hf engine makes of tokenizers, checkpoints, random states and devices."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny import make_tiny_checkpoint
from tokenizers import Tokenizer, processors

from guardreasoner.engines.hf import HFEngine
from guardreasoner.engines.hf_rows import Place, batches, cut, tails
from guardreasoner.errors import EngineError, InputError
from guardreasoner.types import SamplingParams

PROMPTS = ["Hi", "How do I bake bread?", "Please tell me a story about a cat"]
BOS = "<|user|>"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_checkpoint(tmp_path_factory.mktemp("tiny") / "checkpoint")


@pytest.fixture(scope="module")
def engine(checkpoint: Path) -> HFEngine:
    return HFEngine(str(checkpoint), device="cpu", batch_size=4)


@pytest.fixture(scope="module")
def with_bos(checkpoint: Path) -> HFEngine:
    """The same model, its tokenizer putting a begin token in front as Llama's does, its defaults sampling."""
    folder = checkpoint.parent / "with_bos"
    shutil.copytree(checkpoint, folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    number = tokenizer.token_to_id(BOS)
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, number)])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"bos_token": BOS}))
    defaults = {"do_sample": True, "temperature": 0.6, "top_k": 1, "repetition_penalty": 9.0, "eos_token_id": [5, 4]}
    (folder / "generation_config.json").write_text(json.dumps(defaults))
    return HFEngine(folder, device="cpu")


def teacher_forced(checkpoint: Path, prompt: str, text: str) -> list[float]:
    """Token log-probabilities of `text` after `prompt`, straight from transformers."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(checkpoint), AutoModelForCausalLM.from_pretrained(checkpoint)
    start, ids = len(tokenizer(prompt)["input_ids"]), tokenizer(prompt + text, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        logprobs = model(ids).logits[0].log_softmax(-1)
    return [float(logprobs[position - 1, ids[0, position]]) for position in range(start, ids.shape[1])]


def test_one_begin_token_stands_in_front(with_bos: HFEngine) -> None:
    assert (with_bos.count_tokens("Hi"), with_bos.count_tokens(BOS + "Hi"), with_bos.count_tokens("")) == (3, 3, 1)


def test_a_begin_token_in_the_prompt_is_not_doubled(with_bos: HFEngine) -> None:
    assert with_bos.choose(["Hi"], ["e"]) == with_bos.choose([BOS + "Hi"], ["e"])


def test_the_begin_token_is_fed(with_bos: HFEngine, engine: HFEngine) -> None:
    assert with_bos.choose(["Hi"], ["e"])[0] == pytest.approx(engine.choose([BOS + "Hi"], ["e"])[0], abs=1e-5)


def test_the_checkpoints_own_sampling_defaults_do_not_join_in(with_bos: HFEngine, engine: HFEngine) -> None:
    params = SamplingParams(max_tokens=8)
    assert with_bos.generate(["Hi"], params)[0][0].text == engine.generate([BOS + "Hi"], params)[0][0].text


def test_choose_is_the_sum_of_the_choices_token_log_probabilities(engine: HFEngine, checkpoint: Path) -> None:
    expected = sum(teacher_forced(checkpoint, "How do I", " bake bread"))
    assert engine.choose(["How do I"], [" bake bread"])[0] == pytest.approx([expected], abs=1e-4)


def test_log_probabilities_are_taken_before_temperature_and_top_p(engine: HFEngine, checkpoint: Path) -> None:
    params = SamplingParams(temperature=0.3, top_p=0.5, max_tokens=1, seed=1, logprobs=True)
    ((made,),) = engine.generate(["How do I"], params)
    assert made.logprobs == pytest.approx(teacher_forced(checkpoint, "How do I", made.text), abs=1e-4)


def test_many_samples_of_more_prompts_than_a_batch_come_in_order(engine: HFEngine) -> None:
    prompts = [*PROMPTS, *reversed(PROMPTS)]
    made = engine.generate(prompts, SamplingParams(n=3, max_tokens=4))
    alone = [engine.generate([prompt], SamplingParams(max_tokens=4))[0][0].text for prompt in prompts]
    assert [[completion.text for completion in row] for row in made] == [[text] * 3 for text in alone]


def test_the_end_token_ends_the_text_and_is_no_part_of_it(engine: HFEngine) -> None:
    made = engine.generate(["Hi"], SamplingParams(n=64, temperature=1.0, max_tokens=60, seed=0, logprobs=True))[0]
    ended = [completion for completion in made if completion.finish_reason == "stop"]
    assert len(ended) > 0
    assert all("<|end|>" not in completion.text for completion in made)
    assert all(completion.num_tokens == len(completion.logprobs or ()) < 60 for completion in ended)


def test_markers_stay_in_the_text(engine: HFEngine) -> None:
    made = engine.generate(["Hi"], SamplingParams(n=64, temperature=1.0, max_tokens=20, seed=0))[0]
    assert any("<|request|>" in completion.text for completion in made)


def test_a_seed_leaves_the_callers_random_state_alone(engine: HFEngine) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3).tolist()
    torch.manual_seed(5)
    engine.generate(["Hi"], SamplingParams(temperature=1.0, max_tokens=4, seed=1))
    assert torch.rand(3).tolist() == expected


def test_without_a_seed_the_samples_go_on(engine: HFEngine) -> None:
    params = SamplingParams(temperature=1.0, max_tokens=8)
    assert engine.generate(["Hi"], params) != engine.generate(["Hi"], params)


def test_a_prompt_near_the_end_of_the_context_does_not_shorten_the_others(engine: HFEngine) -> None:
    made = engine.generate(["<|request|>" * 508, "Hi"], SamplingParams(max_tokens=6))
    assert [row[0].num_tokens for row in made] == [4, 6]


def test_an_empty_prompt_is_an_input_error(engine: HFEngine) -> None:
    with pytest.raises(InputError, match=r"^prompt 1 has 0 tokens, expected at least 1$"):
        engine.generate(["Hi", ""], SamplingParams())


def test_an_empty_choice_is_an_input_error(engine: HFEngine) -> None:
    with pytest.raises(InputError, match=r"^the choice '' has no tokens, expected at least 1$"):
        engine.choose(["Hi"], [""])


def test_choose_refuses_a_prompt_that_leaves_no_room_for_the_longest_choice(engine: HFEngine) -> None:
    with pytest.raises(InputError, match=r"^prompt 0 has 510 tokens, expected at most 509$"):
        engine.choose(["<|request|>" * 510], ["<|harmful|>", "<|harmful|>" * 3])


def test_a_folder_without_a_model_is_an_engine_error_naming_it(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="empty: no causal language model could be loaded: "):
        HFEngine(tmp_path / "empty")


def test_without_torch_the_error_says_the_cure() -> None:
    code = "import sys; sys.modules['torch'] = None; from guardreasoner.engines.hf import HFEngine; HFEngine('a/b')"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    last = ended.stderr.splitlines()[-1]
    assert last == "guardreasoner.errors.MissingExtra: the hf engine needs `pip install 'guardreasoner[hf]'`"


def test_an_unknown_device_is_an_input_error() -> None:
    with pytest.raises(InputError, match=r"^device 'tpu9' is unknown, expected cpu, cuda or cuda:NUMBER$"):
        HFEngine("org/name", device="tpu9")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_missing_cuda_device_is_an_input_error() -> None:
    with pytest.raises(InputError, match=r"^device 'cuda' is not there: PyTorch \S+ sees no CUDA, expected cpu$"):
        HFEngine("org/name", device="cuda")


def test_a_dtype_is_taken_by_name(checkpoint: Path) -> None:
    narrow = HFEngine(checkpoint, device="cpu", dtype="bfloat16")
    wide = HFEngine(checkpoint, device="cpu", dtype=torch.float32)
    (a, b) = narrow.choose(["Hi"], [" it"]), wide.choose(["Hi"], [" it"])
    assert a != b
    assert a[0] == pytest.approx(b[0], abs=0.5)


def test_one_token_choices_feed_the_prompt_alone() -> None:
    assert tails([[7], [8]]) == ([[]], [Place(0, (7,)), Place(0, (8,))])


def test_a_tail_that_begins_another_is_not_fed_twice() -> None:
    assert tails([[7], [1, 2], [1, 3, 4], [5, 6]]) == (
        [[1, 3], [5]],
        [Place(0, (7,)), Place(0, (1, 2)), Place(0, (1, 3, 4)), Place(1, (5, 6))],
    )


def test_batches_run_the_longest_first_and_the_cramped_alone() -> None:
    assert list(batches([5, 9, 50, 7], [10, 10, 3, 10], wanted=10, size=2)) == [[2], [1, 3], [0]]


def test_a_text_is_cut_before_its_end_token() -> None:
    assert cut([97, 98, 0, 0], (), frozenset([0]), spell) == ("ab", 2, True)


def test_a_text_is_cut_before_its_first_stop_string_and_so_are_its_tokens() -> None:
    assert cut([97, 98, 99, 100], ("d", "bc"), frozenset([0]), spell) == ("a", 1, True)


def test_a_text_without_an_end_is_whole() -> None:
    assert cut([97, 98], ("x",), frozenset([0]), spell) == ("ab", 2, False)


def spell(ids: object) -> str:
    return "".join(map(chr, ids))  # type: ignore[arg-type]
