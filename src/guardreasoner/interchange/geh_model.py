"""From samples of guard-eval-harness to a guard's scores; the harness finds the adapter by its entry point."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from guardreasoner.errors import MissingExtra
from guardreasoner.guard import Guard
from guardreasoner.interchange.geh import exchange_of, unsafe
from guardreasoner.spreading import fit
from guardreasoner.types import Exchange, Malformed, Verdict

try:
    _base: Any = import_module("guard_eval_harness.models.base")
    _schemas: Any = import_module("guard_eval_harness.schemas")
except ImportError:
    raise MissingExtra("the adapter for guard-eval-harness", "interchange") from None


class GuardAdapter(_base.ModelAdapter):
    """`args` may name `model` and `mode`, as `Guard` takes them."""

    def __init__(self, config: Any) -> None:
        # the class comes from an untyped import
        super().__init__(config)  # pyright: ignore[reportUnknownMemberType]
        self.guard = Guard(config.args.get("model"), mode=config.args.get("mode", "reason"))

    @property
    def capabilities(self) -> Any:
        return _schemas.AdapterCapabilities(
            adapter_name="guardreasoner",
            probability_scores=True,
            batching=True,
            concurrency=False,
            cost_estimation=False,
            token_accounting=False,
            notes=("what gets no readable answer is reported as unsafe",),
        )

    def predict_batch(self, samples: Sequence[Any], *, threshold: float) -> list[Any]:
        exchanges = [
            exchange_of([(message.role, message.text_content) for message in sample.messages]) for sample in samples
        ]
        fitted = [fit(self.guard, exchange, self.guard.mode) for exchange in exchanges]
        return [
            self._prediction(sample.id, exchange, read, threshold)
            for sample, exchange, read in zip(samples, exchanges, self.guard.check_each(fitted), strict=True)
        ]

    def _prediction(self, id: str, exchange: Exchange, read: Verdict | Malformed | str, threshold: float) -> Any:
        score, usage = unsafe(read, exchange), None if isinstance(read, str) else read.usage
        return _schemas.NormalizedPrediction(
            sample_id=id,
            unsafe_score=score,
            unsafe_label=score >= threshold,
            threshold=threshold,
            latency_ms=1000 * (usage.seconds or 0.0) if usage else 0.0,
            metadata={} if isinstance(read, Verdict) else {"problem": read if isinstance(read, str) else read.reason},
        )
