"""The one training loop: the same losses however a step is divided, any causal LM, and clear stops."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from peft import LoraConfig, get_peft_model  # noqa: E402
from train_small import losses, one_step, section, small_model, small_rows  # noqa: E402
from transformers import AutoConfig, AutoModelForCausalLM, LlamaForCausalLM  # noqa: E402

from guardreasoner.errors import EngineError, InputError  # noqa: E402
from guardreasoner.jsonl import held  # noqa: E402
from guardreasoner.training.checkpoints import fault, newest_whole, written  # noqa: E402
from guardreasoner.training.learner import check_head, loss_of  # noqa: E402
from guardreasoner.training.objectives import SFTObjective  # noqa: E402
from guardreasoner.training.packing import Row, line  # noqa: E402
from guardreasoner.training.trainer import train  # noqa: E402

SCRIPT = Path(__file__).parent / "train_small.py"
SIZES = {"vocab_size": 50, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
FAMILIES = {
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 2, "vocab_size": 50},
    "qwen2": SIZES | {"num_key_value_heads": 1},
    "qwen3": SIZES | {"num_key_value_heads": 1, "head_dim": 16},
    "gemma2": SIZES | {"num_key_value_heads": 1, "head_dim": 16, "final_logit_softcapping": 0.5},
    "cohere": SIZES | {"logit_scale": 0.25},
    "granite": SIZES | {"logits_scaling": 4.0},
}


@contextmanager
def largest_file(size: int) -> Generator[None]:
    """What a full disk does to a writer: no file grows past `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Steps of 8 rows, each computed at once."""
    folder = tmp_path_factory.mktemp("whole") / "sft"
    train(small_model(), small_rows(), folder, section(batch_size=8, batch_tokens=4096), epochs=2)
    return folder


def test_metrics_say_step_epoch_loss_and_speed(whole: Path) -> None:
    last = json.loads((whole / "metrics.jsonl").read_text().splitlines()[-1])
    assert (last["step"], last["steps"], last["epoch"]) == (12, 12, 2.0)
    assert last["tokens_per_second"] > 0


def test_accumulated_steps_have_the_losses_of_steps_computed_at_once(whole: Path, tmp_path: Path) -> None:
    train(small_model(), small_rows(), tmp_path / "sft", section(batch_size=8, batch_tokens=64), epochs=2)
    assert losses(tmp_path / "sft") == pytest.approx(losses(whole), rel=2e-5)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """What two processes left behind, and what they said."""
    folder = tmp_path_factory.mktemp("pair") / "sft"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", SCRIPT, folder]
    # 64 tokens: several rounds of accumulation, and a step in which one process has nothing to do
    settings = json.dumps({"batch_size": 8, "batch_tokens": 64})
    done = subprocess.run([*command, settings], capture_output=True, text=True, check=False, timeout=590)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, done.stderr


@pytest.mark.timeout(600)  # two more processes load the libraries
def test_two_processes_have_the_losses_of_one(whole: Path, pair: tuple[Path, str]) -> None:
    assert losses(pair[0]) == pytest.approx(losses(whole), rel=2e-5)


@pytest.mark.timeout(600)
def test_one_of_two_processes_shows_progress_and_leaves_the_model(whole: Path, pair: tuple[Path, str]) -> None:
    folder, said = pair
    assert said.count("12/12") == 1
    model = LlamaForCausalLM.from_pretrained(folder / "model")
    other = LlamaForCausalLM.from_pretrained(whole / "checkpoint-12")
    for mine, theirs in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-5)


@pytest.mark.timeout(600)
def test_model_spread_by_fsdp2_learns_the_same_and_is_gathered_whole(pair: tuple[Path, str]) -> None:
    alone = small_model()
    one_step(alone)
    gathered = LlamaForCausalLM.from_pretrained(pair[0] / "spread")
    for mine, theirs in zip(gathered.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-6)


def test_training_that_stopped_on_a_full_disk_goes_on_to_the_same_curve(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sft"
    settings = section(batch_size=8, batch_tokens=4096)
    with largest_file(30_000), pytest.raises(InputError):
        train(small_model(), small_rows(), folder, settings, epochs=2)
    train(small_model(), small_rows(), folder, settings, epochs=2)
    assert losses(folder) == losses(whole)


def test_checkpoint_is_a_plain_folder_of_the_model(whole: Path) -> None:
    model = LlamaForCausalLM.from_pretrained(whole / "checkpoint-12")
    assert torch.isfinite(model(input_ids=torch.tensor([[1, 2]])).logits).all()


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")  # peft 0.21
def test_adapters_alone_are_trained_and_kept(tmp_path: Path) -> None:
    model = get_peft_model(small_model(), LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"))
    frozen = model.get_base_model().model.embed_tokens.weight.clone()
    train(model, small_rows(), tmp_path / "sft", section(batch_size=8), epochs=1)
    assert torch.equal(model.get_base_model().model.embed_tokens.weight, frozen)
    assert (tmp_path / "sft" / "checkpoint-4" / "adapter_model.safetensors").is_file()


@pytest.mark.parametrize("family", FAMILIES)
def test_loss_is_that_of_the_family_itself(family: str) -> None:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **FAMILIES[family])).eval()
    check_head(model)
    ids = [5, 6, 7, 8, 9, 10]
    theirs = model(input_ids=torch.tensor([ids]), labels=torch.tensor([ids])).loss
    ours = loss_of(model, SFTObjective(), SFTObjective().collate([line(ids)]))
    torch.testing.assert_close(ours, theirs)


def test_recomputing_instead_of_keeping_gives_the_same_losses(whole: Path, tmp_path: Path) -> None:
    settings = section(batch_size=8, batch_tokens=4096, gradient_checkpointing=True)
    train(small_model(), small_rows(), tmp_path / "sft", settings, epochs=2)
    assert losses(tmp_path / "sft") == pytest.approx(losses(whole), rel=1e-6)


def test_figures_go_to_tensorboard_too(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    train(small_model(), small_rows(), tmp_path / "sft", section(report_to=("tensorboard",)), epochs=0.1)
    assert list((tmp_path / "sft").rglob("events.out.tfevents*"))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("wandb", "`report_to`: wandb is not installed here: `pip install wandb`"),
        ("paper", "`report_to`: found 'paper', expected some of "),
    ],
)
def test_reporter_that_is_not_there_is_named(name: str, sentence: str, tmp_path: Path) -> None:
    if find_spec(name) is not None:
        pytest.skip(f"{name} is installed")
    with pytest.raises(InputError, match=sentence.replace("(", r"\(")):
        train(small_model(), small_rows(), tmp_path / "sft", section(report_to=(name,)), epochs=1)


def test_loss_that_is_no_number_stops_the_training(tmp_path: Path) -> None:
    model = small_model()
    model.model.norm.weight.data[0] = float("nan")
    with pytest.raises(EngineError, match="sft: training step 1: the loss is nan, expected a finite number"):
        train(model, small_rows(), tmp_path / "sft", section(), epochs=1)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (line([1, 2, 50]), "sft: row 2 of 2 has token 50, expected 0 to 49, the model's vocabulary"),
        (line([1, 2, -3]), "sft: row 2 of 2 has token -3, expected 0 to 49, the model's vocabulary"),
        (line([1] * 129), "sft: row 2 of 2 has position 128, expected 0 to 127, the model's context"),
    ],
)
def test_row_that_the_model_cannot_read_is_named(row: Row, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=sentence):
        train(small_model(), [line([1, 2, 3]), row], tmp_path / "sft", section(batch_size=2), epochs=1)


def test_rows_without_anything_to_learn_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="sft: step 1 has 0 units to learn, expected more than 0"):
        train(small_model(), [line([1])], tmp_path / "sft", section(), epochs=1)


def test_checkpoint_that_does_not_fit_on_the_disk_stops_the_training_and_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "sft"
    with largest_file(30_000), pytest.raises(InputError, match=r"cannot write .*checkpoint-4: .*(too large|os error)"):
        train(small_model(), small_rows(), folder, section(batch_size=8), epochs=1)
    assert not list(folder.glob("checkpoint-*"))


def test_what_torch_says_of_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    said = "[enforce fail at inline_container.cc:672] . unexpected pos 7784710336 vs 7784710236"  # seen on a full disk
    sentence = r"cannot write .*sft: \[enforce fail .*; [\d,]+ MB are free there; make room"
    with pytest.raises(InputError, match=sentence), written(tmp_path / "sft", "; make room"):
        raise RuntimeError(said)


def test_folder_that_another_process_trains_in_is_refused_until_it_is_free(tmp_path: Path) -> None:
    folder = tmp_path / "sft"
    with held(folder / ".lock", "training"), pytest.raises(InputError) as caught:
        train(small_model(), small_rows(), folder, section(batch_size=8), epochs=1)
    assert str(caught.value) == f"{folder}: another process is training here; wait for it, or stop it"
    train(small_model(), small_rows(), folder, section(batch_size=8), epochs=1)
    assert losses(folder)


def test_metrics_that_do_not_fit_on_the_disk_stop_the_training(tmp_path: Path) -> None:
    with largest_file(200), pytest.raises(InputError, match=r"cannot write .*metrics.jsonl: file too large"):
        train(small_model(), small_rows(), tmp_path / "sft", section(batch_size=8, save_steps=100), epochs=1)


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "trainer_state.json"])
def test_corrupt_file_of_a_checkpoint_is_named_and_the_one_before_serves(
    name: str, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "sft"
    subprocess.run(["cp", "-r", whole, folder], check=True)
    os.truncate(folder / "checkpoint-12" / name, 1000)
    train(small_model(), small_rows(), folder, section(batch_size=8, batch_tokens=4096), epochs=2)
    said = capsys.readouterr().err
    assert f"checkpoint-12/{name}: torn" in said
    assert "going on from checkpoint-8" in said
    assert losses(folder) == losses(whole)


def test_flipped_bit_in_the_optimizer_is_found(whole: Path, tmp_path: Path) -> None:
    subprocess.run(["cp", "-r", whole / "checkpoint-12", tmp_path / "checkpoint-12"], check=True)
    path = tmp_path / "checkpoint-12" / "optimizer.pt"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert "optimizer.pt: corrupt" in str(fault(tmp_path / "checkpoint-12"))


def test_checkpoints_of_other_rows_are_refused(tmp_path: Path) -> None:
    train(small_model(), small_rows(), tmp_path / "sft", section(batch_size=8, save_steps=2), epochs=1)
    with pytest.raises(InputError, match="found checkpoints of a training on other rows or with other steps"):
        train(small_model(), small_rows()[1:], tmp_path / "sft", section(batch_size=8, save_steps=2), epochs=1)


def test_without_a_whole_checkpoint_training_starts_anew(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-11").mkdir()
    found, passed = newest_whole(tmp_path)
    assert found is None
    assert passed == [f"{tmp_path}/checkpoint-11: not finished, trainer_state.json is missing"]
