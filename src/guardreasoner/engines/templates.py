"""From templates with blanks, and the prompt whose words fill them, to the tokens that may come next. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

QUOTE, QUOTES = -1, -2
"""Blanks among token ids: words of the prompt as they stand there; several such, with a comma between, none inside."""
LONGEST_QUOTE = 24  # tokens; a prompt that says a thing over and over could be quoted for ever

_BLANK = re.compile(r"\{(quotes?)\}")


def parts(template: str) -> list[str | int]:
    """The texts between the blanks, and the blanks."""
    found = [part.rstrip() for part in _BLANK.split(template)]
    return [part if at % 2 == 0 else (QUOTES if part == "quotes" else QUOTE) for at, part in enumerate(found) if part]


class Prompt:
    """The words of a prompt.

    Args:
        ids: its tokens.
        inner: the tokens that go on with a word that has begun; without any, every token is a word.
        never: tokens that are not quoted.
    """

    def __init__(self, ids: Sequence[int], inner: Collection[int], never: Collection[int]) -> None:
        self.starts = {token for token in ids if token not in inner and token not in never}
        self.follows: dict[int, set[int]] = defaultdict(set)
        """Token -> what comes after it somewhere; a quote may run on so."""
        self.wholes: set[int] = set()
        """Tokens with which a word ends somewhere: of `un ##lock ##ing` no "unlock" is quoted."""
        for token, after in pairwise([*ids, QUOTE]):
            if after not in inner:
                self.wholes.add(token)
            if after != QUOTE and after not in never:
                self.follows[token].add(after)


class _Place(NamedTuple):
    """Where a text may stand: before part `part` of a template or, once a quote has begun, in that blank."""

    template: int
    part: int
    quoted: int = 0
    """Tokens of the quote so far."""
    begun: frozenset[int] = frozenset()
    """How the quotes in this blank begin: none begins twice the same."""


@dataclass(frozen=True)
class Templates:
    """`texts`: token ids, `QUOTE` and `QUOTES`; `comma`: between quotes; `ends`: one of them stands after a text."""

    texts: Sequence[Sequence[int]]
    comma: int
    ends: Collection[int]


class Writer:
    """One text that is being written: every place in the templates where it may stand is kept."""

    def __init__(self, templates: Templates, prompt: Prompt) -> None:
        self._templates = templates
        self._prompt = prompt
        self._look([_Place(template, 0) for template in range(len(templates.texts))], QUOTE)

    @property
    def allowed(self) -> list[int]:
        """The tokens that may come next, in ascending order; there is always one."""
        return sorted(self._next)

    def write(self, token: int) -> None:
        """Go on with one of the allowed."""
        self._look(self._next[token], token)

    def _look(self, places: Collection[_Place], last: int) -> None:
        self._next: dict[int, set[_Place]] = defaultdict(set)
        for place in places:
            for token, then in self._options(place, last):
                self._next[token].add(then)

    def _options(self, place: _Place, last: int) -> Iterator[tuple[int, _Place]]:
        text = self._templates.texts[place.template]
        after = _Place(place.template, place.part + 1)
        if place.part == len(text):
            yield from ((end, place) for end in self._templates.ends)
            return
        part = text[place.part]
        if part not in (QUOTE, QUOTES):
            yield part, after
            return
        between = {self._templates.comma} if part == QUOTES else set[int]()
        new = self._prompt.starts - place.begun - between
        if place.quoted == 0:
            for token in new:
                yield token, place._replace(quoted=1, begun=place.begun | {token})
            if not new:  # nothing to quote
                yield from self._options(after, last)
            return
        may_end = last in self._prompt.wholes
        if place.quoted < LONGEST_QUOTE or not may_end:
            for token in self._prompt.follows[last] - between:
                yield token, place._replace(quoted=place.quoted + 1)
        if may_end:
            yield from self._options(after, last)
            if new:
                yield from ((comma, place._replace(quoted=0)) for comma in between)
