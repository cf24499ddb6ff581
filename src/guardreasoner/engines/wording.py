"""Text to tokens and back, for the embedded engine; and what of a prompt fills the blanks of templates."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from guardreasoner.engines.onnx_model import open_tokenizer
from guardreasoner.engines.templates import Quotable, TokenTemplates, parts
from guardreasoner.errors import InputError
from guardreasoner.types import Templates

Ids = list[int]
_SENTENCE = re.compile(r"(?:^|[.!?] )[a-z]")
_PARTIAL = "\ufffd"  # what a part of a character decodes to


class _Kinds(NamedTuple):
    """Token ids by what a quote may do with them, as `engines.Quotable` takes them."""

    inner: frozenset[int]
    never: frozenset[int]
    wordless: frozenset[int]


class Wording:
    """The tokenizer of an exported folder. `special`: the text of each special token -> its id."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer: Any = open_tokenizer(folder)
        self.special: dict[str, int] = {
            token.content: number for number, token in self._tokenizer.get_added_tokens_decoder().items()
        }
        self._cased = self._tokenizer.encode("A", add_special_tokens=False).tokens == ["A"]

    def encode(self, text: str) -> Ids:
        """Special tokens are read out of the text: the format has made the user's part safe."""
        try:
            return self._tokenizer.encode(text, add_special_tokens=False).ids
        except (UnicodeEncodeError, TypeError) as error:
            raise InputError(f"the text {text[:40]!r}... is not valid Unicode, expected no lone surrogates") from error

    def decode(self, ids: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(ids, skip_special_tokens=False)
        # a tokenizer that knows no capitals gets back those that sentences begin with; it reads them as it wrote them
        return text if self._cased else _SENTENCE.sub(lambda start: start[0].upper(), text)

    def templates(
        self, given: Templates, stop: Sequence[str], end_token_ids: Collection[int]
    ) -> dict[int, TokenTemplates]:
        """By the token that chooses them. InputError: nothing tells where a text that is written by them ends."""
        ends = {self.special[word] for word in stop if word in self.special} | {*end_token_ids}
        if not ends:
            raise InputError(
                f"templates: no stop string of {tuple(stop)} is one token and the model has no end token, "
                "expected one of the two"
            )
        comma = self.encode(",")[0]
        return {
            self.special[marker]: TokenTemplates([self._tokens(text) for text in texts], comma, ends)
            for marker, texts in given.texts.items()
            if marker in self.special
        }

    def _tokens(self, template: str) -> Ids:
        """With the blanks among them."""
        encoded = [self.encode(part) if isinstance(part, str) else [part] for part in parts(template)]
        return [token for part in encoded for token in part]

    def quotable(self, ids: Ids, given: Templates) -> Quotable:
        """What stands behind the last `given.after`, or all of the prompt: whole words, no special token."""
        marker = self.special.get(given.after or "")
        begin = len(ids) - ids[::-1].index(marker) if marker is not None and marker in ids else 0
        return Quotable(ids[begin:], *self._kinds)

    @cached_property
    def _kinds(self) -> _Kinds:
        vocabulary: dict[str, int] = self._tokenizer.get_vocab()
        special = {*self.special.values(), vocabulary.get(self._tokenizer.model.unk_token)}
        pieces = {number: piece for piece, number in vocabulary.items() if number not in special}
        if type(self._tokenizer.model).__name__ == "WordPiece":
            inner = {number for number, piece in pieces.items() if piece.startswith("##")}
        else:  # byte-level: a word begins with its space
            pieces = {number: self._tokenizer.decode([number]) for number in pieces}
            inner = {number for number, text in pieces.items() if text[:1].isalnum() or text.startswith(_PARTIAL)}
        breaks = {number for number, text in pieces.items() if any(ord(character) < 32 for character in text)}
        words = {number for number, text in pieces.items() if any(character.isalnum() for character in text)}
        return _Kinds(
            frozenset(inner),
            frozenset(number for number in special | breaks if number is not None),
            frozenset(pieces.keys() - words),
        )
