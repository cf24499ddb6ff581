"""From a tiny checkpoint folder (tests/tiny.py) to a GGUF file of the same model."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def write_gguf(checkpoint: Path, path: Path) -> Path:
    """Float32 weights, the byte-level BPE with GPT-2's splitting, the special tokens as control tokens."""
    config = json.loads((checkpoint / "config.json").read_text())
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    _add_tokenizer(writer, checkpoint, config)
    _add_weights(writer, checkpoint, config)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_tokenizer(writer: gguf.GGUFWriter, checkpoint: Path, config: dict[str, int]) -> None:
    tokenizer = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    special = {index for index, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    known = tokenizer.get_vocab_size()
    ids = range(config["vocab_size"])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([tokenizer.id_to_token(i) if i < known else f"<unused{i}>" for i in ids])
    writer.add_token_types([_token_type(i, special, known) for i in ids])
    merges = json.loads((checkpoint / "tokenizer.json").read_text())["model"]["merges"]
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_pad_token_id(config["pad_token_id"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_add_bos_token(False)
    writer.add_add_space_prefix(False)


def _token_type(index: int, special: set[int], known: int) -> int:
    if index >= known:
        return gguf.TokenType.UNUSED
    return gguf.TokenType.CONTROL if index in special else gguf.TokenType.NORMAL


def _add_weights(writer: gguf.GGUFWriter, checkpoint: Path, config: dict[str, int]) -> None:
    weights = load_file(checkpoint / "model.safetensors")
    writer.add_tensor("token_embd.weight", weights["model.embed_tokens.weight"])
    writer.add_tensor("output_norm.weight", weights["model.norm.weight"])
    heads = {"self_attn.q_proj": config["num_attention_heads"], "self_attn.k_proj": config["num_key_value_heads"]}
    for layer in range(config["num_hidden_layers"]):
        for theirs, ours in NAMES.items():
            weight = weights[f"model.layers.{layer}.{theirs}.weight"]
            weight = _interleave(weight, heads[theirs]) if theirs in heads else weight
            writer.add_tensor(f"blk.{layer}.{ours}.weight", weight)


def _interleave(weight: np.ndarray, heads: int) -> np.ndarray:
    """Llama GGUFs rotate neighbouring pairs, checkpoints rotate halves (llama.cpp, convert_hf_to_gguf.py, permute)."""
    rows, columns = weight.shape
    split = weight.reshape(heads, 2, rows // heads // 2, columns)
    return np.ascontiguousarray(split.swapaxes(1, 2).reshape(rows, columns))
