"""The oracle: one Llama forward pass in plain float32 numpy, from a checkpoint folder's tensors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

Array = np.ndarray


class NumpyLlama:
    """Logits of every position of one sequence; no cache, no batch."""

    def __init__(self, folder: Path) -> None:
        self.config = json.loads((folder / "config.json").read_text())
        self.weights = load_file(folder / "model.safetensors")

    def logits(self, ids: list[int]) -> Array:
        """[len(ids), vocabulary]."""
        embedding = self.weights["model.embed_tokens.weight"]
        x = embedding[ids]
        for i in range(self.config["num_hidden_layers"]):
            x = x + self._attention(i, self._norm(x, f"model.layers.{i}.input_layernorm.weight"))
            x = x + self._mlp(i, self._norm(x, f"model.layers.{i}.post_attention_layernorm.weight"))
        return self._norm(x, "model.norm.weight") @ embedding.T

    def log_probabilities(self, ids: list[int]) -> Array:
        logits = self.logits(ids)
        top = logits - logits.max(axis=-1, keepdims=True)
        return top - np.log(np.exp(top).sum(axis=-1, keepdims=True))

    def _norm(self, x: Array, name: str) -> Array:
        return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + self.config["rms_norm_eps"]) * self.weights[name]

    def _heads(self, x: Array, i: int, name: str) -> Array:
        """[T, hidden] -> [heads, T, head_dim]."""
        projected = x @ self.weights[f"model.layers.{i}.self_attn.{name}_proj.weight"].T
        return projected.reshape(len(x), -1, self.config["head_dim"]).transpose(1, 0, 2)

    def _rotate(self, x: Array) -> Array:
        half = x.shape[-1] // 2
        turns = np.arange(x.shape[1])[:, None] / self.config["rope_theta"] ** (np.arange(half) / half)
        cos, sin = np.cos(turns).astype(np.float32), np.sin(turns).astype(np.float32)
        first, second = x[..., :half], x[..., half:]
        return np.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)

    def _attention(self, i: int, x: Array) -> Array:
        group = self.config["num_attention_heads"] // self.config["num_key_value_heads"]
        q = self._rotate(self._heads(x, i, "q"))
        k = self._rotate(self._heads(x, i, "k")).repeat(group, axis=0)
        v = self._heads(x, i, "v").repeat(group, axis=0)
        scores = q @ k.transpose(0, 2, 1) / np.float32(np.sqrt(q.shape[-1]))
        scores = np.where(np.tri(len(x), dtype=bool), scores, np.float32(-np.inf))
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed = (weights / weights.sum(axis=-1, keepdims=True)) @ v
        joined = mixed.transpose(1, 0, 2).reshape(len(x), -1)
        return joined @ self.weights[f"model.layers.{i}.self_attn.o_proj.weight"].T

    def _mlp(self, i: int, x: Array) -> Array:
        gate, up, down = (self.weights[f"model.layers.{i}.mlp.{name}_proj.weight"] for name in ("gate", "up", "down"))
        opened = x @ gate.T
        return (opened / (1 + np.exp(-opened)) * (x @ up.T)) @ down.T
