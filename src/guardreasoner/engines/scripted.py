"""From a script to completions: the engine without a model, for tests, documentation and dry runs."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from guardreasoner.errors import EngineError, InputError
from guardreasoner.types import Completion, SamplingParams

Answer = Callable[[str, int], str]
"""(prompt, attempt) -> text; `attempt` counts the n completions of one prompt from 0."""
Script = Answer | Mapping[str, str | Sequence[str]] | Sequence[str]
Scores = Callable[[str, str], float]
"""(prompt, choice) -> natural-log probability of the choice as the next text."""

CONFIDENCE = 0.9
_TOKEN = re.compile(r"\s*\S+|\s+$")


class ScriptedEngine:
    """Says what the script says, the same each time. A token is a word with the space before it.

    Args:
        script: a callable `(prompt, attempt) -> text`; or a text for every prompt, or several that the attempts cycle
            through; or a mapping from a part of the prompt to its text or texts, where the longest part found in the
            prompt counts (`""` is found in every prompt).
        scores: `(prompt, choice) -> log-probability`. By default the choice that the script's text has next, after
            the end of the prompt, gets probability 0.9 and the others share the rest.
        model: the name that verdicts carry.
        context_length: tokens a prompt and its completion may have together.
    """

    def __init__(
        self,
        script: Script = "",
        scores: Scores | None = None,
        *,
        model: str = "scripted",
        context_length: int | None = None,
    ) -> None:
        self._answer = _answer_of(script)
        self._scores = scores
        self._model = model
        self._context_length = context_length

    @property
    def model(self) -> str:
        return self._model

    @property
    def context_length(self) -> int | None:
        return self._context_length

    def count_tokens(self, text: str) -> int:
        return len(_TOKEN.findall(text))

    def generate(self, prompts: Sequence[str], params: SamplingParams) -> list[list[Completion]]:
        """What the script says, cut at the first stop string or at `max_tokens` words."""
        room = [self._room(index, prompt, params.max_tokens) for index, prompt in enumerate(prompts)]
        return [
            [_complete(self._answer(prompt, attempt), params, limit) for attempt in range(params.n)]
            for prompt, limit in zip(prompts, room, strict=True)
        ]

    def choose(self, prompts: Sequence[str], choices: Sequence[str]) -> list[list[float]]:
        """The `scores` given, or 0.9 for the choice that the script has next."""
        for index, prompt in enumerate(prompts):
            self._room(index, prompt, 1)
        return [self._choose(prompt, choices) if choices else [] for prompt in prompts]

    def _choose(self, prompt: str, choices: Sequence[str]) -> list[float]:
        if self._scores is not None:
            return [self._scores(prompt, choice) for choice in choices]
        scripted = _next_choice(self._answer(prompt, 0), prompt, choices)
        if scripted is None:
            return [-math.log(len(choices))] * len(choices)
        rest = (1 - CONFIDENCE) / max(1, len(choices) - 1)
        return [math.log(CONFIDENCE if choice == scripted else rest) for choice in choices]

    def _room(self, index: int, prompt: str, wanted: int) -> int:
        if self._context_length is None:
            return wanted
        room = self._context_length - self.count_tokens(prompt)
        if room < 1:
            raise InputError(
                f"prompt {index} has {self.count_tokens(prompt)} tokens; expected at most {self._context_length - 1}"
            )
        return min(wanted, room)


def _answer_of(script: Script) -> Answer:
    if not isinstance(script, Mapping | Sequence):
        return script
    if isinstance(script, Sequence):
        texts = cast("Sequence[str]", script)
        return lambda _, attempt: _cycle(texts, attempt)
    parts = cast("Mapping[str, str | Sequence[str]]", script)
    return lambda prompt, attempt: _cycle(_longest_part(parts, prompt), attempt)


def _longest_part(script: Mapping[str, str | Sequence[str]], prompt: str) -> str | Sequence[str]:
    found = max((part for part in script if part in prompt), key=len, default=None)
    if found is None:
        raise EngineError(f"no key of the script is in the prompt {prompt[:80]!r}; expected one of {len(script)}")
    return script[found]


def _cycle(texts: str | Sequence[str], attempt: int) -> str:
    if isinstance(texts, str):
        return texts
    if not texts:
        raise EngineError("the script is an empty sequence; expected at least one answer")
    return texts[attempt % len(texts)]


def _complete(text: str, params: SamplingParams, limit: int) -> Completion:
    ends = [text.find(stop) for stop in params.stop if stop in text]
    tokens: list[str] = _TOKEN.findall(text[: min(ends, default=len(text))])
    kept = tokens[:limit]
    return Completion(
        text="".join(kept),
        finish_reason="stop" if len(tokens) <= limit else "length",
        num_tokens=len(kept),
        logprobs=(math.log(CONFIDENCE),) * len(kept) if params.logprobs else None,
    )


def _next_choice(answer: str, prompt: str, choices: Sequence[str]) -> str | None:
    """The choice in `answer` whose left side agrees longest with the end of `prompt`, or that `answer` begins with."""
    found = [
        (_common_end(answer[:start], prompt), len(choice), choice)
        for choice in choices
        for start in (match.start() for match in re.finditer(re.escape(choice), answer))
    ]
    placed = [entry for entry in found if entry[0] > 0 or answer.startswith(entry[2])]
    return max(placed)[2] if placed else None


def _common_end(left: str, right: str) -> int:
    length = 0
    for a, b in zip(reversed(left), reversed(right), strict=False):
        if a != b:
            break
        length += 1
    return length
