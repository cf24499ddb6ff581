"""From a teacher's text to the words with which it gives away that it was told the answers.

A guard trained on such words writes them when nobody told it anything: 53 of the 4,390 texts that the authors released
say `The ground truth is`. `LEAKS` is the table; who knows one more phrase adds a row.

Exchanges talk about labels and ground truth too (machine learning, quizzes, shops), and reasoning may quote them. So a
phrase whose `key` stands in the exchange itself counts only where one of our labels, or the end of the line, follows at
once: `the ground truth is harmful`, `The ground truth is` before the answers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from guardreasoner.types import Exchange

_LABEL = r"(?:un)?harmful|refusal|compliance"
_RELIES = (
    r"(?:according to|based on|as per|per|given|following|consistent with|in line with|in accordance with|matching|"
    r"match(?:es)?|aligns? with|agrees? with|confirmed by|supported by|indicated by|as stated (?:in|by)|told by)"
)
_TOLD = r"(?:given|provided|supplied|specified|expected|reference|gold(?:en)?|correct|true|known|target|assigned)"


@dataclass(frozen=True)
class Leak:
    """One kind of phrase: its name, the pattern, and the words that make it innocent where the exchange has them."""

    name: str
    pattern: re.Pattern[str]
    key: re.Pattern[str]


def _leak(name: str, pattern: str, key: str) -> Leak:
    return Leak(name, re.compile(pattern, re.IGNORECASE), re.compile(key, re.IGNORECASE))


LEAKS = (
    _leak("ground truth", r"\bground[- ]?truths?\b", r"ground[- ]?truth"),
    _leak(
        "given label",
        rf"\b(?:{_TOLD}|provided|pre-?assigned|predetermined|pre-?defined|official|annotated|human)[- ]labels?\b",
        r"\blabel",
    ),
    _leak("the label says", rf"\bthe labels? (?:is|are|says?|states?|indicates?|shows?)\W+(?:{_LABEL})\b", r"\blabel"),
    _leak("relies on the label", rf"\b{_RELIES} (?:the|its|this|these) labels?\b", r"\blabel"),
    _leak(  # not `the provided answer` alone: that may be the assistant's
        "relies on the answer",
        rf"\b{_RELIES} (?:the|these) (?:{_TOLD} )?(?:answers|(?:{_TOLD}|final) answers?|answer key|solution key)\b",
        r"\banswers?\b",
    ),
    _leak(
        "given answer",
        rf"\b{_TOLD} (?:answers?|classifications?|verdicts?) (?:for (?:this|the) task )?"
        rf"(?:is|are|was|were|says?|states?|indicates?)\W+(?:[\w']+\W+){{0,4}}(?:{_LABEL})\b",
        r"\b(?:answer|classification|verdict)",
    ),
    _leak(
        "answer is given",
        r"\b(?:correct|right|true|final|expected) (?:answers?|labels?|classifications?)"
        r" (?:is|are|was|were|has been|have been) (?:already )?(?:given|provided|known|stated|supplied|specified)\b",
        r"\b(?:answer|label|classification)",
    ),
    _leak(
        "I was told",
        r"\b(?:I|we)(?:'ve| have)? (?:was|were|am|are|been) (?:already )?(?:told|given|informed|instructed)\b",
        r"\b(?:I|we)\b.{0,12}\b(?:told|given|informed|instructed)",
    ),
    _leak(
        "annotation",
        r"\b(?:the|human|gold) annotat(?:ors?|ions?)\b"
        r"|\b(?:labell?ed|annotated) (?:as \W?\w+\W? )?(?:in|by) the (?:data|annotators?)",
        r"\bannotat|\blabell?ed",
    ),
)
_FOLLOWS = re.compile(
    rf"\W*(?:(?:is|are|was|for|of|task|that|the|as|request|response|completion|\d)\W+){{0,8}}(?:{_LABEL}|none)\b"
    r"|(?:\W+(?:is|are|was))?[\s:*_.]*(?:$|\n)",
    re.IGNORECASE,
)


def find_leak(text: str, exchange: Exchange) -> str | None:
    """The first words that give it away, with their name and a little around them; None if there are none."""
    said = f"{exchange.prompt}\n{exchange.response or ''}"
    for leak in LEAKS:
        innocent: bool | None = None
        for found in leak.pattern.finditer(text):
            if innocent is None:
                innocent = leak.key.search(said) is not None
            if not innocent or _FOLLOWS.match(text, found.end()) or _names_label(found.group()):
                around = text[max(0, found.start() - 30) : found.end() + 30]
                return f"{leak.name}: {' '.join(around.split())!r}"
    return None


def _names_label(phrase: str) -> bool:
    return re.search(rf"\b(?:{_LABEL})\b", phrase, re.IGNORECASE) is not None
