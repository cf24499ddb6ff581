"""From the weights of a Llama model to its ONNX graph; `training.graph` says what all graphs here have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from guardreasoner.training.graph import Array, CachedGraph, Precision, Shape

ROPE_MARGIN = 64  # padding of a ragged batch may stand behind the last position of the context


@dataclass(frozen=True)
class LlamaShape(Shape):
    """What the graph must know of the model beside its weights."""

    rope_theta: float
    norm_eps: float


def build_llama(weights: Mapping[str, Array], shape: LlamaShape, precision: Precision) -> Any:
    """The `onnx.ModelProto`; weights are float32 under their names in transformers, [out, in]."""
    return _LlamaGraph(weights, shape, precision).model()


class _LlamaGraph(CachedGraph):
    words = "model.embed_tokens.weight"

    def __init__(self, weights: Mapping[str, Array], shape: LlamaShape, precision: Precision) -> None:
        super().__init__(weights, shape, precision)
        self.rope_theta, self.norm_eps = shape.rope_theta, shape.norm_eps

    def body(self) -> str:
        b, shape = self.b, self.shape
        self._rotations()
        x = self.embed()
        for i in range(shape.layers):
            prefix = f"model.layers.{i}."
            attended = self._attention(i, self._norm(x, prefix + "input_layernorm.weight"))
            x = b.op("Add", x, attended)
            x = b.op("Add", x, self._mlp(prefix, self._norm(x, prefix + "post_attention_layernorm.weight")))
        return x

    def last(self, read: str) -> str:
        return self._norm(read, "model.norm.weight")

    def _rotations(self) -> None:
        """Once per pass, shared by the layers."""
        b, shape = self.b, self.shape
        steps = np.arange(shape.context_length + ROPE_MARGIN, dtype=np.float64)[:, None]
        turns = steps / self.rope_theta ** (np.arange(0, shape.head_dim, 2) / shape.head_dim)
        for name, table in (("cos", np.cos(turns)), ("sin", np.sin(turns))):
            table_name = b.const(table.astype(np.float32), f"rope_{name}")
            b.op("Unsqueeze", b.op("Gather", table_name, "positions", axis=0), b.ints(2), out=name)

    def _norm(self, x: str, name: str) -> str:
        b = self.b
        mean = b.op("ReduceMean", b.op("Pow", x, b.floats(2.0)), axes=[-1], keepdims=1)
        root = b.op("Sqrt", b.op("Add", mean, b.floats(self.norm_eps)))
        return b.op("Mul", b.op("Div", x, root), b.const(self.weights[name], name))

    def _attention(self, i: int, x: str) -> str:
        shape, prefix = self.shape, f"model.layers.{i}.self_attn."
        query, key, value, out = (self.weights[f"{prefix}{part}_proj.weight"] for part in "qkvo")
        # the attention's 1 / sqrt(head_dim) is in the query weights, where it costs nothing
        fused = np.concatenate([query / np.sqrt(shape.head_dim, dtype=np.float32), key, value])
        q, k, v = self.b.split(self.linear(x, prefix + "qkv", fused), [len(query), len(key), len(value)])
        joined = self.attend(i, self._rotated(q), self._rotated(k), self.split_heads(v))
        return self.linear(joined, prefix + "o", out)

    def _rotated(self, x: str) -> str:
        b, half = self.b, self.shape.head_dim // 2
        heads = b.op("Reshape", x, b.ints(0, 0, -1, self.shape.head_dim))
        first, second = b.split(heads, [half, half])
        left = b.op("Sub", b.op("Mul", first, "cos"), b.op("Mul", second, "sin"))
        right = b.op("Add", b.op("Mul", second, "cos"), b.op("Mul", first, "sin"))
        return b.op("Transpose", b.op("Concat", left, right, axis=-1), perm=[0, 2, 1, 3])

    def _mlp(self, prefix: str, x: str) -> str:
        b = self.b
        gate, up, down = (self.weights[f"{prefix}mlp.{part}_proj.weight"] for part in ("gate", "up", "down"))
        both = self.linear(x, prefix + "gate_up", np.concatenate([gate, up]))
        opened, passed = b.split(both, [len(gate), len(up)])
        product = b.op("Mul", b.op("Mul", opened, b.op("Sigmoid", opened)), passed)
        return self.linear(product, prefix + "down", down)
