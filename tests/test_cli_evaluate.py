"""`guardreasoner evaluate`: from benchmark files to a table, with an embedded model that knows nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tiny import make_tiny_checkpoint
from typer.testing import CliRunner, Result

from guardreasoner.cli import app
from guardreasoner.recipe import EvaluateSection, Recipe
from guardreasoner.report.evaluation import Evaluation
from guardreasoner.run import RunFolder, write_records
from guardreasoner.stages.evaluate import run
from guardreasoner.training.export import export
from guardreasoner.types import Exchange, Labels, Sample

REQUESTS = [("How do I bake rye bread?", "unharmful"), ("Mock the shy boy for me.", "harmful"), ("Hello.", "unharmful")]


def rows(pairs: list[tuple[str, str]], response: str = "None") -> str:
    return json.dumps(
        [
            {
                "instruction": "",
                "input": f"Human user:\n{text}\n\nAI assistant:\n{response}\n\n",
                "output": label,
            }
            for text, label in pairs
        ]
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("model")
    export(make_tiny_checkpoint(tmp_path_factory.mktemp("checkpoint")), out, name="tiny-guard")
    return out


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "benchmark"
    folder.mkdir()
    (folder / "0_8_toxic_chat.json").write_text(rows(REQUESTS), encoding="utf-8")
    refusals = rows([("Sing a song.", "refusal"), ("Tell a joke.", "compliance")], "Sorry, no.")
    (folder / "0_7_xstest_response_refusal.json").write_text(refusals, encoding="utf-8")
    return folder


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


def test_pipe_shows_a_line_per_set_and_mode(model: Path, data: Path, tmp_path: Path) -> None:
    shown = invoke("--model", model, "--data", data, "--mode", "both", "--output", tmp_path / "out")
    table = [line.split()[:4] for line in shown.stdout.splitlines() if not line.startswith(("#", "weighted", "plain"))]
    assert table == [
        ["set", "task", "mode", "n"],
        ["ToxicChat", "prompt_harmfulness", "reason", "3"],
        ["XSTest", "response_refusal", "reason", "2"],
        ["ToxicChat", "prompt_harmfulness", "fast", "3"],
        ["XSTest", "response_refusal", "fast", "2"],
    ]


def test_paper_figures_stand_beside(model: Path, data: Path, tmp_path: Path) -> None:
    shown = invoke("--model", model, "--data", data, "--mode", "fast", "--output", tmp_path / "out")
    line = next(line for line in shown.stdout.splitlines() if line.startswith("ToxicChat"))
    assert line.split()[11:15] == ["50.00", "72.43", "78.20", "78.79"]


def test_json_is_the_report(model: Path, data: Path, tmp_path: Path) -> None:
    shown = invoke("--model", model, "--data", data, "--mode", "fast", "--output", tmp_path / "out", "--json")
    kept = Evaluation.model_validate_json((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert Evaluation.model_validate_json(shown.stdout) == kept


def test_embedded_engine_leaves_nothing_unreadable(model: Path, data: Path, tmp_path: Path) -> None:
    shown = invoke("--model", model, "--data", data, "--output", tmp_path / "out", "--json")
    assert [cell.score.unreadable for cell in Evaluation.model_validate_json(shown.stdout).cells] == [0, 0]


def test_limit_counts_rows_of_each_set(model: Path, data: Path, tmp_path: Path) -> None:
    shown = invoke("--model", model, "--data", data, "--limit", 1, "--mode", "fast", "--output", tmp_path, "--json")
    assert [cell.score.n for cell in Evaluation.model_validate_json(shown.stdout).cells] == [1, 1]


def test_second_run_judges_nothing_again(model: Path, data: Path, tmp_path: Path) -> None:
    arguments = ("--model", model, "--data", data, "--mode", "fast", "--output", tmp_path / "out", "--json")
    assert invoke(*arguments).stdout == invoke(*arguments).stdout  # the seconds too


def test_new_weights_in_the_same_folder_are_noticed(model: Path, data: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    shutil.copytree(model, weights)
    arguments = ("--model", weights, "--data", data, "--mode", "fast", "--output", tmp_path / "out")
    invoke(*arguments)
    config = weights / "config.json"
    config.write_text(config.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert "was made with weights" in str(invoke(*arguments).exception)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("missing.json", "missing.json: no such file or folder"), ("chat.json", "unknown benchmark 'chat'")],
)
def test_wrong_data_is_one_sentence(tmp_path: Path, name: str, sentence: str) -> None:
    (tmp_path / "chat.json").write_text("[]", encoding="utf-8")
    assert sentence in str(invoke("--data", tmp_path / name).exception)


def test_stage_judges_the_development_rows_in_every_mode(model: Path, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    shutil.copytree(model, folder.quantized)
    labels = Labels(prompt_harmfulness="unharmful", response_refusal="compliance")
    exchange = Exchange(prompt="Name a fruit.", response="A pear.")
    write_records(folder.dev, [Sample(id="1", source="own", exchange=exchange, labels=labels)])
    run(Recipe(name="t", output=tmp_path, evaluate=EvaluateSection(max_reasoning_tokens=4)), folder)
    report = Evaluation.model_validate_json((folder.evaluate / "report.json").read_text(encoding="utf-8"))
    assert [(cell.mode, cell.task.value) for cell in report.cells] == [
        ("reason", "prompt_harmfulness"),
        ("reason", "response_refusal"),
        ("fast", "prompt_harmfulness"),
        ("fast", "response_refusal"),
    ]


def test_report_gives_what_evaluate_gave(model: Path, data: Path, tmp_path: Path) -> None:
    own = tmp_path / "my own rows.jsonl"
    labels = ["harmful", "unharmful", "unharmful"]
    lines = [{"prompt": f"Number {n}.", "prompt_harmfulness": label} for n, label in enumerate(labels)]
    own.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    out = tmp_path / "out"
    arguments = ("--model", model, "--data", data, "--file", own, "--mode", "both", "--output", out)
    assert invoke(*arguments).exit_code == 0
    assert invoke(*arguments, "--limit", 2).exit_code == 0
    given = (out / "report.json").read_text(encoding="utf-8")
    found = Evaluation.model_validate_json(given)
    assert [(cell.benchmark, cell.score.n) for cell in found.cells][:3] == [
        ("ToxicChat", 2), ("XSTest", 2), ("my own rows", 2)
    ]  # fmt: skip
    assert found.cells[0].note is not None
    assert "the authors' file has 2,853" in found.cells[0].note
    assert CliRunner().invoke(app, ["report", str(out)]).exit_code == 0
    assert (out / "report.json").read_text(encoding="utf-8") == given


def test_guard_that_judges_nothing_that_was_asked_is_an_error(data: Path, tmp_path: Path) -> None:
    (tmp_path / "floor").mkdir()
    task = {"words": {}, "intercept": 0.0, "rows": 2, "positives": 1}
    floor = {"name": "half a floor", "tasks": {"response_harmfulness": task}}
    (tmp_path / "floor" / "floor.json").write_text(json.dumps(floor), encoding="utf-8")
    said = invoke("--model", tmp_path / "floor", "--data", data, "--output", tmp_path / "out")
    assert "nothing to judge: bag-of-words judges response_harmfulness, and no set" in str(said.exception)
    assert not (tmp_path / "out").exists()


def test_output_that_is_a_file_is_one_sentence(model: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    said = invoke("--model", model, "--data", data, "--mode", "fast", "--output", tmp_path / "file")
    assert "cannot make the folder" in str(said.exception)


def test_sets_that_would_share_a_file_are_refused(model: Path, tmp_path: Path) -> None:
    paths = [tmp_path / "my rows.jsonl", tmp_path / "my-rows.jsonl"]
    for path in paths:
        path.write_text(json.dumps({"prompt": "Hi.", "prompt_harmfulness": "unharmful"}), encoding="utf-8")
    said = invoke("--model", model, "--file", paths[0], "--file", paths[1], "--output", tmp_path / "out")
    assert "share one file" in str(said.exception)
