"""Which engine a model's name opens, and what is said of a name that opens none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tiny import make_tiny_checkpoint

from guardreasoner.engines.embedded import EmbeddedEngine
from guardreasoner.engines.hf import HFEngine
from guardreasoner.engines.opening import EXPECTED, engine_name, fingerprint, open_engine
from guardreasoner.engines.remote import RemoteEngine
from guardreasoner.engines.scripted import ScriptedEngine
from guardreasoner.errors import InputError
from guardreasoner.training.export import export
from guardreasoner.types import SamplingParams


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_checkpoint(tmp_path_factory.mktemp("tiny") / "checkpoint")


def test_no_name_is_the_embedded_guard() -> None:
    assert engine_name(None) == "embedded"


def test_an_exported_folder_opens_the_embedded_engine(checkpoint: Path, tmp_path: Path) -> None:
    export(checkpoint, tmp_path, name="tiny")
    assert isinstance(open_engine(tmp_path), EmbeddedEngine)


def test_a_checkpoint_folder_opens_the_hf_engine(checkpoint: Path) -> None:
    assert isinstance(open_engine(str(checkpoint), device="cpu"), HFEngine)


@pytest.mark.parametrize("name", ["org/name", "meta-llama/Llama-3.2-1B", "a_b/c.d"])
def test_a_hub_id_belongs_to_the_hf_engine(name: str) -> None:
    assert engine_name(name) == "hf"


@pytest.mark.parametrize("address", ["http://localhost:8000", "https://example.org/v1"])
def test_an_address_opens_the_remote_engine(address: str) -> None:
    assert isinstance(open_engine(address), RemoteEngine)


def test_options_reach_the_engine() -> None:
    with pytest.raises(InputError, match=r"^concurrency: 0 is not above 0$"):
        open_engine("http://localhost:1", model="its name there", concurrency=0)


def test_a_script_is_opened_by_naming_the_engine() -> None:
    engine = open_engine("always this", engine="scripted")
    assert isinstance(engine, ScriptedEngine)
    assert engine.generate(["p"], SamplingParams())[0][0].text == "always this"


@pytest.mark.parametrize("name", ["nowhere", "./no/where", "a/b/c", "/no/where"])
def test_a_name_that_is_nothing_says_what_was_expected(name: str) -> None:
    with pytest.raises(InputError) as raised:
        open_engine(name)
    assert str(raised.value) == f"model {name!r}: no such folder, {EXPECTED}"


def test_a_file_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    with pytest.raises(InputError, match=r"model\.gguf': a file, expected a folder with model\.onnx"):
        open_engine(tmp_path / "model.gguf")


def test_a_folder_with_something_else_says_what_is_there(tmp_path: Path) -> None:
    for name in "gfedcba":
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r": a folder with a, b, c, d, e, \.\.\., expected"):
        open_engine(tmp_path)


def test_an_empty_folder_has_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r": a folder with nothing, expected"):
        open_engine(tmp_path)


def test_an_unknown_engine_names_the_known_ones() -> None:
    with pytest.raises(
        InputError, match=r"^unknown engine 'vlm', expected one of chat, embedded, hf, remote, scripted$"
    ):
        open_engine("org/name", engine="vlm")


@pytest.mark.parametrize("engine", ["hf", "remote"])
def test_an_engine_that_needs_a_model_says_so(engine: str) -> None:
    with pytest.raises(InputError, match=f"^engine '{engine}' without a model, expected a folder"):
        open_engine(engine=engine)


def test_opening_a_server_imports_no_heavy_library() -> None:
    code = (
        "import sys; from guardreasoner.engines.opening import open_engine; open_engine('http://localhost:1');"
        "print(sorted({'torch', 'transformers', 'onnxruntime', 'numpy'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


def test_fingerprint_tells_new_weights_of_the_same_size(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"a")
    before = fingerprint(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"b")
    assert fingerprint(tmp_path) != before


def test_fingerprint_of_a_copied_folder_is_the_same(tmp_path: Path) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.onnx").write_bytes(b"a")
    assert fingerprint(tmp_path / "here") == fingerprint(tmp_path / "there")


def test_packaged_weights_have_a_fingerprint_and_a_server_has_none() -> None:
    assert (fingerprint(None) is None, fingerprint("http://localhost:1")) == (False, None)
