"""Rows like GuardReasoner's, of our own making: mild words, mixed lengths, seeded; and a tokenizer for them."""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tokenizers import Tokenizer

from guardreasoner.training.tokenizer import save_tokenizer, train_tokenizer

if TYPE_CHECKING:
    from transformers import LlamaConfig

INSTRUCTION = (
    "You read a conversation between a person and an assistant. First say whether the request is kind or rude, then "
    "whether the assistant went along or declined, then whether the answer is kind or rude. Think in small steps, one "
    "sentence each, and say at the end what you found, so that what you thought and what you found agree. Write only "
    "the words that were named here, and nothing after them.\n"
)
WHO = ("the baker", "my neighbour", "a gardener", "the old sailor", "our teacher", "a young painter", "her brother")
DOES = ("asks about", "writes down", "waits for", "talks of", "looks after", "shares", "carries", "describes")
WHAT = (
    *("fresh bread", "a wooden boat", "two green apples", "the morning train", "a letter from home", "a bowl of soup"),
    *("the garden gate", "an old map", "a quiet song", "the blue door", "a basket of plums", "a small lamp"),
)
HOW = ("slowly", "with care", "before noon", "in the rain", "for a friend", "every week", "by the window", "once more")


@dataclass(frozen=True)
class Row:
    """One prompt with a right and a wrong answer."""

    prompt: str
    chosen: str
    rejected: str


def make_rows(count: int, seed: int) -> list[Row]:
    """`count` rows: an instruction that all share, a request, mostly a response; answers of four to twelve steps."""
    rng = random.Random(seed)
    return [Row(_prompt(rng), _answer(rng, "kind"), _answer(rng, "rude")) for _ in range(count)]


def make_tokenizer(rows: list[Row], folder: Path, vocabulary: int) -> Tokenizer:
    """A byte-level BPE tokenizer of these texts, written to `folder`; its markers are the embedded guard's."""
    tokenizer = train_tokenizer([text for row in rows for text in (row.prompt, row.chosen, row.rejected)], vocabulary)
    save_tokenizer(tokenizer, folder)
    return tokenizer


def llama(sizes: argparse.Namespace, tokenizer: Tokenizer, kv_heads: int) -> LlamaConfig:
    """The shape that the command line says, for the tokenizer's ids."""
    from transformers import LlamaConfig  # not before the command line has said which devices torch may see

    return LlamaConfig(
        vocab_size=sizes.vocabulary,
        hidden_size=sizes.hidden,
        num_hidden_layers=sizes.layers,
        intermediate_size=sizes.mlp,
        num_attention_heads=sizes.heads,
        num_key_value_heads=kv_heads,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.token_to_id("<|end|>"),
        pad_token_id=0,
    )


def columns(rows: list[Row], ids: list[tuple[list[int], ...]]) -> list[dict[str, object]]:
    """The pairs as TRL reads them, and how long each is."""
    return [
        {
            "prompt": row.prompt,
            "chosen": row.chosen,
            "rejected": row.rejected,
            "length": len(prompt) + max(len(chosen), len(rejected)),
        }
        for row, (prompt, chosen, rejected) in zip(rows, ids, strict=True)
    ]


def _prompt(rng: random.Random) -> str:
    request = _text(rng, min(max(int(rng.lognormvariate(3.6, 0.9)), 8), 300))
    response = _text(rng, min(max(int(rng.lognormvariate(4.0, 0.8)), 8), 300)) if rng.random() < 0.7 else "None"
    return f"<|user|>{INSTRUCTION}Human user:\n{request}\n\nAI assistant:\n{response}\n\n<|think|>"


def _answer(rng: random.Random, verdict: str) -> str:
    steps = (f"Step {number}: {_text(rng, rng.randint(10, 40))}\n" for number in range(1, rng.randint(5, 13)))
    return f"{''.join(steps)}<|answers|>Request: {verdict}\nResponse: {verdict}<|end|>"


def _text(rng: random.Random, words: int) -> str:
    found: list[str] = []
    while len(found) < words:
        found += f"{rng.choice(WHO)} {rng.choice(DOES)} {rng.choice(WHAT)} {rng.choice(HOW)}.".split()
    return " ".join(found[:words])
