"""From a checkpoint to the embedded engine's folder: the same model, smaller, and nothing else accepted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy_llama import NumpyLlama
from safetensors.numpy import load_file
from tiny import CONTEXT, VOCAB, make_tiny_checkpoint

from guardreasoner.engines.onnx_model import OnnxModel
from guardreasoner.errors import InputError
from guardreasoner.training.export import export, read_safetensors
from guardreasoner.training.graph import Precision, quantize

IDS = list(np.random.default_rng(1).integers(15, VOCAB, 100).tolist())


def exported_logprobs(folder: Path) -> np.ndarray:
    model = OnnxModel(folder)
    slots = model.slots(1, len(IDS))
    logits = model.forward(slots, np.array([IDS]), np.array([0]), np.arange(len(IDS)))
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


@pytest.fixture(scope="module", params=[2, 4], ids=["two key-value heads", "as many key-value heads as heads"])
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_checkpoint(tmp_path_factory.mktemp("checkpoint"), kv_heads=request.param)


def exported(checkpoint: Path, out: Path, precision: Precision) -> Path:
    export(checkpoint, out, name="tiny", precision=precision)
    return out


def test_oracle_agrees_with_transformers(checkpoint: Path) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    model = transformers.LlamaForCausalLM.from_pretrained(checkpoint)
    with torch.inference_mode():
        expected = model(torch.tensor([IDS])).logits[0].log_softmax(-1).numpy()
    assert np.abs(NumpyLlama(checkpoint).log_probabilities(IDS) - expected).max() < 1e-4


def test_float32_export_agrees_with_the_oracle(checkpoint: Path, tmp_path: Path) -> None:
    found = exported_logprobs(exported(checkpoint, tmp_path, "float32"))
    assert np.abs(found - NumpyLlama(checkpoint).log_probabilities(IDS)).max() < 1e-4


def test_int8_export_is_close_to_the_oracle(checkpoint: Path, tmp_path: Path) -> None:
    expected = NumpyLlama(checkpoint).log_probabilities(IDS)
    found = exported_logprobs(exported(checkpoint, tmp_path, "int8"))
    # measured: 0.06 in the mean over log-probabilities that spread by 2.0; random weights exaggerate
    assert np.abs(found - expected).mean() < 0.1
    assert (found.argmax(axis=-1) == expected.argmax(axis=-1)).mean() > 0.9


def test_transformers_saves_what_export_reads(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    first = make_tiny_checkpoint(tmp_path / "first")
    model = transformers.LlamaForCausalLM.from_pretrained(first, dtype=torch.bfloat16)
    model.save_pretrained(tmp_path / "saved")
    (tmp_path / "saved" / "tokenizer.json").write_bytes((first / "tokenizer.json").read_bytes())
    found = exported_logprobs(exported(tmp_path / "saved", tmp_path / "out", "float32"))
    assert np.abs(found - NumpyLlama(first).log_probabilities(IDS)).mean() < 0.05


def test_int8_export_is_a_quarter_of_float32(checkpoint: Path, tmp_path: Path) -> None:
    def weights_of(precision: Precision) -> int:
        folder = exported(checkpoint, tmp_path / precision, precision)
        tables = 2 * (CONTEXT + 64) * 8 * 4  # rotations, in both
        return (folder / "model.onnx").stat().st_size - tables

    assert weights_of("int8") < 0.34 * weights_of("float32")


def test_folder_holds_three_files(checkpoint: Path, tmp_path: Path) -> None:
    folder = exported(checkpoint, tmp_path / "new" / "folder", "int8")
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.onnx", "tokenizer.json"]


def test_config_names_the_model_and_its_end_token(tmp_path: Path) -> None:
    folder = exported(make_tiny_checkpoint(tmp_path / "checkpoint"), tmp_path / "out", "int8")
    assert json.loads((folder / "config.json").read_text()) == {
        "name": "tiny",
        "format": "nano",
        "precision": "int8",
        "context_length": 512,
        "layers": 2,
        "kv_heads": 2,
        "head_dim": 16,
        "end_token_ids": [5],
        "prefix_end_token_ids": [],
    }


def test_export_writes_the_same_bytes_again(tmp_path: Path) -> None:
    checkpoint = make_tiny_checkpoint(tmp_path / "checkpoint")
    first, second = (exported(checkpoint, tmp_path / name, "int8") / "model.onnx" for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()


def test_graph_uses_standard_operators_only(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    folder = exported(make_tiny_checkpoint(tmp_path / "checkpoint"), tmp_path / "out", "int8")
    model = onnx.load(folder / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert {node.domain for node in model.graph.node} == {""}


def test_float32_tensors_are_read_as_safetensors_reads_them(tmp_path: Path) -> None:
    path = make_tiny_checkpoint(tmp_path) / "model.safetensors"
    found, expected = read_safetensors(path), load_file(path)
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize(("kind", "raw"), [("BF16", "803f20c0"), ("F16", "003c00c1"), ("F32", "0000803f000020c0")])
def test_every_float_type_is_read(kind: str, raw: str, tmp_path: Path) -> None:
    data = bytes.fromhex(raw)
    header = json.dumps({"x": {"dtype": kind, "shape": [2], "data_offsets": [0, len(data)]}}).encode()
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + data)
    assert read_safetensors(tmp_path / "model.safetensors")["x"].tolist() == [1.0, -2.5]


def test_other_types_are_refused_with_their_name(tmp_path: Path) -> None:
    header = json.dumps({"x": {"dtype": "I64", "shape": [0], "data_offsets": [0, 0]}}).encode()
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(InputError, match="x has type I64, expected F32, F16 or BF16"):
        read_safetensors(tmp_path / "model.safetensors")


def test_neighbouring_weights_of_one_sign_fit_sixteen_bits() -> None:
    quantized, _ = quantize(np.random.default_rng(0).standard_normal((50, 65)).astype(np.float32) ** 3)
    pairs = np.pad(quantized.astype(int), ((0, 0), (0, 1))).reshape(50, -1, 2)
    most = max(pairs.clip(min=0).sum(axis=2).max(), -pairs.clip(max=0).sum(axis=2).min())
    assert 255 * most < 2**15


def test_row_of_zeros_is_quantised_to_zeros() -> None:
    quantized, scale = quantize(np.zeros((1, 4), np.float32))
    assert quantized.tolist() == [[0, 0, 0, 0]]
    assert np.isfinite(scale).all()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"model_type": "mistral"}, "model_type is 'mistral', expected 'llama'"),
        ({"tie_word_embeddings": False}, "tie_word_embeddings is False, expected True"),
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu', expected 'silu'"),
        ({"attention_bias": True}, "attention_bias is True, expected False"),
        ({"rope_scaling": {"rope_type": "llama3"}}, "rope_type is 'llama3', expected 'default'"),
    ],
)
def test_another_architecture_is_refused_with_the_key(change: dict[str, object], sentence: str, tmp_path: Path) -> None:
    checkpoint = make_tiny_checkpoint(tmp_path / "checkpoint")
    config = json.loads((checkpoint / "config.json").read_text()) | change
    (checkpoint / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=sentence):
        export(checkpoint, tmp_path / "out", name="x")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_missing_file_is_named(name: str, tmp_path: Path) -> None:
    checkpoint = make_tiny_checkpoint(tmp_path / "checkpoint")
    (checkpoint / name).unlink()
    with pytest.raises(InputError, match=f"{name}: no such file"):
        export(checkpoint, tmp_path / "out", name="x")


LENGTHS = [1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 66, 100, 127, 128, 129, 192, 257, 300, 511]


@pytest.fixture(scope="module", params=["int8", "float32"])
def model(request: pytest.FixtureRequest, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> OnnxModel:
    return OnnxModel(exported(checkpoint, tmp_path_factory.mktemp("exported"), request.param))


@pytest.fixture(scope="module")
def next_logits(model: OnnxModel) -> Callable[[list[int], int], np.ndarray]:
    def read(ids: list[int], cut: int) -> np.ndarray:
        """Logits after `ids`, fed in two parts."""
        slots = model.slots(1, len(ids))
        if cut:
            model.forward(slots, np.array([ids[:cut]]), np.array([0]), np.array([cut - 1]))
        rest = np.array([ids[cut:]])
        return model.forward(slots, rest, np.array([cut]), np.array([rest.size - 1]))[0].copy()

    return read


@pytest.mark.parametrize("length", LENGTHS[1:])
def test_logits_after_a_cached_prefix_are_bit_identical(
    length: int, next_logits: Callable[[list[int], int], np.ndarray]
) -> None:
    ids = np.random.default_rng(length).integers(15, VOCAB, length).tolist()
    whole = next_logits(ids, 0)
    cuts = sorted({1, length // 3, length // 2, length - 2, length - 1} - {0, -1})
    assert [cut for cut in cuts if not np.array_equal(next_logits(ids, cut), whole)] == []


@pytest.mark.parametrize("batch", [2, 3, 5, 8, 13, 32])
def test_logits_in_a_ragged_batch_are_bit_identical(
    batch: int, model: OnnxModel, next_logits: Callable[[list[int], int], np.ndarray]
) -> None:
    rng = np.random.default_rng(batch)
    lengths = rng.choice(LENGTHS, batch)
    rows = [rng.integers(15, VOCAB, length).tolist() for length in lengths]
    slots = model.slots(batch, int(lengths.max()) + 70)
    width = int(lengths.max())
    ids = np.array([row + [0] * (width - len(row)) for row in rows])
    logits = model.forward(slots, ids, np.zeros(batch, np.int64), np.arange(batch) * width + lengths - 1)
    assert [i for i, row in enumerate(rows) if not np.array_equal(logits[i], next_logits(row, 0))] == []
