"""What can go wrong, each error one sentence that says place, found and expected.

GuardReasonerError
├── InputError (ValueError)          what was handed in cannot be used: text, file, column, recipe, option
├── MissingExtra (ImportError)       an optional dependency is not installed; the sentence says the cure
├── Stopped (RuntimeError)           the user or a limit ended the work early; what is done is kept
├── EngineError (RuntimeError)       the model or its server failed; nothing was judged
│   └── NoProbabilities              this model or server gives no log-probabilities, so `choose` cannot work with it
└── MalformedAnswer (RuntimeError)   the model answered, but no verdict can be read; `.malformed` holds the text

Whoever adds one: inherit GuardReasonerError and the standard error it refines, and draw it above.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from guardreasoner.types import Malformed


class GuardReasonerError(Exception):
    """Root of every error this package raises on purpose."""


class InputError(GuardReasonerError, ValueError):
    """What was handed in cannot be used."""


class MissingExtra(GuardReasonerError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs `pip install 'guardreasoner[{extra}]'`")


class Stopped(GuardReasonerError, RuntimeError):
    """The user, or a limit that the user set, ended the work early; it goes on when it is run again."""


class EngineError(GuardReasonerError, RuntimeError):
    """The model or its server failed; nothing was judged."""


class NoProbabilities(EngineError):
    """The model or its server gives no log-probabilities, now or later; the guard then reads written answers."""


class MalformedAnswer(GuardReasonerError, RuntimeError):
    """The model answered, but no verdict can be read from it."""

    def __init__(self, malformed: Malformed) -> None:
        super().__init__(f"no verdict could be read from the model's answer: {malformed.reason}")
        self.malformed = malformed
