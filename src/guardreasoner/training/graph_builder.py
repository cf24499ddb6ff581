"""Operators and constants in, ONNX nodes and initializers out."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class GraphBuilder:
    """Collects nodes and constants; `op` returns the name of a node's output."""

    def __init__(self) -> None:
        from onnx import helper, numpy_helper

        self._helper, self._numpy_helper = helper, numpy_helper
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}

    def op(self, kind: str, *inputs: str, out: str | None = None, **attributes: Any) -> str:
        name = out or f"{kind}_{len(self.nodes)}"
        self.nodes.append(self._helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def split(self, value: str, parts: list[int]) -> list[str]:
        """Cut the last axis into `parts`."""
        names = [f"Split_{len(self.nodes)}_{i}" for i in range(len(parts))]
        sizes = self.const(np.array(parts, np.int64))
        self.nodes.append(self._helper.make_node("Split", [value, sizes], names, name=names[0], axis=-1))
        return names

    def const(self, value: Array, name: str | None = None) -> str:
        """A constant; small unnamed ones are shared."""
        name = name or f"{value.dtype}{value.shape}_{value.tobytes().hex()}"
        if name not in self.constants:
            self.constants[name] = self._numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def floats(self, *values: float) -> str:
        return self.const(np.array(values if len(values) != 1 else values[0], np.float32))

    def ints(self, *values: int) -> str:
        return self.const(np.array(values, np.int64))
