"""From text to token ids as a guard is fed them, at inference and in training alike: prompts, and what follows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from guardreasoner.engines.hf_rows import Ids
from guardreasoner.errors import InputError


class TextTokens:
    """A tokenizer of transformers. Prompts get its begin token, if it adds one; what follows is tokenised apart."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.begin = _begin(tokenizer)
        self._line = self._ids("\n")

    def prompt(self, text: str) -> Ids:
        """Special tokens are read out of the text; one begin token in front if the tokenizer adds one, never two."""
        return self._begun(self._ids(text))

    def prompts(self, texts: Sequence[str]) -> list[Ids]:
        """`prompt` of each, in one call."""
        return [self._begun(ids) for ids in self._each(texts)]

    def continuation(self, text: str) -> Ids:
        """Tokenised after a line end, because some tokenizers write a space before the first word of any text."""
        joined = self._ids("\n" + text)
        ids = joined[len(self._line) :] if self._follows(joined) else self._ids(text)
        if not ids:
            raise InputError(f"the choice {text!r} has no tokens, expected at least 1")
        return ids

    def continuations(self, texts: Sequence[str]) -> list[tuple[Ids, list[tuple[int, int]]]]:
        """`continuation` of each, in one call, with the place of each token in its text, (start, end) in characters."""
        found = self.tokenizer(["\n" + text for text in texts], add_special_tokens=False, return_offsets_mapping=True)
        each: list[tuple[Ids, list[tuple[int, int]]]] = []
        skipped, shift = len(self._line), 1
        for text, ids, places in zip(texts, found["input_ids"], found["offset_mapping"], strict=True):
            if self._follows(ids):
                each.append((ids[skipped:], [(start - shift, end - shift) for start, end in places[skipped:]]))
            else:
                alone = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
                each.append((alone["input_ids"], [(start, end) for start, end in alone["offset_mapping"]]))
        return each

    def decode(self, ids: Sequence[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)

    def _begun(self, ids: Ids) -> Ids:
        return ids if self.begin is None or ids[:1] == [self.begin] else [self.begin, *ids]

    def _follows(self, joined: Ids) -> bool:
        """Whether the line end stayed apart from what comes after it."""
        return joined[: len(self._line)] == self._line and len(joined) > len(self._line)

    def _ids(self, text: str) -> Ids:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def _each(self, texts: Sequence[str]) -> list[Ids]:
        return self.tokenizer(list(texts), add_special_tokens=False)["input_ids"] if texts else []


def end_tokens(generation: Any, tokenizer: Any) -> frozenset[int]:
    """Tokens at which generation stops: those of the model's generation settings, else the tokenizer's."""
    named: int | list[int] | None = generation.eos_token_id
    listed = [named] if isinstance(named, int) else named or []
    return frozenset(listed) or frozenset([tokenizer.eos_token_id]) - {None}


def _begin(tokenizer: Any) -> int | None:
    """The begin token, if this tokenizer puts one in front of a text."""
    bos: int | None = tokenizer.bos_token_id
    return bos if bos is not None and tokenizer("a")["input_ids"][:1] == [bos] else None
