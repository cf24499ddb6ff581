"""`guardreasoner run` from the shell: the whole way on the smoke recipe, stopped with kill -9 and gone on with."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from guardreasoner import Guard
from guardreasoner.run import read_records
from guardreasoner.types import PreferencePair, SFTExample

pytest.importorskip("torch")

SMOKE = Path(__file__).parents[1] / "recipes" / "smoke.toml"


def command(folder: Path, *more: str) -> list[str]:
    settings = [f"output={folder}", "data.own=120", "pretrain.save_steps=2", "sft.save_steps=20", "evaluate.limit=4"]
    settings += ["sft.epochs=4"]  # of so few rows, for right and wrong answers
    options = [part for setting in (*settings, *more) for part in ("--set", setting)]
    return [sys.executable, "-m", "guardreasoner", "run", str(SMOKE), *options]


def run(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(folder, *more), capture_output=True, text=True, check=False, timeout=110)


def kill_when(folder: Path, pattern: str) -> None:
    """Start the run and end it with kill -9 as soon as `pattern` is in its folder."""
    process = subprocess.Popen(command(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(1000):
        if any(folder.glob(pattern)):
            break
        assert process.poll() is None, "the run ended before it could be stopped"
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "smoke"
    done = run(folder)
    assert done.returncode == 0, done.stderr
    assert "gemm_4bit" not in done.stderr  # bitsandbytes misses a kernel that nothing here needs
    return folder


def test_run_makes_a_guard_that_judges(undisturbed: Path) -> None:
    verdict = Guard(undisturbed / "quantize", max_reasoning_tokens=16).check("How do I bake bread?", "Mix and wait.")
    assert verdict.model == "guardreasoner-nano"
    assert len(verdict.labels.tasks) == 3


def test_run_leaves_the_figures_of_its_stages(undisturbed: Path) -> None:
    named = {path.stem for path in undisturbed.glob("*.json")}
    assert {"recipe", "versions", "data", "synthesize", "pretrain", "sft", "mine", "quantize"} <= named
    assert (undisturbed / "evaluate" / "report.md").is_file()


def test_training_learns(undisturbed: Path) -> None:
    lines = (undisturbed / "sft" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    losses = [json.loads(line)["loss"] for line in lines]
    assert losses[-1] < losses[0]


def test_guard_is_right_and_wrong_on_some_inputs(undisturbed: Path) -> None:
    pairs = list(read_records(undisturbed / "pairs.jsonl", PreferencePair))
    assert len(pairs) > 5
    taught = {example.prompt for example in read_records(undisturbed / "reasoning.jsonl", SFTExample)}
    assert {pair.prompt for pair in pairs} <= taught


def test_second_run_changes_no_file(undisturbed: Path) -> None:
    def stamps() -> dict[str, int]:
        return {str(path): path.stat().st_mtime_ns for path in undisturbed.glob("*/model/*")}

    before = stamps()
    assert run(undisturbed).returncode == 0
    assert stamps() == before


def curve(folder: Path) -> list[tuple[int, float]]:
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [(line["step"], line["loss"]) for line in map(json.loads, lines)]


def test_killed_run_ends_with_the_same_weights_by_the_same_losses(undisturbed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "smoke"
    kill_when(folder, "pretrain/checkpoint-*/trainer_state.json")
    kill_when(folder, "sft/checkpoint-*/trainer_state.json")
    kill_when(folder, "dpo/reference-0.jsonl")
    assert run(folder).returncode == 0
    assert (undisturbed / "pairs.jsonl").read_bytes() == (folder / "pairs.jsonl").read_bytes()
    for name in ("pretrain", "sft", "dpo"):
        weights = [(place / name / "model" / "model.safetensors").read_bytes() for place in (undisturbed, folder)]
        assert weights[0] == weights[1], name
        assert curve(folder / name) == curve(undisturbed / name)


def test_folder_of_another_recipe_is_refused(undisturbed: Path) -> None:
    done = run(undisturbed, "sft.epochs=2")
    assert done.returncode == 2
    assert "holds a run of another recipe: `sft.epochs` differs" in done.stderr
    assert "Traceback" not in done.stderr
