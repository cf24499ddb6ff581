"""GuardReasoner: a guard for LLM applications that reasons before it judges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guardreasoner.types import Exchange, Labels, Malformed, Sample, SamplingParams, Scores, Task, Verdict

if TYPE_CHECKING:
    from guardreasoner.guard import Guard

__version__ = "0.1.0"
__all__ = [
    "Exchange",
    "Guard",
    "Labels",
    "Malformed",
    "Sample",
    "SamplingParams",
    "Scores",
    "Task",
    "Verdict",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name == "Guard":  # the engines' seam comes with it; who only wants the nouns does not wait for it
        from guardreasoner.guard import Guard

        return Guard
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
