"""Text to tokens and back, for the embedded engine; and which of its tokens fill the blanks of templates."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from guardreasoner.engines.onnx_model import open_tokenizer
from guardreasoner.engines.templates import Prompt, Templates, parts
from guardreasoner.errors import InputError
from guardreasoner.types import SamplingParams

Ids = list[int]
_SENTENCE = re.compile(r"(?:^|[.!?] )[a-z]")


class Wording:
    """The tokenizer of an exported folder. `special`: the text of each special token -> its id."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer: Any = open_tokenizer(folder)
        self.special: dict[str, int] = {
            token.content: number for number, token in self._tokenizer.get_added_tokens_decoder().items()
        }
        pieces: dict[str, int] = self._tokenizer.get_vocab()
        self._inner = frozenset(number for piece, number in pieces.items() if piece.startswith("##"))
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

    def templates(self, params: SamplingParams, end_token_ids: Collection[int]) -> Templates:
        """InputError: nothing tells where a text that is written by them ends."""
        ends = {self.special[word] for word in params.stop if word in self.special} | {*end_token_ids}
        if not ends:
            raise InputError(
                f"templates: no stop string of {params.stop} is one token and the model has no end token, "
                "expected one of the two"
            )
        texts = [
            [token for part in parts(template) for token in ([part] if isinstance(part, int) else self.encode(part))]
            for template in params.templates
        ]
        return Templates(texts, self.encode(",")[0], ends)

    def quotable(self, ids: Ids) -> Prompt:
        """What of a prompt may be quoted: whole words, no special token."""
        return Prompt(ids, self._inner, self.special.values())
