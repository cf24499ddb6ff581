"""From benchmark prompts to whether a sample's prompt is one of them, holds one, or is nearly one.

All three are decided on normalised prompts (NFKC, lower case, words with one space between them), exactly:

- same: the normalised prompts are equal;
- contains: a benchmark prompt of 8 words or more stands, word for word, inside the sample's prompt;
- near: the sets of character 5-grams have a Jaccard index of 0.6 or more.

Near prompts are found by a prefix-filter join. A near pair shares at least ceil(0.6 n) elements of either set of n; so,
with all 5-grams in one order, rarest first, it shares k of them among the first n - ceil(0.6 n) + k of both sets, for
any k up to that. Only benchmark prompts that do, and are of a fitting size, are compared at all. Memory is that of the
benchmarks, whatever the number of samples.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping

from guardreasoner.data.benchmarks import BenchmarkPrompt
from guardreasoner.data.labelled import normalised

GRAM = 5
NEAR = 3, 5
"""The least Jaccard index of near prompts as a fraction, so that it is decided in whole numbers."""
CONTAINED_WORDS = 8
_SHARED = 16  # k above: few enough to count quickly, enough to leave few pairs to compare


def grams(text: str) -> set[str]:
    """The character 5-grams of a normalised text; a shorter one is its own only gram."""
    return {text[start : start + GRAM] for start in range(max(1, len(text) - GRAM + 1))} if text else set()


def is_near(common: int, size: int, other: int) -> bool:
    """Whether two sets that share `common` elements have a Jaccard index of at least `NEAR`."""
    return common > 0 and common * NEAR[1] >= (size + other - common) * NEAR[0]


class Overlap:
    """An index over benchmark prompts; `find` asks it about one prompt."""

    def __init__(self, prompts: Iterable[BenchmarkPrompt]) -> None:
        places: dict[str, str] = {}
        for prompt in prompts:
            if text := normalised(prompt.text):
                places.setdefault(text, f"{prompt.benchmark} row {prompt.row}")
        self._places: Mapping[str, str] = places
        self._long = _by_beginning(places)
        self._index_grams(places)

    def __len__(self) -> int:
        """Distinct benchmark prompts."""
        return len(self._places)

    def find(self, prompt: str) -> str | None:
        """How and with which benchmark row the prompt overlaps, or None."""
        text = normalised(prompt)
        if place := self._places.get(text):
            return f"same prompt as {place}"
        if place := self._contained(text.split(" ")):
            return f"contains the prompt of {place}"
        near = self._near(text)
        return None if near is None else f"near the prompt of {near[0]} (Jaccard {near[1]:.2f})"

    def _contained(self, words: list[str]) -> str | None:
        for start in range(len(words) - CONTAINED_WORDS + 1):
            for found in self._long.get(" ".join(words[start : start + CONTAINED_WORDS]), ()):
                if words[start : start + found.count(" ") + 1] == found.split(" "):
                    return self._places[found]
        return None

    def _index_grams(self, texts: Iterable[str]) -> None:
        """Prompts are numbered by the size of their gram sets: a range of sizes is a range of numbers."""
        self._texts = sorted(texts, key=lambda text: (len(grams(text)), text))
        counts = Counter(gram for text in self._texts for gram in grams(text))
        rare_first = sorted(counts, key=lambda gram: (counts[gram], gram))
        self._rank = {gram: rank for rank, gram in enumerate(rare_first)}
        self._sets: list[array[int]] = []
        self._holders: dict[int, array[int]] = {}
        for number, text in enumerate(self._texts):
            ranks = sorted(self._rank[gram] for gram in grams(text))
            self._sets.append(array("I", ranks))
            for rank in ranks[: _prefix(len(ranks))]:
                self._holders.setdefault(rank, array("I")).append(number)
        self._sizes = array("I", map(len, self._sets))

    def _near(self, text: str) -> tuple[str, float] | None:
        """The nearest benchmark prompt of those that are near, and its Jaccard index."""
        own = grams(text)
        size = len(own)
        known = {rank for gram in own if (rank := self._rank.get(gram)) is not None}
        # Grams that no benchmark has come first in the order: they use up the prefix.
        length = _prefix(size) - (size - len(known))
        if length <= 0:
            return None
        low = bisect_left(self._sizes, _least(size))
        high = bisect_right(self._sizes, size * NEAR[1] // NEAR[0])
        best: tuple[float, int] | None = None
        for number in self._sharing(sorted(known)[:length], low, high, min(_SHARED, _least(size))):
            other = self._sizes[number]
            common = len(known.intersection(self._sets[number]))
            if is_near(common, size, other):
                best = max(best or (0.0, 0), (common / (size + other - common), -number))
        return None if best is None else (self._places[self._texts[-best[1]]], best[0])

    def _sharing(self, prefix: Iterable[int], low: int, high: int, least: int) -> list[int]:
        """The benchmark prompts numbered `low` to below `high` that have `least` of these grams in their prefix."""
        counts: Counter[int] = Counter()
        for rank in prefix:
            if holders := self._holders.get(rank):
                counts.update(holders[bisect_left(holders, low) : bisect_left(holders, high)])
        return [number for number, count in counts.items() if count >= least]


def _by_beginning(texts: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The texts of `CONTAINED_WORDS` words and more, by those first words."""
    found: dict[str, tuple[str, ...]] = {}
    for text in texts:
        words = text.split(" ")
        if len(words) >= CONTAINED_WORDS:
            beginning = " ".join(words[:CONTAINED_WORDS])
            found[beginning] = (*found.get(beginning, ()), text)
    return found


def _least(size: int) -> int:
    """The fewest elements that a near set can share with one of `size`: ceil(0.6 size)."""
    return -(-size * NEAR[0] // NEAR[1])


def _prefix(size: int) -> int:
    """How many of the rarest elements hold the first `_SHARED` shared ones, if the sets are near."""
    return min(size, size - _least(size) + _SHARED)
