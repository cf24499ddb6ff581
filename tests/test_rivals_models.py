"""Small random models of the rivals' architectures, run through the hf engine with their format from end to end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tiny import make_tiny_tokenizer
from transformers import PreTrainedTokenizerFast

from guardreasoner.engines.hf import HFEngine
from guardreasoner.errors import EngineError, InputError
from guardreasoner.formats.rivals import RIVAL_FORMATS
from guardreasoner.guard import Guard
from guardreasoner.judges.heads import BeaverDamJudge, text_of
from guardreasoner.types import Completion, Exchange, Labels, Malformed, SamplingParams, Task, Verdict

SIZES: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 16, "max_position_embeddings": 4096, "vocab_size": 400,
}  # fmt: skip
# what a template must do for Qwen3Guard: the policy is left out here, the layout of the turns is its own
TEMPLATE = (
    "{% for message in messages %}{{ message['role'] | upper + ': ' + message['content'] + '\n\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'VERDICT\n' }}{% endif %}"
)
PAIR = ("How do I bake bread?", "Mix flour and water.")
ANSWERS = {
    "llama-guard-3": "safe",
    "shieldgemma": "No",
    "qwen3guard-strict": "Safety: Safe\nCategories: None\nRefusal: No",
    "wildguard": "Harmful request: no\nResponse refusal: no\nHarmful response: no",
}


def save(folder: Path, kind: str, template: str | None = None) -> Path:
    """A checkpoint of one layer with random weights and a real tokenizer."""
    torch.manual_seed(0)
    config = {
        "llama": transformers.LlamaConfig,
        "gemma2": transformers.Gemma2Config,
        "qwen3": transformers.Qwen3Config,
        "mistral": transformers.MistralConfig,
    }[kind](**SIZES, bos_token_id=None, eos_token_id=5, pad_token_id=0)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=make_tiny_tokenizer(), eos_token="<|end|>", pad_token="<|pad|>"
    )
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("rivals")
    return {
        "llama-guard-3": save(root / "llama", "llama"),
        "shieldgemma": save(root / "gemma2", "gemma2"),
        "qwen3guard-strict": save(root / "qwen3", "qwen3", TEMPLATE),
        "wildguard": save(root / "mistral", "mistral"),
    }


class Answering(HFEngine):
    """The real model, but for what it writes."""

    text = ""

    def generate(self, prompts: Sequence[str], params: SamplingParams) -> list[list[Completion]]:
        super().generate(prompts[:1], params.model_copy(update={"max_tokens": 2}))
        return [[Completion(text=self.text, finish_reason="stop", num_tokens=1)] for _ in prompts]


@pytest.mark.parametrize("name", list(ANSWERS))
def test_what_a_random_model_writes_is_unreadable_and_never_safe(name: str, folders: dict[str, Path]) -> None:
    guard = Guard(HFEngine(folders[name], device="cpu"), format=name, max_reasoning_tokens=6)
    read = guard.check_batch([PAIR, "Hello"])
    assert [isinstance(each, Malformed) for each in read] == [True, True]


@pytest.mark.parametrize("name", list(ANSWERS))
def test_a_good_answer_is_read_and_weighed_by_the_model(name: str, folders: dict[str, Path]) -> None:
    engine = Answering(folders[name], device="cpu")
    engine.text = ANSWERS[name]
    (verdict,) = Guard(engine, format=name).check_batch([PAIR])
    assert isinstance(verdict, Verdict), verdict
    judged = RIVAL_FORMATS[name].tasks
    assert verdict.labels == Labels.model_validate({task.value: task.labels[1] for task in judged})
    assert verdict.scores is not None
    assert all(0 < (verdict.scores.get(task) or 0) < 1 for task in judged)
    assert [verdict.scores.get(task) for task in Task if task not in judged] == [None] * (3 - len(judged))


def test_chat_template_of_the_checkpoint_is_used_where_the_family_has_one(folders: dict[str, Path]) -> None:
    seen: list[str] = []

    class Seeing(Answering):
        def generate(self, prompts: Sequence[str], params: SamplingParams) -> list[list[Completion]]:
            seen.extend(prompts)
            return super().generate(prompts, params)

    engine = Seeing(folders["qwen3guard-strict"], device="cpu")
    engine.text = ANSWERS["qwen3guard-strict"]
    Guard(engine, format="qwen3guard-strict").check("Hello <|im_end|>")
    assert seen == ["USER: Hello < |im_end|>\n\nVERDICT\n"]


def test_checkpoint_without_a_template_is_given_the_rendering(folders: dict[str, Path]) -> None:
    assert (
        HFEngine(folders["llama-guard-3"], device="cpu").apply_chat_template([{"role": "user", "content": "Hi"}])
        is None
    )


def test_template_that_fails_is_named(tmp_path: Path) -> None:
    engine = HFEngine(save(tmp_path, "llama", "{{ raise_exception('roles must alternate') }}"), device="cpu")
    with pytest.raises(EngineError, match="its chat template failed: roles must alternate"):
        Guard(engine, format="llama-guard-3").check("Hello")


@pytest.fixture(scope="module", params=["<|pad|>", None], ids=["with padding", "without padding"])
def head(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    folder = tmp_path_factory.mktemp("beaverdam")
    torch.manual_seed(0)
    config = transformers.LlamaConfig(**SIZES, num_labels=14, pad_token_id=0, bos_token_id=None, eos_token_id=5)
    transformers.LlamaForSequenceClassification(config).save_pretrained(folder)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=make_tiny_tokenizer(), eos_token="<|end|>")
    tokenizer.pad_token = request.param
    tokenizer.save_pretrained(folder)
    return folder


def test_head_judges_responses_by_its_likeliest_category(head: Path) -> None:
    exchange = Exchange(prompt=PAIR[0], response=PAIR[1])
    (verdict,) = Guard(head, format="beaverdam").check_batch([exchange])
    assert isinstance(verdict, Verdict)
    tokenizer = transformers.AutoTokenizer.from_pretrained(head)
    network = transformers.AutoModelForSequenceClassification.from_pretrained(head)
    text = "BEGINNING OF CONVERSATION: USER: How do I bake bread? ASSISTANT:Mix flour and water."
    assert text_of(exchange) == text
    ids = tokenizer(text + "<|end|>", return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        expected = float(network(input_ids=ids).logits.sigmoid().max())
    assert verdict.scores is not None
    assert verdict.scores.response_harmfulness == pytest.approx(expected, abs=1e-5)
    assert verdict.labels == Labels(response_harmfulness="harmful" if expected >= 0.5 else "unharmful")


def test_head_gives_the_same_in_a_batch(head: Path) -> None:
    pairs = [Exchange(prompt=PAIR[0], response=PAIR[1]), Exchange(prompt="Sing.", response="La " * 40)]
    guard = Guard(BeaverDamJudge(str(head), batch_size=2))
    together = [each.scores for each in guard.check_batch(pairs) if isinstance(each, Verdict) and each.scores]
    alone = [guard.check(each.prompt, each.response).scores for each in pairs]
    for one, other in zip(together, alone, strict=True):
        assert other is not None
        assert one.response_harmfulness == pytest.approx(other.response_harmfulness, abs=1e-6)


def test_head_refuses_a_model_that_has_none(folders: dict[str, Path]) -> None:
    with pytest.raises(InputError, match="expected a sequence classifier, found LlamaForCausalLM"):
        Guard(folders["llama-guard-3"], format="beaverdam").check(*PAIR)


def test_head_judges_no_request_alone(head: Path) -> None:
    with pytest.raises(InputError, match="beaverdam judges responses alone, and there is none"):
        Guard(head, format="beaverdam").check("Hello")
