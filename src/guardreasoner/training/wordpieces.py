"""From an encoder's WordPiece vocabulary and the texts of a run to the embedded guard's tokenizer.

Only pieces that the texts use are kept, since each costs a row of weights; words without a piece of their own fall
into smaller ones, as WordPiece does. The markers take the first ids.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models

from guardreasoner.errors import InputError
from guardreasoner.formats.nano import ANSWERS, ASSISTANT, END, PAD, SPECIAL_TOKENS, THINK, USER

_UNKNOWN = "[UNK]"
_STARTS = {
    PAD: "[PAD]",
    USER: "[CLS]",
    ASSISTANT: "[SEP]",
    THINK: "because",
    ANSWERS: "answers",
    END: "end",
    "<|request|>": "request",
    "<|completion|>": "reply",
    "<|response|>": "response",
    "<|harmful|>": "harmful",
    "<|unharmful|>": "harmless",
    "<|refusal|>": "refusal",
    "<|compliance|>": "compliance",
}
"""Pieces of the encoder's that the markers begin as: what is alike at first is told apart late."""


def cut_tokenizer(encoder: str, texts: Iterable[str], least: int) -> tuple[Tokenizer, list[int | None]]:
    """The tokenizer, and for each of its tokens the encoder's id (None: a new one).

    `encoder`: the text of its tokenizer.json. `least`: how often a piece of several letters must occur in `texts` to be
    kept.
    """
    whole = json.loads(encoder)
    if whole["model"]["type"] != "WordPiece":
        raise InputError(f"an encoder with a tokenizer of type {whole['model']['type']}, expected WordPiece, as BERT's")
    ids: dict[str, int] = whole["model"]["vocab"]
    plain = Tokenizer.from_str(
        json.dumps({**whole, "added_tokens": [], "post_processor": None, "truncation": None, "padding": None})
    )
    counts = Counter[int]()
    for encoding in plain.encode_batch(list(texts), add_special_tokens=False):
        counts.update(encoding.ids)
    kept = [piece for piece, number in ids.items() if counts[number] >= least or _is_letter(piece)]
    vocabulary = [*SPECIAL_TOKENS, _UNKNOWN, *(piece for piece in kept if piece != _UNKNOWN)]
    tokenizer = Tokenizer(
        models.WordPiece({piece: number for number, piece in enumerate(vocabulary)}, unk_token=_UNKNOWN)
    )
    tokenizer.normalizer, tokenizer.pre_tokenizer = plain.normalizer, plain.pre_tokenizer
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.WordPiece(prefix="##", cleanup=True),
            decoders.Fuse(),
            *(decoders.Replace(f" {mark}", mark) for mark in (":", ";", *SPECIAL_TOKENS)),
            *(decoders.Replace(f"{mark} ", mark) for mark in SPECIAL_TOKENS),
            decoders.Replace(" ' ", "'"),
        ]
    )
    whole_tokens: Any = tokenizer
    whole_tokens.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in SPECIAL_TOKENS])
    rows = [ids.get(_STARTS.get(piece, piece)) for piece in vocabulary]
    return tokenizer, rows


def _is_letter(piece: str) -> bool:
    """A single character of European scripts, alone or inside a word: what everything can be written with."""
    letter = piece.removeprefix("##")
    return len(letter) == 1 and ord(letter) < 0x250
