"""Logits of one place in, the next token and its log-probability out; and when a row of tokens is at its end. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from guardreasoner.engines.templates import Writer
from guardreasoner.types import SamplingParams

Floats = npt.NDArray[np.float32]
Decode = Callable[[Sequence[int]], str]


def log_softmax(logits: Floats) -> npt.NDArray[np.float64]:
    """Of one row, in double precision, so that rounding adds nothing of its own."""
    shifted = logits.astype(np.float64) - float(logits.max())
    return shifted - np.log(np.exp(shifted).sum())


def pick(logits: Floats, params: SamplingParams, rng: np.random.Generator) -> int:
    """The likeliest token at temperature 0, else one of the fewest tokens whose probability reaches `top_p`."""
    if params.temperature <= 0:
        return int(logits.argmax())
    scaled = logits.astype(np.float64) / params.temperature
    probabilities = np.exp(scaled - scaled.max())
    order: npt.NDArray[np.int64] = np.argsort(-probabilities, kind="stable")
    reached: npt.NDArray[np.float64] = np.cumsum(probabilities[order] / probabilities.sum())
    kept = reached[: int(np.searchsorted(reached, params.top_p)) + 1]
    drawn = rng.random() * float(kept[-1])
    return int(order[min(int(np.searchsorted(kept, drawn, side="right")), len(kept) - 1)])


def generator(params: SamplingParams, prompt: Sequence[int], sample: int) -> np.random.Generator:
    """Depends on the seed, the prompt and the sample's number alone: batch-mates change nothing."""
    if params.seed is None:
        return np.random.default_rng()
    content = zlib.crc32(np.array(prompt, np.int64).tobytes())
    return np.random.default_rng([abs(params.seed), int(params.seed < 0), content, sample])


class Ending:
    """Tells when a row of sampled tokens may stop: at an end token or soon after a stop string.

    Stop strings that are one special token are seen by their id; for the others the last tokens are decoded.
    """

    def __init__(self, end_ids: frozenset[int], special: dict[str, int], stop: Sequence[str], decode: Decode) -> None:
        self._ids = end_ids | {special[word] for word in stop if word in special}
        self._words = [word for word in stop if word not in special]
        # a token holds at least one byte, so a stop string that ends now began within this many tokens
        self._window = max((len(word.encode()) for word in self._words), default=0) + 1
        self._decode = decode

    def reached(self, tokens: Sequence[int]) -> bool:
        if tokens[-1] in self._ids:
            return True
        if not self._words:
            return False
        text = self._decode(tokens[-self._window :])
        return any(word in text for word in self._words)


@dataclass
class Row:
    """One completion that is being written; `tokens` grows, the last one is still to be fed."""

    place: int
    sample: int
    prompt: Sequence[int]
    limit: int
    rng: np.random.Generator
    writer: Writer | None = None
    """None = any token may come next."""
    tokens: list[int] = field(default_factory=list[int])
    logprobs: list[float] = field(default_factory=list[float])

    def add(self, logits: Floats, params: SamplingParams) -> None:
        """Sample the next token."""
        if self.writer is None:
            token = pick(logits, params, self.rng)
        else:
            allowed = self.writer.allowed
            token = allowed[pick(logits[allowed], params, self.rng)]
            self.writer.write(token)
        self.tokens.append(token)
        if params.logprobs:
            self.logprobs.append(float(log_softmax(logits)[token]))

    @property
    def fed(self) -> int:
        """Positions whose keys and values are known."""
        return len(self.prompt) + len(self.tokens) - 1
