"""A tiny random Llama checkpoint folder for tests: config.json, model.safetensors, tokenizer.json. No torch needed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from guardreasoner.formats.nano import END, PAD, SPECIAL_TOKENS

HIDDEN, LAYERS, HEADS, KV_HEADS, HEAD_DIM, MLP, VOCAB, CONTEXT = 64, 2, 4, 2, 16, 160, 400, 512
TEXT = [
    "How do I bake bread with rye flour and a little salt?",
    "Step 1: The request asks how to bake bread. Nothing in it is meant to hurt anyone, so it is unharmful.",
    "Step 2: The assistant explains it politely and does not refuse, so it is compliance.",
    "Please tell me a story about a small cat that walks home through the rain.",
    "The response gives no dangerous detail and only speaks about flour, water, yeast and time.",
]


def make_tiny_checkpoint(folder: Path, *, seed: int = 0, kv_heads: int = KV_HEADS) -> Path:
    """Write the checkpoint that `transformers.AutoModelForCausalLM.from_pretrained(folder)` loads; return `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tiny_tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    save_file(_weights(np.random.default_rng(seed), kv_heads), folder / "model.safetensors", {"format": "pt"})
    end, pad = tokenizer.token_to_id(END), tokenizer.token_to_id(PAD)
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": kv_heads,
        "head_dim": HEAD_DIM,
        "intermediate_size": MLP,
        "vocab_size": VOCAB,
        "max_position_embeddings": CONTEXT,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": True,
        "attention_bias": False,
        "mlp_bias": False,
        "bos_token_id": None,
        "eos_token_id": end,
        "pad_token_id": pad,
        "torch_dtype": "float32",
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    special = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": END, "pad_token": PAD}
    special |= {"model_max_length": CONTEXT, "clean_up_tokenization_spaces": False}
    (folder / "tokenizer_config.json").write_text(json.dumps(special, indent=1))
    return folder


def make_tiny_tokenizer() -> Tokenizer:
    """Byte-level BPE of `VOCAB` tokens at most; the markers of the nano format come first."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS],
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    return tokenizer


def _weights(rng: np.random.Generator, kv_heads: int) -> dict[str, np.ndarray]:
    """Spread widely enough that next-token probabilities differ clearly."""

    def matrix(out: int, into: int) -> np.ndarray:
        return (rng.standard_normal((out, into)) / np.sqrt(into)).astype(np.float32)

    def norm() -> np.ndarray:
        return (1 + 0.1 * rng.standard_normal(HIDDEN)).astype(np.float32)

    weights = {"model.embed_tokens.weight": 2 * matrix(VOCAB, HIDDEN), "model.norm.weight": norm()}
    for layer in range(LAYERS):
        weights |= {
            f"model.layers.{layer}.{name}": value
            for name, value in {
                "input_layernorm.weight": norm(),
                "self_attn.q_proj.weight": matrix(HEADS * HEAD_DIM, HIDDEN),
                "self_attn.k_proj.weight": matrix(kv_heads * HEAD_DIM, HIDDEN),
                "self_attn.v_proj.weight": matrix(kv_heads * HEAD_DIM, HIDDEN),
                "self_attn.o_proj.weight": matrix(HIDDEN, HEADS * HEAD_DIM),
                "post_attention_layernorm.weight": norm(),
                "mlp.gate_proj.weight": matrix(MLP, HIDDEN),
                "mlp.up_proj.weight": matrix(MLP, HIDDEN),
                "mlp.down_proj.weight": matrix(HIDDEN, MLP),
            }.items()
        }
    return weights


def make_tiny_encoder(folder: Path, *, seed: int = 0) -> Path:
    """Write a random BERT encoder with a WordPiece tokenizer, as `transformers.BertModel.from_pretrained` loads it."""
    import torch
    from tokenizers import normalizers
    from transformers import BertConfig, BertModel

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    letters = [chr(code) for code in range(33, 127)]
    tokenizer.train_from_iterator(
        [*TEXT * 3, " ".join(letters), "request it's no harm; done."],
        trainers.WordPieceTrainer(
            vocab_size=700, special_tokens=special, show_progress=False, initial_alphabet=letters
        ),
    )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=MLP,
        max_position_embeddings=128,
        initializer_range=0.2,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder
