"""From templates with blanks, and the words that may fill them, to the tokens that may come next. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

OPENING, QUOTES = -1, -2
"""Blanks among token ids: `{opening}` and `{quotes}`."""
MOST_QUOTES = 3  # that many words the rule teacher names at most
LONGEST_QUOTE = 24  # tokens; a line shall end within its budget

_BLANK = re.compile(r"\{(opening)\}| ?\{(quotes)\}")  # a word in the middle of a text brings its space along


def parts(template: str) -> list[str | int]:
    """The texts between the blanks, and the blanks."""
    blanks: dict[int, int] = {1: OPENING, 2: QUOTES}
    return [blanks.get(at % 3, part) for at, part in enumerate(_BLANK.split(template)) if part]


class Quotable:
    """What of a text may be quoted.

    Args:
        ids: its tokens.
        inner: tokens that go on with a word that has begun: of `un ##lock ##ing` no "unlock" is quoted.
        never: tokens that are not quoted.
        wordless: tokens with which no quote begins, though an opening may: punctuation.
    """

    def __init__(
        self,
        ids: Sequence[int],
        inner: Collection[int] = frozenset(),
        never: Collection[int] = frozenset(),
        wordless: Collection[int] = frozenset(),
    ) -> None:
        self._ids = ids
        self._inner = inner
        self._never = never
        self.opening = [at for at, token in enumerate(ids) if token not in never][:1]
        """Where the text begins; [] = there is nothing to quote."""
        self.words: dict[int, list[int]] = defaultdict(list)
        """Token -> where a word begins with it."""
        for at, token in enumerate(ids):
            if token not in inner and token not in never and token not in wordless:
                self.words[token].append(at)

    def tokens(self, places: Collection[int]) -> set[int]:
        return {self._ids[at] for at in places}

    def where(self, places: Collection[int], token: int) -> tuple[int, ...]:
        """Those of the places at which the token stands."""
        return tuple(at for at in places if self._ids[at] == token)

    def next(self, places: Collection[int]) -> list[int]:
        """Where a quote goes on whose last token stands at one of the places."""
        return [at + 1 for at in places if at + 1 < len(self._ids) and self._ids[at + 1] not in self._never]

    def ends_word(self, places: Collection[int]) -> bool:
        return any(at + 1 == len(self._ids) or self._ids[at + 1] not in self._inner for at in places)


class _Place(NamedTuple):
    """Where a text may stand: before part `part` of a template or, once a quote has begun, in that blank."""

    template: int
    part: int
    last: tuple[int, ...] = ()
    """Where the quote's last token may stand in the quoted text; () = none has begun."""
    length: int = 0
    """Tokens of the quote so far."""
    begun: int = 0
    """Quotes in this blank so far."""
    quoted: frozenset[int] = frozenset()
    """Their tokens: no quote begins with one that another one has."""


_Way = tuple[Collection[int], Callable[[int], _Place]]
"""Tokens that may come next, and where the text then stands."""


@dataclass(frozen=True)
class TokenTemplates:
    """`texts`: token ids, `OPENING` and `QUOTES`; `comma`: between quotes; `ends`: one of them stands after a text."""

    texts: Sequence[Sequence[int]]
    comma: int
    ends: Collection[int]


class Writer:
    """One text that is being written: every way in which it may go on in the templates is kept."""

    def __init__(self, templates: TokenTemplates, quotable: Quotable) -> None:
        self._templates = templates
        self._quotable = quotable
        texts = templates.texts
        filled = [number for number, text in enumerate(texts) if quotable.words or QUOTES not in text]
        self._look({_Place(number, 0) for number in filled or range(len(texts))})

    @property
    def allowed(self) -> list[int]:
        """The tokens that may come next, in ascending order; there is always one."""
        return sorted({token for tokens, _ in self._next for token in tokens})

    def write(self, token: int) -> None:
        """Go on with one of the allowed."""
        self._look({then(token) for tokens, then in self._next if token in tokens})

    def _look(self, places: Collection[_Place]) -> None:
        self._next = [way for place in places for way in self._ways(place)]

    def _ways(self, place: _Place) -> Iterator[_Way]:
        text = self._templates.texts[place.template]
        after = _Place(place.template, place.part + 1)
        if place.part == len(text):
            yield self._templates.ends, lambda _: place
        elif (part := text[place.part]) not in (OPENING, QUOTES):
            yield (part,), lambda _: after
        elif place.last:
            yield from self._quoting(place, after)
        elif part == OPENING and self._quotable.opening:
            yield self._quotable.tokens(self._quotable.opening), partial(self._go_on, place, self._quotable.opening)
        elif part == QUOTES and (new := self._new(place)):
            yield new, partial(self._begin, place)
        else:  # nothing to quote
            yield from self._ways(after)

    def _quoting(self, place: _Place, after: _Place) -> Iterator[_Way]:
        """Inside a quote: it goes on, it ends or, in a list, another one follows."""
        quotable, listed = self._quotable, self._templates.texts[place.template][place.part] == QUOTES
        between = {self._templates.comma} if listed else set[int]()
        ends = quotable.ends_word(place.last)
        if place.length < LONGEST_QUOTE or not ends:
            on = quotable.next(place.last)
            yield quotable.tokens(on) - between, partial(self._go_on, place, on)
        if ends:
            yield from self._ways(after)
            if place.begun < MOST_QUOTES and self._new(place):
                yield between, lambda _: place._replace(last=(), length=0)

    def _new(self, place: _Place) -> set[int]:
        return self._quotable.words.keys() - place.quoted - {self._templates.comma}

    def _begin(self, place: _Place, token: int) -> _Place:
        begun = place._replace(last=tuple(self._quotable.words[token]), length=1, begun=place.begun + 1)
        return begun._replace(quoted=place.quoted | {token})

    def _go_on(self, place: _Place, at: Collection[int], token: int) -> _Place:
        last = self._quotable.where(at, token)
        return place._replace(last=last, length=place.length + 1, quoted=place.quoted | {token})
