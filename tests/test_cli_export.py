"""`guardreasoner export`: every form is opened by the library that it is for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.process import serving
from synthesis import GOLD, GOOD, example

from guardreasoner.cli import status_of
from guardreasoner.data.export import export
from guardreasoner.errors import InputError
from guardreasoner.formats.paper import INSTRUCTION
from guardreasoner.run import write_records
from guardreasoner.types import SFTExample

datasets = pytest.importorskip("datasets")

EXAMPLES = [
    example("1"),
    example("2", labels=None),
    example("1", "other/source"),
    example("3", completion="Caf\u00e9 \u2603 \U0001f35e\nline"),
]
FIELDS = {"id", "source", "prompt", "completion", "weight", *type(GOLD).model_fields}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    write_records(folder / "reasoning.jsonl", EXAMPLES)
    return folder


def refusal(*arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "guardreasoner", "export", *map(str, arguments)], capture_output=True, text=True
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr.removeprefix("error: ").strip()


def test_parquet_holds_all_fields(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    output = tmp_path / "all.parquet"
    assert status_of(["export", str(run), "--to", "parquet", "--output", str(output)]) == 0
    rows = parquet.read_table(output).to_pylist()
    assert set(rows[0]) == FIELDS
    assert [row["completion"] for row in rows] == [made.completion for made in EXAMPLES]
    assert (rows[0]["response_refusal"], rows[1]["response_refusal"], rows[0]["weight"]) == ("compliance", None, 1.0)
    assert capsys.readouterr().out == f"{output}: 4 examples, form parquet\n"


def test_datasets_folder_opens_with_load_from_disk(run: Path, tmp_path: Path) -> None:
    assert export(run / "reasoning.jsonl", "datasets", tmp_path / "set") == 4
    found = datasets.load_from_disk(str(tmp_path / "set"))
    assert set(found.column_names) == FIELDS
    assert found["completion"][3] == EXAMPLES[3].completion
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "set"]


def test_prompt_completion_has_the_two_columns_of_trl(run: Path, tmp_path: Path) -> None:
    export(run / "reasoning.jsonl", "prompt-completion", tmp_path / "pairs.jsonl")
    found = datasets.load_dataset(
        "json", data_files=str(tmp_path / "pairs.jsonl"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert found.column_names == ["prompt", "completion"]
    assert found[3] == {"prompt": EXAMPLES[3].prompt, "completion": EXAMPLES[3].completion}


def test_released_form_is_a_file_per_source(run: Path, tmp_path: Path) -> None:
    export(run / "reasoning.jsonl", "released", tmp_path / "released")
    files = sorted((tmp_path / "released").iterdir())
    assert [path.name for path in files] == ["mild.json", "other_source.json"]
    rows = json.loads(files[0].read_text(encoding="utf-8"))
    assert rows[0] == {
        "instruction": INSTRUCTION,
        "input": "Human user:\nHow do I bake bread? 1\n\nAI assistant:\nMix, wait, bake. \u2603\n\n",
        "output": GOOD,
    }
    assert len(rows) == 3
    assert f"{rows[2]['instruction']}\n{rows[2]['input']}" == EXAMPLES[3].prompt


def test_llama_factory_finds_the_rows_by_its_entry(run: Path, tmp_path: Path) -> None:
    export(run / "reasoning.jsonl", "llama-factory", tmp_path / "lf")
    entry = json.loads((tmp_path / "lf" / "dataset_info.json").read_text())["guardreasoner"]
    rows = json.loads((tmp_path / "lf" / entry["file_name"]).read_text(encoding="utf-8"))
    columns = entry["columns"]
    joined = ["\n".join((row[columns["prompt"]], row[columns["query"]])) for row in rows]
    assert joined == [made.prompt for made in EXAMPLES]
    assert [row[columns["response"]] for row in rows] == [made.completion for made in EXAMPLES]


def test_run_without_an_example_exports_an_empty_list(tmp_path: Path) -> None:
    write_records(tmp_path / "reasoning.jsonl", [])
    export(tmp_path / "reasoning.jsonl", "llama-factory", tmp_path / "lf")
    assert json.loads((tmp_path / "lf" / "guardreasoner.json").read_text()) == []


def test_released_form_refuses_prompts_of_another_format(tmp_path: Path) -> None:
    write_records(tmp_path / "reasoning.jsonl", [SFTExample(id="1", source="mild", prompt="<|user|>x", completion="y")])
    with pytest.raises(InputError, match="mild 1: found a prompt without the line 'Human user:'"):
        export(tmp_path / "reasoning.jsonl", "released", tmp_path / "released")
    assert [path.name for path in tmp_path.iterdir()] == ["reasoning.jsonl"]


def test_two_sources_never_share_a_file(tmp_path: Path) -> None:
    write_records(tmp_path / "reasoning.jsonl", [example(source="a/b"), example(source="a b")])
    with pytest.raises(InputError, match=r"the sources 'a/b' and 'a b' would share the file a_b\.json"):
        export(tmp_path / "reasoning.jsonl", "released", tmp_path / "released")


def test_row_that_is_no_example_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "reasoning.jsonl").write_text(example().model_dump_json() + '\n{"id": 1}\n')
    with pytest.raises(InputError, match=r"reasoning\.jsonl line 2: not a SFTExample"):
        export(tmp_path / "reasoning.jsonl", "parquet", tmp_path / "all.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["reasoning.jsonl"]


@pytest.mark.parametrize("form", ["datasets", "released", "llama-factory"])
def test_existing_folder_is_replaced_only_when_asked(run: Path, tmp_path: Path, form: str) -> None:
    output = tmp_path / "out"
    arguments = ["export", str(run), "--to", form, "--output", str(output)]
    assert [status_of(arguments), status_of(arguments), status_of([*arguments, "--overwrite"])] == [0, 2, 0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "run"]


@pytest.mark.parametrize("form", ["datasets", "released", "llama-factory"])
def test_folder_with_other_files_is_never_replaced(run: Path, tmp_path: Path, form: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.json").write_text("[]")
    with pytest.raises(InputError, match=r"holds thesis\.json, which .* it is not replaced"):
        export(run / "reasoning.jsonl", form, tmp_path / "out", overwrite=True)  # pyright: ignore[reportArgumentType]
    assert (tmp_path / "out" / "thesis.json").read_text() == "[]"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("{run}", "--to", "parquet", "--output", "a.json"),
            "--output a.json: the form parquet is a file that ends in .parquet",
        ),
        (
            ("{run}", "--to", "datasets", "--output", "{run}/no/set"),
            "--output {run}/no/set: there is no folder {run}/no",
        ),
        (
            ("{run}/no", "--to", "datasets", "--output", "s"),
            "{run}/no: expected a run folder or a reasoning.jsonl, found nothing",
        ),
        (
            ("{run}", "--to", "prompt-completion", "--output", "{run}/reasoning.jsonl", "--overwrite"),
            "--output {run}/reasoning.jsonl is the input itself",
        ),
        (
            ("{run}", "--to", "parquet", "--output", "a.parquet", "--private"),
            "--private says how --push-to-hub publishes; give both or neither",
        ),
        (
            ("{run}", "--to", "parquet", "--output", "a.parquet", "--push-to-hub", "a b"),
            "--push-to-hub a b: expected NAME or OWNER/NAME",
        ),
    ],
)
def test_what_cannot_be_done_is_one_sentence(run: Path, arguments: tuple[str, ...], sentence: str) -> None:
    assert refusal(*(argument.format(run=run) for argument in arguments)) == sentence.format(run=run)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("hub")
    with serving("hub_server.py", folder=folder) as address:
        yield address, folder / "committed.json"


def push(run: Path, address: str, token: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HF_ENDPOINT": address, "HF_TOKEN": token, "HF_HUB_DISABLE_TELEMETRY": "1"}
    command = [sys.executable, "-m", "guardreasoner", "export", str(run), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_export_is_published_with_its_card(run: Path, tmp_path: Path, hub: tuple[str, Path]) -> None:
    (run / "README.md").write_text("---\nlicense: mit\n---\n\n# Mine\n")
    options = ("--to", "released", "--output", str(tmp_path / "out"), "--push-to-hub", "someone/bread", "--private")
    done = push(run, hub[0], "good", *options)
    assert done.stdout.splitlines()[1:] == [f"published: {hub[0]}/datasets/someone/bread"], done.stderr
    state = json.loads(hub[1].read_text())
    assert state["repositories"]["someone/bread"] is True
    files = state["files"]["someone/bread"]
    assert set(files) == {"mild.json", "other_source.json", "README.md"}
    splits = '[{"split": "mild", "path": "mild.json"}, {"split": "other_source", "path": "other_source.json"}]'
    assert files["README.md"] == (
        f'---\nlicense: mit\nconfigs: [{{"config_name": "default", "data_files": {splits}}}]\n---\n\n# Mine\n'
    )


@pytest.mark.parametrize(
    ("form", "name", "rows"),
    [
        ("datasets", "set", {"train": 4}),
        ("released", "released", {"mild": 3, "other_source": 1}),
        ("llama-factory", "lf", {"train": 4}),
    ],
)
def test_published_repository_opens_with_load_dataset(
    run: Path, tmp_path: Path, hub: tuple[str, Path], form: str, name: str, rows: dict[str, int]
) -> None:
    options = ("--to", form, "--output", str(tmp_path / name), "--push-to-hub", f"someone/{form}")
    assert push(run, hub[0], "good", *options).returncode == 0
    repository = tmp_path / "repository"
    repository.mkdir()
    for path, content in json.loads(hub[1].read_text())["files"][f"someone/{form}"].items():
        (repository / path).write_bytes(content.encode("latin-1"))
    found = datasets.load_dataset(str(repository), cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in found.items()} == rows


@pytest.mark.parametrize(
    ("token", "repository", "sentence"),
    [
        (
            "bad",
            "someone/bread",
            ": the hub refused: log in with `hf auth login` or set HF_TOKEN; the export is kept",
        ),
        (
            "good",
            "someone/public",
            " is there already and is public; nothing was published, the export is kept",
        ),
    ],
)
def test_refusal_of_the_hub_is_one_sentence(
    run: Path, tmp_path: Path, hub: tuple[str, Path], token: str, repository: str, sentence: str
) -> None:
    options = ("--to", "parquet", "--output", str(tmp_path / "a.parquet"), "--push-to-hub", repository, "--private")
    done = push(run, hub[0], token, *options)
    assert (done.returncode, done.stderr) == (2, f"error: {repository}{sentence}\n")
    assert (tmp_path / "a.parquet").is_file()


def test_hub_that_cannot_be_reached_is_one_sentence(run: Path, tmp_path: Path) -> None:
    options = ("--to", "parquet", "--output", str(tmp_path / "a.parquet"), "--push-to-hub", "someone/bread")
    done = push(run, "http://127.0.0.1:9", "good", *options)
    assert done.returncode == 2
    assert done.stderr.startswith("error: someone/bread: the hub could not be reached: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("module", "call", "sentence"),
    [
        (
            "datasets",
            "from guardreasoner.data.forms import load_datasets; load_datasets()",
            "the datasets library needs `pip install 'guardreasoner[data]'`",
        ),
        (
            "huggingface_hub",
            "from guardreasoner.data.publish import load_hub; load_hub()",
            "publishing on the hub needs `pip install 'guardreasoner[data]'`",
        ),
        (
            "matplotlib",
            "from guardreasoner.report.histograms import require_matplotlib; require_matplotlib()",
            "drawing histograms needs `pip install 'guardreasoner[synthesis]'`",
        ),
    ],
)
def test_library_that_is_not_installed_is_named_with_its_cure(module: str, call: str, sentence: str) -> None:
    code = f"import sys; sys.modules['{module}'] = None; {call}"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.stderr.splitlines()[-1] == f"guardreasoner.errors.MissingExtra: {sentence}"
