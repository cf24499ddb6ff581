"""From tokens to US dollars: what was paid, what a call may cost at worst, what a job will cost by estimate. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from guardreasoner.errors import InputError
from guardreasoner.recipe import TeacherSection
from guardreasoner.types import TeacherAnswer

CHARACTERS_PER_TOKEN = 4
"""A rule of thumb for English; no tokenizer is needed, and for most teachers none is public."""
EXPECTED_COMPLETION = 300
"""Tokens of an answer before any was seen: the paper's guards write about 260, the headings are left out there."""
BATCH_SHARE = 0.5
"""Of the price, for requests that come in a batch file."""
_OVERHEAD = 32  # tokens that a chat template adds to two messages, generously
_MILLION = 1_000_000


@dataclass(frozen=True)
class Cost:
    """Tokens paid for; those of batch files apart, for they cost half."""

    answers: int = 0
    prompt: int = 0
    completion: int = 0
    batched_prompt: int = 0
    batched_completion: int = 0

    @classmethod
    def of(cls, answer: TeacherAnswer) -> Self:
        prompt, completion = answer.prompt_tokens or 0, answer.completion_tokens or 0
        one = int(answer.outcome in ("answered", "cut"))
        return cls(one, 0, 0, prompt, completion) if answer.batched else cls(one, prompt, completion)

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.answers + other.answers,
            self.prompt + other.prompt,
            self.completion + other.completion,
            self.batched_prompt + other.batched_prompt,
            self.batched_completion + other.batched_completion,
        )

    def dollars(self, teacher: TeacherSection) -> float | None:
        """None where the recipe names no prices."""
        prompt = self.prompt + BATCH_SHARE * self.batched_prompt
        completion = self.completion + BATCH_SHARE * self.batched_completion
        return price(teacher, prompt, completion)

    @property
    def mean_completion(self) -> float:
        """Tokens of an answer, as far as answers were seen."""
        whole = self.completion + self.batched_completion
        return whole / self.answers if self.answers and whole else float(EXPECTED_COMPLETION)


def price(teacher: TeacherSection, prompt: float, completion: float) -> float | None:
    """US dollars of so many tokens."""
    if teacher.price_prompt is None or teacher.price_completion is None:
        return None
    return (prompt * teacher.price_prompt + completion * teacher.price_completion) / _MILLION


def estimated_tokens(characters: int) -> int:
    """By the rule of thumb."""
    return -(-characters // CHARACTERS_PER_TOKEN)


class Budget:
    """Holds what calls under way may cost at worst, so that the sum never passes `most` US dollars."""

    def __init__(self, teacher: TeacherSection, spent: Cost, most: float | None, share: float = 1.0) -> None:
        """`most` None: no limit. `share`: of the price, BATCH_SHARE for batch files."""
        if most is not None and (teacher.price_prompt is None or teacher.price_completion is None):
            raise InputError(
                "--max-cost needs prices: set `teacher.price_prompt` and `teacher.price_completion` in the recipe "
                "(US dollars per million tokens)"
            )
        self._teacher, self._most, self._share = teacher, most, share
        self.spent = spent.dollars(teacher)
        self._held, self._lost, self._calls = 0.0, 0.0, 0

    @property
    def idle(self) -> bool:
        """True if nothing is held."""
        return self._calls == 0

    def worst(self, prompt_bytes: int) -> float:
        """No tokenizer makes more tokens than there are bytes; an answer ends at `teacher.max_tokens`."""
        return (price(self._teacher, prompt_bytes + _OVERHEAD, self._teacher.max_tokens) or 0.0) * self._share

    def hold(self, worst: float, calls: int = 1, *, must: bool = False) -> bool:
        """True, and the sum is held, if there is room for it; `must`: it is under way already."""
        if not must and self._most is not None and self._bound + worst > self._most:
            return False
        self._held += worst
        self._calls += calls
        return True

    def settle(self, worst: float, paid: Cost, calls: int = 1) -> None:
        """The calls are through: what they cost takes the place of what they might have."""
        self._calls -= calls
        self._held = self._held - worst if self._calls else 0.0
        if self.spent is not None:
            self.spent += paid.dollars(self._teacher) or 0.0

    def lose(self, worst: float) -> None:
        """A call whose answer never came may have been paid for all the same."""
        self._lost += worst

    @property
    def _bound(self) -> float:
        return (self.spent or 0.0) + self._lost + self._held
