"""Token ids and slots in, next-token logits and filled slots out: one forward pass of the exported graph."""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from guardreasoner.errors import EngineError

Floats = npt.NDArray[np.float32]
SLOT_BLOCK = 64  # the graph is exact for whole blocks only: see `training.graph`


class OnnxModel:
    """The graph, its configuration, and sessions that may run in several threads at once."""

    def __init__(self, folder: Path) -> None:
        self._ort: Any = importlib.import_module("onnxruntime")
        path = _file(folder, "config.json")
        try:
            config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            self.name: str = config["name"]
            self.context_length: int = config["context_length"]
            self.end_token_ids: frozenset[int] = frozenset(config["end_token_ids"])
            self.layers: int = config["layers"]
            self._prefix_ends: frozenset[int] = frozenset(config.get("prefix_end_token_ids", ()))
            self._heads: tuple[int, int] = (config["kv_heads"], config["head_dim"])
        except (ValueError, KeyError, TypeError) as error:
            raise EngineError(f"{path} is not an exported model's configuration: {error!r}") from error
        options: Any = self._ort.SessionOptions()
        # one thread per pass: exact (the graph says why), and no spinning; several passes run side by side instead
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.enable_mem_pattern = False  # it would be planned anew for every shape
        options.log_severity_level = 3
        model = str(_file(folder, "model.onnx"))
        try:
            self._session: Any = self._ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the library's errors share no other class
            raise EngineError(f"{model} cannot be opened: {str(error).strip()}") from error

    def slots(self, batch: int, length: int) -> Slots:
        """Empty slots for `batch` rows of at least `length` positions."""
        blocks = -(-length // SLOT_BLOCK)
        kv_heads, head_dim = self._heads
        # zeros, not garbage: what an unused slot holds is multiplied by zero
        memory = np.zeros((2 * self.layers, batch, kv_heads, blocks * SLOT_BLOCK, head_dim), np.float32)
        return Slots(memory, self._bind(memory))

    def prefix(self, ids: Sequence[int]) -> int:
        """How many of the first tokens see each other both ways; they are read whole, in one pass."""
        if not self._prefix_ends:
            return 0
        return next((at for at, token in enumerate(ids) if token in self._prefix_ends), 0)

    def forward(
        self,
        slots: Slots,
        ids: npt.NDArray[np.int64],
        starts: npt.NDArray[np.int64],
        read: npt.NDArray[np.int64],
        prefixes: npt.NDArray[np.int64] | None = None,
    ) -> Floats:
        """Logits [N, vocabulary] at the flat places `read` of `ids` [B, T]; row b begins at position `starts[b]`.

        The keys and values of all B x T tokens are written to their slots. `prefixes` [B]: how many of a row's first
        tokens see each other both ways.
        """
        positions = starts[:, None] + np.arange(ids.shape[1], dtype=np.int64)
        inputs = {"ids": np.ascontiguousarray(ids), "positions": positions, "read": read}  # held here during the pass
        if self._prefix_ends:
            within = (
                positions if prefixes is None else np.where(positions < prefixes[:, None], prefixes[:, None] - 1, 0)
            )
            inputs["limits"] = np.maximum(positions, within)
        for name, value in inputs.items():
            slots.binding.bind_cpu_input(name, value)
        slots.binding.bind_output("logits", "cpu")
        self._session.run_with_iobinding(slots.binding)
        return slots.binding.get_outputs()[-1].numpy()

    def _bind(self, memory: Floats) -> Any:
        """Inputs and outputs of the cache in the same memory, so that a pass copies nothing of it."""
        binding = self._session.io_binding()
        for index in range(2 * self.layers):
            name = f"{'kv'[index % 2]}_{index // 2}"
            value = self._ort.OrtValue.ortvalue_from_numpy(memory[index])
            binding.bind_ortvalue_input(f"past_{name}", value)
            binding.bind_ortvalue_output(f"new_{name}", value)
        return binding


class Slots:
    """Keys and values of a batch: `memory` [2 * layers, B, KV, S, D], and what binds it to a session."""

    def __init__(self, memory: Floats, binding: Any) -> None:
        self.memory, self.binding = memory, binding


def open_tokenizer(folder: Path) -> Any:
    """The `tokenizers.Tokenizer`; its library imports nothing that speaks to a network for this."""
    from tokenizers import Tokenizer

    path = _file(folder, "tokenizer.json")
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises the bare class
        raise EngineError(f"{path} holds no tokenizer: {error}") from error


def _file(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise EngineError(f"no {name} in {folder}; expected a folder written by `guardreasoner.training.export`")
    return path
