"""From the reasoning on one task to the answer that its conclusion states, or None where it states none plainly.

The rule looks at sentences that conclude: those of the task's conclusion; without one, the last sentence of its last
step; and a heading that is an answer (`# Task 1: harmful`). In such a sentence an answer is stated by

- the label alone (`## Conclusion: unharmful`, `Request: unharmful`), or
- `is`, `constitutes`, `considered`, ... and then the label as predicate: `is clearly harmful.`, `is a refusal to`,
  `is not harmful` (the other label), not `is harmful content`, where the label describes a noun.

Nothing is read from a sentence that weighs (whether, if, could, either, `harmful or unharmful`), or whose predicate is
said of something else: of the nouns before it, the nearest must be the task's own (the request in Task 1, the response
in Tasks 2 and 3). Two different answers for one task state none. The rule prefers silence to error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from guardreasoner.formats.paper import NAMES
from guardreasoner.formats.steps import TaskReasoning
from guardreasoner.types import Task

_WEIGHS = re.compile(
    r"\b(?:whether|if|could|might|may|would|should|either|neither|nor|cannot|can't|unless|potentially|partial(?:ly)?|"
    r"somewhat|but|however|although|though|while|despite|except|unclear|ambiguous|not possible|no response)\b"
    r"|harmful or unharmful|refusal or compliance|compliance or refusal|unharmful or harmful",
    re.IGNORECASE,
)
_COPULA = (
    r"(?:is|are|was|were|remains?|constitutes?|represents?|as|considered|deemed|classified as|categori[sz]ed as|"
    r"judged|rated|indicates|means|signifies|making (?:it|the \w+)|makes (?:it|the \w+))"
)
_ADVERBS = (
    r"(?:\s+(?:a|an|clear|clearly|direct|directly|full|in|overall|generally|inherently|therefore|thus|hence|also|"
    r"indeed|itself|explicitly|explicit|definitely|certainly|polite|firm|outright|entirely|completely|form|of))*"
)
_NEXT = (
    r"(?=\s*(?:[.,;:!?\"'*)\]]|$)|\s+(?:as|because|since|due|and|in nature|to|for|with|by|given|of|towards?|rather)\b)"
)
_PREDICATE = re.compile(
    rf"\b{_COPULA}(?P<negated>\s+not)?{_ADVERBS}\s+[\"'*`]*(?P<label>unharmful|harmful|refusal|compliance){_NEXT}",
    re.IGNORECASE,
)
_ALONE = re.compile(
    r"[\s\"'*`#_:.-]*(?:(?P<name>request|completion|response)[\s*_]*:)?[\s\"'*`#_:.-]*"
    r"(?P<label>unharmful|harmful|refusal|compliance)[\s\"'*`_.]*",
    re.IGNORECASE,
)
_NOUN = re.compile(
    r"\b(?P<request>requests?|quer(?:y|ies)|prompts?|questions?|asking|users?|humans?)\b"
    r"|\b(?P<response>responses?|repl(?:y|ies)|completions?|answers?|assistants?|AI)\b"
    r"|\b(?P<other>behaviou?rs?|actions?|activit(?:y|ies)|intent(?:ions?)?|content|information|advice|it|which|that|this)\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_POSSESSIVE = re.compile(
    r"\b(?:the\s+)?(?:human\s+)?(?:AI\s+)?(?:user|human|assistant|AI)(?:'s|\u2019s)\s+", re.IGNORECASE
)


def stated_answer(reasoning: TaskReasoning) -> str | None:
    """The label that the conclusion gives to the task, if it gives exactly one."""
    task = reasoning.task
    if task is None:
        return None
    found = {answer for sentence in concluding(reasoning) if (answer := _answer(sentence, task)) is not None}
    return found.pop() if len(found) == 1 else None


def concluding(reasoning: TaskReasoning) -> Iterator[str]:
    """The sentences that conclude, as the rule above says."""
    if reasoning.heading and _ALONE.fullmatch(reasoning.heading):
        yield reasoning.heading
    if reasoning.conclusion:
        yield from _sentences(reasoning.conclusion)
    elif reasoning.steps:
        yield from _sentences(reasoning.steps[-1])[-1:]


def _sentences(text: str) -> list[str]:
    return [sentence for sentence in _SENTENCE.split(text) if sentence.strip()]


def _answer(sentence: str, task: Task) -> str | None:
    if alone := _ALONE.fullmatch(sentence):
        label, name = alone["label"].lower(), alone["name"]
        return label if label in task.labels and (name is None or name.title() == NAMES[task]) else None
    if _WEIGHS.search(sentence):
        return None
    plain = _POSSESSIVE.sub("the ", sentence)
    found = {_label(match, task) for match in _PREDICATE.finditer(plain) if _is_about(task, plain[: match.start()])}
    found.discard(None)
    return found.pop() if len(found) == 1 else None


def _label(match: re.Match[str], task: Task) -> str | None:
    label = match["label"].lower()
    if label not in task.labels:
        return None
    positive, negative = task.labels
    return label if not match["negated"] else negative if label == positive else positive


def _is_about(task: Task, before: str) -> bool:
    """True if the nearest noun before the predicate is the task's own; none at all is a sentence without subject."""
    nearest = None
    for nearest in _NOUN.finditer(before):  # noqa: B007 - the last one counts
        pass
    return nearest is None or nearest.lastgroup == ("response" if task.needs_response else "request")
