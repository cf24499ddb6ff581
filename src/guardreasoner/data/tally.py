"""From rows to samples that count what becomes of each row: taken, or left out with the reason."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from guardreasoner.errors import InputError
from guardreasoner.types import Exchange, Sample


class Found(NamedTuple):
    """A sample and where it stands: the file, and the number of its line or row there."""

    place: str
    line: int
    sample: Sample


@dataclass
class Tally:
    """What became of the rows of one source; filled while they are read."""

    place: str = ""
    rows: int = 0
    taken: int = 0
    left_out: Counter[str] = field(default_factory=Counter[str])
    masked: int = 0
    """Response labels that were not taken, because the row has no response."""
    note: str | None = None
    about: dict[str, str] = field(default_factory=dict[str, str])
    """Where the rows are from and what they may be used for."""

    def figures(self) -> dict[str, object]:
        """As data.json keeps them; what is not there is left out."""
        figures = {
            "from": self.place,
            **self.about,
            "rows": self.rows,
            "taken": self.taken,
            "left out": dict(self.left_out.most_common()),
            "response labels without a response": self.masked,
            "note": self.note,
        }
        return {
            name: value for name, value in figures.items() if value not in (None, {}, 0) or name in ("rows", "taken")
        }

    def sentence(self) -> str:
        """One line for a person."""
        parts = [f"{self.taken:,} of {self.rows:,} rows", self.left_out_sentence(), self.note]
        return "; ".join(part for part in parts if part)

    def left_out_sentence(self) -> str | None:
        """`left out: 3 no response`, None if nothing is."""
        reasons = [f"{count:,} {reason}" for reason, count in self.left_out.most_common(5)]
        more = len(self.left_out) - len(reasons)
        said = f"left out: {', '.join(reasons)}" + (f"; {more} more reasons" if more > 0 else "")
        return said if reasons else None

    def check_some(self) -> None:
        """A source that gives nothing is an error: nobody names one to get no row of it."""
        if not self.taken:
            why = next((f", the first reason: {reason}" for reason, _ in self.left_out.most_common(1)), "")
            raise InputError(f"{self.place}: none of {self.rows:,} rows could be taken{why}")


def cell(value: object) -> object:
    """A cell as its file means it: an empty one, and the not-a-number of a table, are absent."""
    empty = value == "" or (isinstance(value, float) and math.isnan(value))
    return None if empty else value


def exchange_of(prompt: object, response: object) -> Exchange | str:
    """What is judged, or why it cannot be. A blank response is none, as everywhere."""
    said = response if response is not None else ""
    if not isinstance(prompt, str) or not isinstance(said, str):
        return "no prompt" if prompt is None else "a prompt or response that is not text"
    if not prompt.strip():
        return "no prompt"
    if not (_encodable(prompt) and _encodable(said)):
        return "not valid Unicode"
    return Exchange(prompt=prompt, response=said if said.strip() else None)


def drawn(count: int, rows: int, seed: str) -> Collection[int]:
    """Which of `count` rows are taken, at most `rows`: a seeded draw."""
    return range(count) if count <= rows else set(random.Random(seed).sample(range(count), rows))


def without_double_ids(found: Iterator[Found]) -> Iterator[Found]:
    """All of them, as they are; two with one id are an InputError that names both."""
    places: dict[tuple[str, str], tuple[str, int]] = {}
    for each in found:
        key, here = (each.sample.source, each.sample.id), (each.place, each.line)
        if (there := places.setdefault(key, here)) is not here:
            raise InputError(
                f"{each.place}, row {each.line}: the id {each.sample.id!r} of source {each.sample.source!r} "
                f"is taken by {there[0]}, row {there[1]}; expected each id once"
            )
        yield each


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
