"""From a trained checkpoint folder to the folder that the embedded engine opens.

config.json + model.safetensors + tokenizer.json  ->  model.onnx + config.json + tokenizer.json
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from guardreasoner.engines.opening import REMEMBERED
from guardreasoner.errors import InputError
from guardreasoner.training.graph import Precision
from guardreasoner.training.graph_bert import BertShape, build_bert
from guardreasoner.training.graph_llama import LlamaShape, build_llama


def export(checkpoint: Path, out: Path, *, name: str, precision: Precision = "int8") -> None:
    """Write the embedded engine's folder `out` from the checkpoint of a `LlamaForCausalLM` or a `PrefixLM`.

    `name` is what verdicts carry as their model. `float32` is four times the size and there for comparison.
    """
    config: dict[str, Any] = json.loads(_file(checkpoint / "config.json").read_text(encoding="utf-8"))
    weights = read_safetensors(checkpoint / "model.safetensors")
    tokenizer = _file(checkpoint / "tokenizer.json")
    shape: LlamaShape | BertShape
    if config.get("model_type") == "prefix-bert":
        shape = _bert_shape(checkpoint, config)
        model = build_bert(weights, shape, precision)
    else:
        shape = _llama_shape(checkpoint, config)
        model = build_llama(weights, shape, precision)
    out.mkdir(parents=True, exist_ok=True)
    (out / "model.onnx").write_bytes(model.SerializeToString())
    shutil.copyfile(tokenizer, out / "tokenizer.json")
    remembered = checkpoint / REMEMBERED
    form: str = "nano"
    if remembered.is_file():
        form = json.loads(remembered.read_text(encoding="utf-8"))["format"]
        shutil.copyfile(remembered, out / REMEMBERED)
    end: int | list[int] | None = config.get("eos_token_id")
    own: dict[str, Any] = {
        "name": name,
        "format": form,
        "precision": precision,
        "context_length": shape.context_length,
        "layers": shape.layers,
        "kv_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "end_token_ids": [end] if isinstance(end, int) else end or [],
        "prefix_end_token_ids": config.get("prefix_end_token_ids", []),
    }
    (out / "config.json").write_text(json.dumps(own, indent=2) + "\n", encoding="utf-8")


def read_safetensors(path: Path) -> dict[str, npt.NDArray[np.float32]]:
    """All tensors as float32; numpy has no bfloat16, so its 16 bits become the upper half of a float32."""
    data = _file(path).read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header: dict[str, Any] = json.loads(data[8:start])
    header.pop("__metadata__", None)
    return {name: _tensor(path, name, entry, data, start) for name, entry in header.items()}


def _tensor(path: Path, name: str, entry: dict[str, Any], data: bytes, start: int) -> npt.NDArray[np.float32]:
    begin, end = entry["data_offsets"]
    raw = data[start + begin : start + end]
    match entry["dtype"]:
        case "BF16":
            values = (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
        case "F32" | "F16" as kind:
            values = np.frombuffer(raw, "<f4" if kind == "F32" else "<f2").astype(np.float32)
        case other:
            raise InputError(f"{path}: {name} has type {other}, expected F32, F16 or BF16")
    return values.reshape(entry["shape"])


def _file(path: Path) -> Path:
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a checkpoint saved by transformers")
    return path


def _check(checkpoint: Path, expected: dict[str, tuple[object, object]]) -> None:
    for key, (found, wanted) in expected.items():
        if found != wanted:
            raise InputError(f"{checkpoint / 'config.json'}: {key} is {found!r}, expected {wanted!r}")


def _llama_shape(checkpoint: Path, config: dict[str, Any]) -> LlamaShape:
    rope: dict[str, Any] = config.get("rope_parameters") or config.get("rope_scaling") or {}
    expected: dict[str, tuple[object, object]] = {
        "model_type": (config.get("model_type"), "llama"),
        "hidden_act": (config.get("hidden_act", "silu"), "silu"),
        "tie_word_embeddings": (config.get("tie_word_embeddings", False), True),
        "attention_bias": (config.get("attention_bias", False), False),
        "mlp_bias": (config.get("mlp_bias", False), False),
        "rope_type": (rope.get("rope_type", "default"), "default"),
    }
    _check(checkpoint, expected)
    heads = config["num_attention_heads"]
    rope = config.get("rope_parameters") or {}
    return LlamaShape(
        layers=config["num_hidden_layers"],
        heads=heads,
        kv_heads=config.get("num_key_value_heads") or heads,
        head_dim=config.get("head_dim") or config["hidden_size"] // heads,
        context_length=config["max_position_embeddings"],
        rope_theta=float(rope.get("rope_theta") or config.get("rope_theta") or 10000.0),
        norm_eps=float(config["rms_norm_eps"]),
    )


def _bert_shape(checkpoint: Path, config: dict[str, Any]) -> BertShape:
    expected: dict[str, tuple[object, object]] = {
        "hidden_act": (config.get("hidden_act"), "gelu"),
        "tie_word_embeddings": (config.get("tie_word_embeddings"), True),
        "position_embedding_type": (config.get("position_embedding_type", "absolute"), "absolute"),
    }
    _check(checkpoint, expected)
    heads = config["num_attention_heads"]
    return BertShape(
        layers=config["num_hidden_layers"],
        heads=heads,
        kv_heads=heads,
        head_dim=config["hidden_size"] // heads,
        context_length=config["max_position_embeddings"],
        norm_eps=float(config["layer_norm_eps"]),
    )
