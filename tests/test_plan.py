"""What a run needs, by hand and against transformers, and what the command says of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from guardreasoner.cli import status_of
from guardreasoner.recipe import LoraSection, SFTSection, load_recipe
from guardreasoner.training.needs import GPUS, Tokens, flop, hours, memory
from guardreasoner.training.shapes import KNOWN, Shape, read_shape
from guardreasoner.types import SFTExample

RECIPES = Path(__file__).parents[1] / "recipes"
TINY = Shape(4, 2, 8, 2, 1, 2, 10, True)


def test_parameters_of_the_papers_bases() -> None:
    found = {name.rpartition("-")[2]: shape.parameters for name, shape in KNOWN.items()}
    assert found == {"1B": 1_235_814_400, "3B": 3_212_749_824, "8B": 8_030_261_248}  # as their model cards round


def test_parameters_by_hand() -> None:
    # a layer: q and o 4x4, k and v 4x2, three of 4x8, two norms of 4; the final norm; ten tied embeddings of 4
    assert TINY.parameters == 2 * (2 * 16 + 2 * 8 + 3 * 32 + 8) + 4 + 40
    # r = 3: per layer q, o 4+4; k, v 4+2; three of 4+8
    assert TINY.adapters(3) == 2 * 3 * (2 * 8 + 2 * 6 + 3 * 12)


@pytest.mark.parametrize("family", ["LlamaConfig", "MistralConfig", "Qwen2Config", "Qwen3Config"])
def test_parameters_are_those_that_transformers_makes(tmp_path: Path, family: str) -> None:
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    config = getattr(transformers, family)(
        vocab_size=50,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        tie_word_embeddings=False,
    )
    config.save_pretrained(tmp_path)
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config)
    assert read_shape(tmp_path / "config.json").parameters == model.num_parameters()


def test_memory_by_hand() -> None:
    section = SFTSection(batch_tokens=64, cutoff=32, bf16=True)
    held = memory(TINY, section, devices=1, sharding="none", learnt_share=0.5)
    assert TINY.parameters == 348
    assert (held.weights, held.gradients, held.optimizer) == (348 * 4 + 348 * 2, 348 * 4, 348 * 8)
    # per token and layer 16 x 4 in float32, then two bytes each of 4 x 4, 2 x 2, what is repeated (2 x 2 + 4) and 4 x 8
    assert held.activations == 64 * 2 * (64 + 2 * (16 + 4 + 8 + 32))
    assert held.logits == 14 * 10 * 32


def test_sharding_divides_what_is_trained_by_the_devices() -> None:
    section = SFTSection(bf16=True)
    alone, four = (memory(TINY, section, count, "fsdp2", 0.5) for count in (1, 4))
    assert (alone.gradients / four.gradients, alone.optimizer / four.optimizer) == (4, 4)


def test_adapters_need_gradients_for_themselves_alone() -> None:
    section = SFTSection(bf16=True, lora=LoraSection(r=3, quantize="nf4"))
    held = memory(TINY, section, 1, "none", 0.5)
    assert (held.gradients, held.optimizer) == (4 * 384, 8 * 384)
    assert held.weights == pytest.approx(4 * 384 + 288 * 4.127 / 8 + 2 * 60)


def test_work_and_hours_by_hand() -> None:
    section = SFTSection(epochs=2)
    work = flop(TINY, Tokens(10, 1000, 100, "by hand"), section)
    attention = 6 * 2 * 2 * 2 * 100  # layers, heads, their width, mean length
    assert work == 2 * (1000 * (6 * 2 * 152 + attention) + 100 * 6 * 40)
    assert hours(989e12 * 3600, GPUS["H100"], devices=2, utilisation=0.5) == 1.0


def test_authors_recipe_fits_four_h100(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["plan", str(RECIPES / "guardreasoner-8b.toml"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [stage["stage"] for stage in said["stages"]] == ["sft", "ensemble m1", "ensemble m2", "ensemble m3", "dpo"]
    assert [stage["examples"] for stage in said["stages"]] == [127544, 116746, 100358, 124743, 15000]
    assert said["devices"][0]["fits"] is True


def test_what_does_not_fit_is_said_and_is_the_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    recipe = str(RECIPES / "guardreasoner-8b.toml")
    assert status_of(["plan", recipe, "--gpu", "H100", "--sharding", "none"]) == 1
    assert "H100 x 1, none: DOES NOT FIT" in capsys.readouterr().out


def test_tokens_are_counted_in_the_run_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = SFTExample(id="1", source="desk", prompt="p" * 400, completion="c" * 200)
    (tmp_path / "reasoning.jsonl").write_text((row.model_dump_json() + "\n") * 3)
    status_of(["plan", str(RECIPES / "guardreasoner-1b.toml"), "--set", f"output={tmp_path}", "--json"])
    first = json.loads(capsys.readouterr().out)["stages"][0]
    assert (first["examples"], first["tokens"], first["learnt tokens"]) == (3, 450, 150)


def test_every_guard_of_a_soup_takes_what_r_sft_takes(capsys: pytest.CaptureFixture[str]) -> None:
    soup = 'soup.guards=[{seed = 3}, {seed = 5}, {reasoning = "drop"}, {seed = 1, cutoff = 4096}]'
    status_of(["plan", str(RECIPES / "guardreasoner-1b.toml"), "--set", soup, "--json"])
    plan = json.loads(capsys.readouterr().out)
    stages = {stage["stage"]: stage for stage in plan["stages"]}
    assert stages["soup guard 0"]["flop"] == stages["soup guard 1"]["flop"] == stages["sft"]["flop"]
    assert [f"soup guard {number}: a further training, on examples of another length" for number in (2, 3)] == [
        line for line in plan["not counted"] if line.startswith("soup")
    ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--gpu", "H900"], "error: --gpu H900: unknown, expected one of A100-40,"),
        (["--gpu", "H100:none"], "error: --gpu H100:none: found the count 'none', expected a number above 0"),
        (["--sharding", "half"], "error: --sharding half: expected none, fsdp2 or zero3"),
        (["--set", "model.base=./nowhere/at/all"], "error: ./nowhere/at/all: no such folder"),
    ],
)
def test_bad_options_are_one_sentence(options: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["plan", str(RECIPES / "guardreasoner-1b.toml"), *options]) == 2
    assert capsys.readouterr().err.startswith(said)


def test_recipes_of_the_paper_have_its_values() -> None:
    for size, base in (("1b", "Llama-3.2-1B"), ("3b", "Llama-3.2-3B"), ("8b", "Llama-3.1-8B")):
        recipe = load_recipe(RECIPES / f"guardreasoner-{size}.toml")
        sft, dpo, mine = recipe.sft, recipe.dpo, recipe.mine
        assert dpo is not None
        assert mine is not None
        assert recipe.model.base == f"meta-llama/{base}"
        assert (sft.learning_rate, sft.epochs, sft.batch_size, sft.cutoff) == (5e-5, 3, 384, 2048)
        assert (sft.warmup_share, sft.betas, sft.weight_decay, sft.average) == (0, (0.9, 0.999), 0, "token")
        assert (dpo.learning_rate, dpo.epochs, dpo.batch_size, dpo.beta, dpo.sft_weight) == (5e-6, 2, 256, 0.01, 2.0)
        assert (mine.completions, mine.top_p, mine.gamma) == (4, 0.95, 0.2)
        assert recipe.ensemble.leave_out == {"m1": ("AegisTrain",), "m2": ("BeaverTails",), "m3": ("ToxicChat",)}
