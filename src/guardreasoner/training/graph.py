"""From the weights of a model to an ONNX graph of one forward pass over a slotted key-value cache.

    ids [B, T], positions [B, T], read [N], past_k_i / past_v_i [B, KV, S, D]  ->  logits [N, V], new_k_i / new_v_i

The keys and values of position p stand in slot p. `read` picks the flat places (b * T + t) whose next-token logits are
wanted. `new_*` may be bound to the memory of `past_*`: the scatter then writes in place.

Everything is computed per token or in an order that depends on nothing but the position, so a prompt's logits are
bit-identical alone, in a batch and after a cached prefix:

* activations are quantised with a scale per token, and the integer products are exact;
* unused slots lie behind the used ones and weigh exactly zero;
* no attention product has a single row, for which onnxruntime's kernel sums in another order (a row is doubled);
* rotations come from a table, because vectorised sines round differently in the tail of an array.

This needs S to be a multiple of 64 and one intra-op thread, which the engine sees to.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from guardreasoner.training.graph_builder import GraphBuilder

Array = npt.NDArray[Any]
Precision = Literal["int8", "float32"]

OPSET, IR_VERSION = 17, 9  # read by every onnxruntime since 1.17
# without VNNI, x86 kernels add two neighbouring uint8 x int8 products in 16 bits; 255 * (127 + 1 of rounding) fits
WEIGHT_LEVELS = 127
ACTIVATION_LEVELS, ACTIVATION_ZERO = 127, 128
MASKED = np.float32(-1e9)


@dataclass(frozen=True)
class Shape:
    """What every graph must know of its model beside the weights."""

    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    context_length: int


def quantize(weight: Array) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Rows of [out, in] as int8 with one scale per row, so that no neighbours of one sign sum to more than 128."""
    pairs = np.pad(weight, ((0, 0), (0, weight.shape[1] % 2))).reshape(len(weight), -1, 2)
    top = np.maximum(pairs.clip(min=0).sum(axis=2).max(axis=1), -pairs.clip(max=0).sum(axis=2).min(axis=1))
    scale = (np.maximum(top, 1e-8) / WEIGHT_LEVELS).astype(np.float32)
    return np.rint(weight / scale[:, None]).astype(np.int8), scale


class CachedGraph(ABC):
    """Cache, mask, attention, integer products and output projection; a subclass is the model between them."""

    words: str
    """Name of the word embeddings, which are also the output projection."""
    sees: str = "positions"
    """The input that says up to which position a token sees."""

    def __init__(self, weights: Mapping[str, Array], shape: Shape, precision: Precision) -> None:
        self.weights, self.shape, self.precision = weights, shape, precision
        self.b = GraphBuilder()
        self.doubled = shape.heads == shape.kv_heads  # a single query row per key-value head while decoding

    @abstractmethod
    def body(self) -> str:
        """All layers: hidden states [B, T, width]."""

    @abstractmethod
    def last(self, read: str) -> str:
        """From the hidden states that are read, [N, width], to what meets the output projection."""

    def model(self) -> Any:
        b = self.b
        self._prepare()
        x = self.body()
        width = self.weights[self.words].shape[1]
        read = b.op("Gather", b.op("Reshape", x, b.ints(-1, width)), "read", axis=0)
        self._head(self.last(read))
        return self._finish()

    def _prepare(self) -> None:
        """Mask and scatter indices: once per pass, shared by the layers."""
        b, shape = self.b, self.shape
        batch, tokens = (b.op("Gather", b.op("Shape", "ids"), b.ints(i)) for i in (0, 1))
        slots = b.op("Gather", b.op("Shape", "past_k_0"), b.ints(2))
        zero, one = b.const(np.array(0, np.int64)), b.const(np.array(1, np.int64))
        limits = self.sees
        if self.doubled:
            limits = b.op("Concat", limits, b.op("Slice", limits, b.ints(-1), b.ints(2**31), b.ints(1)), axis=1)
        slot_range = b.op("Range", zero, b.op("Squeeze", slots), one)
        seen = b.op("LessOrEqual", slot_range, b.op("Unsqueeze", limits, b.ints(1, 3)))
        b.op("Where", seen, b.floats(0.0), b.const(np.array(MASKED)), out="mask")  # [B, 1, rows, S]
        rows = b.op("Gather", b.op("Shape", limits), b.ints(1))
        self.score_shape = b.op("Concat", b.ints(0, shape.heads), rows, slots, axis=0)
        self.group_shape = b.ints(0, shape.kv_heads, -1, shape.head_dim)
        self.heads_shape = b.op("Concat", b.ints(0, shape.heads), rows, b.ints(shape.head_dim), axis=0)
        full = b.op("Concat", batch, b.ints(shape.kv_heads), tokens, b.ints(1), axis=0)
        row_index = b.op("Unsqueeze", b.op("Range", zero, b.op("Squeeze", batch), one), b.ints(1, 2, 3))
        head_index = b.const(np.arange(shape.kv_heads)[None, :, None, None])
        parts = (row_index, head_index, b.op("Unsqueeze", "positions", b.ints(1, 3)))
        self.scatter = b.op("Concat", *(b.op("Expand", part, full) for part in parts), axis=-1)

    def embed(self) -> str:
        b, table = self.b, self.weights[self.words]
        if self.precision == "float32":
            return b.op("Gather", b.const(table, "embedding"), "ids", axis=0)
        quantized, scale = quantize(table)
        rows = b.op("Cast", b.op("Gather", b.const(quantized, "embedding"), "ids", axis=0), to=1)
        return b.op("Mul", rows, b.op("Gather", b.const(scale[:, None], "embedding_scale"), "ids", axis=0))

    def _head(self, x: str) -> None:
        """The transposed embedding table; onnxruntime transposes it once, when it loads the graph."""
        b, table = self.b, self.weights[self.words]
        head = b.op("Transpose", "embedding", perm=[1, 0])
        if self.precision == "float32":
            b.op("MatMul", x, head, out="logits")
        else:
            self._integer_product(self._quantized(x), head, quantize(table)[1], out="logits")

    def _quantized(self, x: str) -> tuple[str, str]:
        """(uint8 tokens, largest magnitude per token)."""
        b = self.b
        top = b.op("Max", b.op("ReduceMax", b.op("Abs", x), axes=[-1], keepdims=1), b.floats(1e-8))
        scaled = b.op("Mul", x, b.op("Div", b.floats(ACTIVATION_LEVELS), top))
        # the cast cuts off what follows the point, so the half makes it a rounding
        return b.op("Cast", b.op("Add", scaled, b.floats(ACTIVATION_ZERO + 0.5)), to=2), top

    def _integer_product(
        self, x: tuple[str, str], weight: str, scale: npt.NDArray[np.float32], out: str | None = None
    ) -> str:
        b, (tokens, top) = self.b, x
        product = b.op("MatMulInteger", tokens, weight, b.const(np.array(ACTIVATION_ZERO, np.uint8)))
        columns = b.const((scale / np.float32(ACTIVATION_LEVELS)).astype(np.float32), f"scale_{weight}")
        return b.op("Mul", b.op("Mul", b.op("Cast", product, to=1), columns), top, out=out)

    def linear(self, x: str, name: str, weight: Array, bias: Array | None = None) -> str:
        """`x` times `weight` [out, in], plus `bias` [out]; `name` is the constant's."""
        if self.precision == "float32":
            product = self.b.op("MatMul", x, self.b.const(weight.T, name))
        else:
            quantized, scale = quantize(weight)
            product = self._integer_product(self._quantized(x), self.b.const(quantized.T, name), scale)
        return product if bias is None else self.b.op("Add", product, self.b.const(bias, f"{name}.bias"))

    def attend(self, i: int, q: str, k: str, v: str) -> str:
        """Attention of layer `i` over the cache, [B, heads, T, D] each in, [B, T, heads * D] out."""
        b, shape = self.b, self.shape
        keys, values = (self._remember(f"{kind}_{i}", new) for kind, new in (("k", k), ("v", v)))
        grouped = b.op("Reshape", self._query_rows(q), self.group_shape)
        scores = b.op("MatMul", grouped, b.op("Transpose", keys, perm=[0, 1, 3, 2]))
        masked = b.op("Add", b.op("Reshape", scores, self.score_shape), "mask")
        probabilities = b.op("Softmax", masked, axis=-1)
        back = b.op("Shape", scores)
        mixed = b.op("MatMul", b.op("Reshape", probabilities, back), values)
        heads = b.op("Reshape", mixed, self.heads_shape)
        if self.doubled:
            heads = b.op("Slice", heads, b.ints(0), b.ints(-1), b.ints(2))
        return b.op("Reshape", b.op("Transpose", heads, perm=[0, 2, 1, 3]), b.ints(0, 0, shape.heads * shape.head_dim))

    def _query_rows(self, q: str) -> str:
        if not self.doubled:
            return q
        return self.b.op(
            "Concat", q, self.b.op("Slice", q, self.b.ints(-1), self.b.ints(2**31), self.b.ints(2)), axis=2
        )

    def split_heads(self, x: str) -> str:
        """[B, T, heads * D] -> [B, heads, T, D]."""
        b = self.b
        return b.op("Transpose", b.op("Reshape", x, b.ints(0, 0, -1, self.shape.head_dim)), perm=[0, 2, 1, 3])

    def _remember(self, name: str, new: str) -> str:
        return self.b.op("ScatterND", f"past_{name}", self.scatter, new, out=f"new_{name}")

    def _finish(self) -> Any:
        from onnx import TensorProto, helper

        cache = [f"{kind}_{i}" for i in range(self.shape.layers) for kind in "kv"]
        places = ["batch", self.shape.kv_heads, "slots", self.shape.head_dim]
        info = helper.make_tensor_value_info
        inputs = [
            info(name, TensorProto.INT64, ["batch", "tokens"])
            for name in dict.fromkeys(("ids", "positions", self.sees))
        ]
        inputs += [info("read", TensorProto.INT64, ["read"])]
        inputs += [info(f"past_{name}", TensorProto.FLOAT, places) for name in cache]
        vocabulary = self.weights[self.words].shape[0]
        outputs = [info("logits", TensorProto.FLOAT, ["read", vocabulary])]
        outputs += [info(f"new_{name}", TensorProto.FLOAT, places) for name in cache]
        graph = helper.make_graph(self.b.nodes, "guard", inputs, outputs, list(self.b.constants.values()))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        return model
