"""From a base to its shape: the numbers that say how many parameters it has and what a token costs. No weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from os.path import expanduser
from pathlib import Path
from typing import Any, cast

from guardreasoner.errors import InputError
from guardreasoner.recipe import Recipe

FAMILIES = ("llama", "mistral", "qwen2", "qwen3")


@dataclass(frozen=True)
class Shape:
    """A decoder with gated MLPs and grouped-query attention; names as in transformers' `LlamaConfig`."""

    hidden_size: int
    num_hidden_layers: int
    intermediate_size: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    vocab_size: int
    tie_word_embeddings: bool
    attention_bias: bool = False
    head_norms: bool = False

    @property
    def layer(self) -> int:
        """Parameters of one layer."""
        query, key = self.num_attention_heads * self.head_dim, self.num_key_value_heads * self.head_dim
        biases = query + 2 * key if self.attention_bias else 0
        norms = 2 * self.hidden_size + (2 * self.head_dim if self.head_norms else 0)
        return self.linear + biases + norms

    @property
    def linear(self) -> int:
        """Weights of one layer's seven matrices."""
        query, key = self.num_attention_heads * self.head_dim, self.num_key_value_heads * self.head_dim
        return self.hidden_size * (2 * query + 2 * key + 3 * self.intermediate_size)

    @property
    def head(self) -> int:
        """Weights of the projection onto the vocabulary."""
        return self.vocab_size * self.hidden_size

    @property
    def parameters(self) -> int:
        """All, embeddings included; tied ones count once."""
        return (
            self.num_hidden_layers * self.layer + self.hidden_size + self.head * (1 if self.tie_word_embeddings else 2)
        )

    def adapters(self, r: int) -> int:
        """LoRA parameters of rank `r` on all seven matrices of every layer: r x (in + out) each."""
        query, key = self.num_attention_heads * self.head_dim, self.num_key_value_heads * self.head_dim
        ends = (
            2 * (self.hidden_size + query)
            + 2 * (self.hidden_size + key)
            + 3 * (self.hidden_size + self.intermediate_size)
        )
        return self.num_hidden_layers * r * ends


# Meta's config.json of each; on the hub they are gated. Tied embeddings in the two small ones.
KNOWN = {
    "meta-llama/Llama-3.2-1B": Shape(2048, 16, 8192, 32, 8, 64, 128256, True),
    "meta-llama/Llama-3.2-3B": Shape(3072, 28, 8192, 24, 8, 128, 128256, True),
    "meta-llama/Llama-3.1-8B": Shape(4096, 32, 14336, 32, 8, 128, 128256, False),
}


def shape_of(recipe: Recipe) -> Shape:
    """From the recipe's own Llama, a folder's config.json, the table of the paper's bases, or the hub."""
    model, base = recipe.model, recipe.model.base
    if model.encoder is not None:
        raise InputError(
            f"{recipe.name}: the plan is for causal language models, and `model.encoder` = {model.encoder!r} is none; "
            "the embedded guard trains on a CPU"
        )
    if base is None:
        return Shape(
            model.hidden_size,
            model.num_hidden_layers,
            model.intermediate_size,
            model.num_attention_heads,
            model.num_key_value_heads,
            model.hidden_size // model.num_attention_heads,
            recipe.tokenizer.vocab_size,
            True,
        )
    folder = Path(expanduser(base))
    if folder.is_dir():
        return read_shape(folder / "config.json")
    return KNOWN[base] if base in KNOWN else read_shape(_from_hub(base))


def read_shape(path: Path) -> Shape:
    """Of a config.json as transformers writes it; InputError names what is missing."""
    try:
        found: object = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable as JSON: {error}") from None
    said = cast(dict[str, Any], found) if isinstance(found, dict) else {}
    kind = said.get("model_type")
    if kind not in FAMILIES:
        raise InputError(f"{path}: found the model type {kind!r}, expected one of {', '.join(FAMILIES)}")
    try:
        heads, width = int(said["num_attention_heads"]), int(said["hidden_size"])
        return Shape(
            hidden_size=width,
            num_hidden_layers=int(said["num_hidden_layers"]),
            intermediate_size=int(said["intermediate_size"]),
            num_attention_heads=heads,
            num_key_value_heads=int(said.get("num_key_value_heads") or heads),
            head_dim=int(said.get("head_dim") or width // heads),
            vocab_size=int(said["vocab_size"]),
            tie_word_embeddings=bool(said.get("tie_word_embeddings", False)),
            attention_bias=kind == "qwen2" or bool(said.get("attention_bias", False)),
            head_norms=kind == "qwen3",
        )
    except KeyError as error:
        raise InputError(f"{path}: `{error.args[0]}` is not there, expected a model's config.json") from None


def _from_hub(base: str) -> Path:
    try:
        import huggingface_hub as hub
    except ImportError:
        raise InputError(f"{base}: no such folder, and the hub needs `pip install 'guardreasoner[train]'`") from None
    try:
        download: Any = hub.hf_hub_download  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return Path(download(base, "config.json"))
    except (OSError, ValueError) as error:
        first = " ".join(str(error).split()).split(". ")[0]
        raise InputError(f"{base}: no such folder, and no config.json from the hub: {first}") from None
