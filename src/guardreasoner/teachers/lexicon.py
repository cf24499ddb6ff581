"""From labelled texts to the words that speak for a label: smoothed log-odds, no model."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_WORD = re.compile(r"\b[A-Za-z][A-Za-z'\u2019-]{1,23}(?![A-Za-z'\u2019-])")


def words(text: str) -> list[str]:
    """Lower-case words of 2 to 24 letters, in order."""
    return [word.lower().replace("\u2019", "'") for word in _WORD.findall(text)]


@dataclass(frozen=True)
class Lexicon:
    """`weight`: log-odds of a telling word in positive against negative texts."""

    weight: Mapping[str, float]

    def telling(self, text: str, most: int = 3) -> list[str]:
        """The words of `text` that speak most for the positive label, strongest first."""
        found = {word: self.weight[word] for word in words(text) if word in self.weight}
        return sorted(found, key=lambda word: (-found[word], word))[:most]


def learn(
    texts: Iterable[tuple[str, bool]], *, least: int = 5, common: float = 0.05, difference: float = 1.0
) -> Lexicon:
    """Log-odds with a prior (Monroe et al. 2008, "Fightin' Words") over document counts.

    `texts`: (text, is positive). A word is telling when its log-odds in positive texts are higher by `difference`
    and by three standard errors, and it stands in no more than the share `common` of all texts. Words in fewer than
    `least` texts are left out altogether.
    """
    counts = {True: Counter[str](), False: Counter[str]()}
    documents = Counter[bool]()
    for text, positive in texts:
        counts[positive].update(set(words(text)))
        documents[positive] += 1
    total = counts[True] + counts[False]
    everything = sum(documents.values())
    known = {word: count for word, count in total.items() if count >= least}
    weight: dict[str, float] = {}
    for word, count in known.items():
        if count > common * everything or not all(documents[side] for side in (True, False)):
            continue
        odds = {side: _odds(counts[side][word], documents[side], count / everything) for side in (True, False)}
        found = odds[True][0] - odds[False][0]
        if found >= max(difference, 3.0 * math.sqrt(odds[True][1] + odds[False][1])):
            weight[word] = found
    return Lexicon(weight=weight)


def _odds(count: int, documents: int, share: float) -> tuple[float, float]:
    """(log-odds, its variance), smoothed by ten documents with the word's overall share."""
    with_word = count + 10 * share
    without = documents + 10 - with_word
    return math.log(with_word / without), 1 / with_word + 1 / without
