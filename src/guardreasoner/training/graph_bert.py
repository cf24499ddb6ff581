"""From the weights of a `PrefixLM` to its ONNX graph; `training.graph` says what all graphs here have in common.

One more input: limits [B, T], the last position that a token sees: the end of the exchange for the tokens of the
exchange, which is read both ways, and a token's own position after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from guardreasoner.training.graph import Array, CachedGraph, Precision, Shape

_MARGIN = 64  # padding of a ragged batch may stand behind the last position of the context


@dataclass(frozen=True)
class BertShape(Shape):
    """What the graph must know of the model beside its weights."""

    norm_eps: float


def build_bert(weights: Mapping[str, Array], shape: BertShape, precision: Precision) -> Any:
    """The `onnx.ModelProto`; weights are float32 under their names in transformers, [out, in]."""
    return _BertGraph(weights, shape, precision).model()


class _BertGraph(CachedGraph):
    words = "bert.embeddings.word_embeddings.weight"
    sees = "limits"

    def __init__(self, weights: Mapping[str, Array], shape: BertShape, precision: Precision) -> None:
        super().__init__(weights, shape, precision)
        self.norm_eps = shape.norm_eps

    def body(self) -> str:
        b = self.b
        kind = self.weights["bert.embeddings.token_type_embeddings.weight"][0]
        places = self.weights["bert.embeddings.position_embeddings.weight"] + kind
        table = b.const(np.pad(places, ((0, _MARGIN), (0, 0))), "places")
        x = b.op("Add", self.embed(), b.op("Gather", table, "positions", axis=0))
        x = self._norm(x, "bert.embeddings.LayerNorm")
        for i in range(self.shape.layers):
            prefix = f"bert.encoder.layer.{i}."
            x = self._norm(b.op("Add", x, self._attention(i, prefix, x)), prefix + "attention.output.LayerNorm")
            opened = self._gelu(self._dense(x, prefix + "intermediate.dense"))
            x = self._norm(b.op("Add", x, self._dense(opened, prefix + "output.dense")), prefix + "output.LayerNorm")
        return x

    def last(self, read: str) -> str:
        return read

    def _attention(self, i: int, prefix: str, x: str) -> str:
        shape, names = self.shape, [f"{prefix}attention.self.{part}" for part in ("query", "key", "value")]
        weights, biases = ([self.weights[f"{name}.{kind}"] for name in names] for kind in ("weight", "bias"))
        # the attention's 1 / sqrt(head_dim) is in the query weights, where it costs nothing
        for parts in (weights, biases):
            parts[0] = parts[0] / np.sqrt(shape.head_dim, dtype=np.float32)
        fused = self.linear(x, prefix + "qkv", np.concatenate(weights), np.concatenate(biases))
        q, k, v = self.b.split(fused, [len(weight) for weight in weights])
        joined = self.attend(i, self.split_heads(q), self.split_heads(k), self.split_heads(v))
        return self._dense(joined, prefix + "attention.output.dense")

    def _dense(self, x: str, name: str) -> str:
        return self.linear(x, name, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def _norm(self, x: str, name: str) -> str:
        scale, bias = (self.b.const(self.weights[f"{name}.{kind}"], f"{name}.{kind}") for kind in ("weight", "bias"))
        return self.b.op("LayerNormalization", x, scale, bias, axis=-1, epsilon=self.norm_eps)

    def _gelu(self, x: str) -> str:
        b = self.b
        half = b.op("Mul", x, b.floats(0.5))
        return b.op("Mul", half, b.op("Add", b.op("Erf", b.op("Mul", x, b.floats(0.5**0.5))), b.floats(1.0)))
