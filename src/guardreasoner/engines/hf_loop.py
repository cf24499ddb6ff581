"""What looks into transformers' decode loop: which rows have met a stop string, and each token's log-probability."""

from __future__ import annotations

from typing import Any

from guardreasoner.engines.hf_rows import Decode
from guardreasoner.types import SamplingParams

Tensor = Any  # torch.Tensor, which is imported by the engine alone


class DecodeLoop:
    """`watch` is a logits processor, `stop` a stopping criterion; `start` is the width of the padded prompts."""

    def __init__(self, torch: Any, decode: Decode, start: int, params: SamplingParams) -> None:
        self._torch, self._decode, self._start, self._stop = torch, decode, start, params.stop
        # A token holds at least one byte, so that a stop string that ends now began within this many tokens.
        self._window = max((len(word.encode()) for word in params.stop), default=0) + 1
        self._logprobs: Tensor | None = None
        self._noted: list[list[float]] = []
        self._ended: set[int] = set()

    def watch(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        self._logprobs = scores.float().log_softmax(-1)
        return scores

    def stop(self, input_ids: Tensor, scores: object, **_: object) -> Tensor:
        if self._logprobs is not None:
            self._noted.append(self._logprobs.gather(-1, input_ids[:, -1:]).squeeze(-1).tolist())
        recent: list[list[int]] = input_ids[:, max(self._start, input_ids.shape[1] - self._window) :].tolist()
        for row, tokens in enumerate(recent if self._stop else ()):
            if row not in self._ended:
                text = self._decode(tokens)
                self._ended |= {row} if any(word in text for word in self._stop) else set()
        ended = [row in self._ended for row in range(input_ids.shape[0])]
        return self._torch.tensor(ended, device=input_ids.device)

    def rows(self, count: int) -> list[list[float]]:
        """The log-probabilities by row instead of by step."""
        return [[step[row] for step in self._noted] for row in range(count)]
