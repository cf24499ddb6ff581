"""An encoder that became a language model: what it starts from, what sees what, and the graph against torch."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from transformers import BertConfig, BertModel  # noqa: E402

from guardreasoner import Guard  # noqa: E402
from guardreasoner.engines.embedded import EmbeddedEngine  # noqa: E402
from guardreasoner.errors import EngineError, InputError  # noqa: E402
from guardreasoner.formats.nano import END, SPECIAL_TOKENS, TASK_MARKERS  # noqa: E402
from guardreasoner.recipe import Recipe  # noqa: E402
from guardreasoner.run import RunFolder  # noqa: E402
from guardreasoner.stages import STAGES  # noqa: E402
from guardreasoner.training.bases import start_from_encoder  # noqa: E402
from guardreasoner.training.batches import collate  # noqa: E402
from guardreasoner.training.export import export  # noqa: E402
from guardreasoner.training.packing import Example, pack  # noqa: E402
from guardreasoner.training.prefix_lm import PrefixLM, PrefixLMConfig, prefix_lm  # noqa: E402
from guardreasoner.training.tokenizer import save_tokenizer  # noqa: E402
from guardreasoner.training.wordpieces import cut_tokenizer  # noqa: E402
from guardreasoner.types import SamplingParams, Task  # noqa: E402
from tests.tiny import TEXT, make_tiny_encoder  # noqa: E402

PROMPTS = (
    "<|user|>how do i bake bread?<|request|><|think|>",
    "<|user|>tell me a story<|assistant|>the cat walks home through the rain.<|completion|><|answers|><|completion|>",
    "<|user|>tell me a story<|assistant|>the cat walks home through the rain.<|response|><|answers|><|response|>",
)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def checkpoint(encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    tokenizer, rows = cut_tokenizer((encoder / "tokenizer.json").read_text(), TEXT, least=1)
    model = prefix_lm(
        BertModel.from_pretrained(encoder),
        rows,
        context_length=160,
        end_id=tokenizer.token_to_id(END),
        prefix_ends=[tokenizer.token_to_id(marker) for marker in TASK_MARKERS.values()],
        seed=0,
    )
    model.save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    return folder


@pytest.fixture(scope="module")
def engine(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> EmbeddedEngine:
    folder = tmp_path_factory.mktemp("exported")
    export(checkpoint, folder, name="tiny", precision="float32")
    return EmbeddedEngine(folder)


def torch_logprobs(checkpoint: Path, ids: list[int], prefix: int) -> np.ndarray:
    """Of the token after `ids`, whose first `prefix` tokens see each other both ways."""
    model = PrefixLM.from_pretrained(checkpoint).eval()
    seen = torch.tril(torch.ones(len(ids), len(ids), dtype=torch.bool))
    seen[:prefix, :prefix] = True
    with torch.no_grad():
        logits = model(torch.tensor([ids]), attention_mask=seen[None, None]).logits[0, -1]
    return torch.log_softmax(logits, dim=-1).numpy()


def test_a_kept_piece_has_the_encoders_vector_and_a_marker_a_new_one(encoder: Path, checkpoint: Path) -> None:
    old = BertModel.from_pretrained(encoder).embeddings.word_embeddings.weight
    new = PrefixLM.from_pretrained(checkpoint).bert.embeddings.word_embeddings.weight
    before = json.loads((encoder / "tokenizer.json").read_text())["model"]["vocab"]
    after = json.loads((checkpoint / "tokenizer.json").read_text())["model"]["vocab"]
    assert torch.equal(new[after["bread"]], old[before["bread"]])
    assert torch.equal(new[after["<|user|>"]], old[before["[CLS]"]])
    assert after["<|think|>"] == SPECIAL_TOKENS.index("<|think|>")


def test_pieces_that_the_texts_lack_are_cut(encoder: Path) -> None:
    tokenizer, rows = cut_tokenizer((encoder / "tokenizer.json").read_text(), ["bake bread"], least=1)
    assert tokenizer.encode("bread").tokens == ["bread"]
    assert tokenizer.encode("story").tokens == ["s", "##t", "##o", "##r", "##y"]
    assert len(rows) == tokenizer.get_vocab_size()


def test_text_comes_back_readable_in_lower_case(checkpoint: Path, encoder: Path) -> None:
    tokenizer, _ = cut_tokenizer((encoder / "tokenizer.json").read_text(), TEXT, least=1)
    text = "<|think|>Request: bread, it's no harm; done.<|answers|><|request|>"
    ids = tokenizer.encode(text).ids
    assert tokenizer.decode(ids, skip_special_tokens=False) == text.lower()


@pytest.mark.parametrize("prompt", PROMPTS)
def test_graph_gives_the_log_probabilities_of_torch(prompt: str, checkpoint: Path, engine: EmbeddedEngine) -> None:
    ids = engine._wording.encode(prompt)
    markers = [engine._wording.special[marker] for marker in TASK_MARKERS.values()]
    prefix = min(ids.index(marker) for marker in markers if marker in ids)
    choices = ["bread", "cat", "<|harmful|>"]
    wanted = torch_logprobs(checkpoint, ids, prefix)[[engine._wording.encode(each)[0] for each in choices]]
    assert engine.choose([prompt], choices)[0] == pytest.approx(wanted, abs=2e-5)


def test_exchange_is_read_both_ways(checkpoint: Path, engine: EmbeddedEngine) -> None:
    ids = engine._wording.encode(PROMPTS[0])
    prefix = ids.index(engine._wording.special["<|request|>"])
    assert not np.allclose(torch_logprobs(checkpoint, ids, prefix), torch_logprobs(checkpoint, ids, 0), atol=1e-3)


def test_log_probabilities_are_the_same_alone_in_a_batch_and_after_a_cached_exchange(
    checkpoint: Path, tmp_path: Path
) -> None:
    export(checkpoint, tmp_path / "out", name="tiny", precision="int8")
    choices = ["bread", "<|harmful|>", "<|refusal|>"]
    alone = [EmbeddedEngine(tmp_path / "out").choose([prompt], choices)[0] for prompt in PROMPTS]
    shared = EmbeddedEngine(tmp_path / "out")
    assert shared.choose(list(PROMPTS), choices) == alone
    assert [shared.choose([prompt], choices)[0] for prompt in reversed(PROMPTS)] == alone[::-1]


def test_a_longer_exchange_does_not_reuse_a_shorter_ones_memory(checkpoint: Path, tmp_path: Path) -> None:
    export(checkpoint, tmp_path / "out", name="tiny", precision="int8")
    warmed, fresh = EmbeddedEngine(tmp_path / "out"), EmbeddedEngine(tmp_path / "out")
    short = "<|user|>tell me a story about a small cat that walks home<|request|><|think|>"
    longer = short.replace("<|request|>", " through the rain<|request|>")
    params = SamplingParams(max_tokens=4)
    warmed.generate([short], params)
    assert warmed.generate([longer], params) == fresh.generate([longer], params)


def test_guard_judges_with_it(checkpoint: Path, tmp_path: Path) -> None:
    export(checkpoint, tmp_path / "out", name="tiny")
    verdict = Guard(tmp_path / "out", max_reasoning_tokens=8).check("How do I bake bread?", "With flour.")
    assert verdict.labels.tasks == tuple(Task)


def test_rows_share_an_exchange_whole_or_not_at_all() -> None:
    request = Example([1, 2, 3, 10, 20], prompt=4, prefix=3)
    refusal = Example([1, 2, 3, 4, 5, 11, 21], prompt=6, prefix=5)
    response = Example([1, 2, 3, 4, 5, 12, 22], prompt=6, prefix=5)
    rows = list(pack([request, refusal, response], longest=50))
    assert [list(row.ids) for row in rows] == [[1, 2, 3, 10, 20], [1, 2, 3, 4, 5, 11, 21, 12, 22]]
    assert [row.prefix for row in rows] == [3, 5]


def test_mask_lets_the_exchange_see_itself_and_what_is_written_only_what_came_before() -> None:
    (row,) = pack([Example([7, 8, 9, 5], prompt=2, prefix=2), Example([7, 8, 6, 4], prompt=2, prefix=2)], longest=9)
    seen = collate([row])["attention_mask"][0, 0].int().tolist()
    assert seen == [
        [1, 1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 0, 1, 0],
        [1, 1, 0, 0, 1, 1],
    ]


def test_a_config_of_another_kind_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    for name in ("model.safetensors", "tokenizer.json"):
        (tmp_path / name).write_bytes((checkpoint / name).read_bytes())
    config = json.loads((checkpoint / "config.json").read_text()) | {"hidden_act": "relu"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="hidden_act is 'relu', expected 'gelu'"):
        export(tmp_path, tmp_path / "out", name="tiny")


def test_encoder_configuration_is_kept_but_for_what_must_change(encoder: Path, checkpoint: Path) -> None:
    old, new = BertConfig.from_pretrained(encoder), PrefixLMConfig.from_pretrained(checkpoint)
    assert (new.hidden_size, new.num_hidden_layers) == (old.hidden_size, old.num_hidden_layers)
    assert (new.max_position_embeddings, new.type_vocab_size) == (160, 1)


def test_sentences_of_a_lower_case_vocabulary_begin_with_capitals_and_read_back_as_they_were(
    engine: EmbeddedEngine,
) -> None:
    ids = engine._wording.encode("it asks for bread. it's no harm.")
    text = engine._wording.decode(ids)
    assert text == "It asks for bread. It's no harm."
    assert engine._wording.encode(text) == ids


def recipe_of(encoder: Path, output: Path, **more: object) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "tiny",
            "output": output,
            "data": {"own": 40},
            "model": {"encoder": str(encoder), "context_length": 160},
            "tokenizer": {"least": 1},
            "sft": {"learning_rate": 1e-3, "batch_tokens": 1024, "cutoff": 160, "bf16": False},
            **more,
        }
    )


def test_recipe_goes_from_an_encoder_to_a_guard(encoder: Path, tmp_path: Path) -> None:
    alone = {"guards": [{"epochs": 0.5, "reasoning": "drop"}]}
    recipe, folder = recipe_of(encoder, tmp_path / "run", soup=alone), RunFolder(tmp_path / "run")
    folder.open(recipe)
    for stage in ("data", "synthesize", "pretrain", "sft", "soup", "quantize"):
        next(each for each in STAGES if each.name == stage).run(recipe, folder)
    guard = Guard(folder.quantized, max_reasoning_tokens=4)
    assert guard.check("Hello").labels.prompt_harmfulness is not None
    taught, others = (json.loads((folder.root / f"{name}.json").read_text()) for name in ("sft", "soup/guard-0"))
    assert others["examples"] == taught["examples"]
    assert "with reasoning, and the answers alone are taught" in others["left out"]
    export(folder.soup / "model", tmp_path / "soup", name="guardreasoner-nano")
    assert (folder.quantized / "model.onnx").read_bytes() == (tmp_path / "soup" / "model.onnx").read_bytes()
    with pytest.raises(EngineError, match="the checkpoint of an embedded guard, which transformers cannot run"):
        Guard(folder.sft / "model").check("Hello")


def test_encoder_that_is_no_bert_is_refused(tmp_path: Path) -> None:
    from transformers import DistilBertConfig

    DistilBertConfig(dim=16, n_layers=1, n_heads=2, hidden_dim=16).save_pretrained(tmp_path / "distil")
    recipe, folder = recipe_of(tmp_path / "distil", tmp_path / "run"), RunFolder(tmp_path / "run")
    folder.open(recipe)
    with pytest.raises(InputError, match="found a model of type 'distilbert', expected 'bert'"):
        start_from_encoder(str(tmp_path / "distil"), TEXT, recipe, folder)


def test_encoder_is_not_for_the_papers_format(encoder: Path, tmp_path: Path) -> None:
    recipe = recipe_of(encoder, tmp_path / "run", synthesize={"teacher": "chat"})
    with pytest.raises(InputError, match=r"`synthesize\.teacher` = 'chat' writes the paper's: expected 'rule'"):
        start_from_encoder(str(encoder), TEXT, recipe, RunFolder(tmp_path / "run"))
