"""The one seam to models: prompts in, completions or log-probabilities of choices out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from guardreasoner.types import Completion, SamplingParams


class Engine(Protocol):
    """A model that continues text. Implementations: `chat`, `embedded`, `hf`, `remote`, `scripted`.

    Every method is safe to call with an empty sequence. A failure of the model or its server is an `EngineError`;
    a prompt that does not fit `context_length` is an `InputError` naming its index and token count.
    """

    @property
    def model(self) -> str:
        """The name that verdicts carry: a package version, a folder, a hub id or a server's model name."""
        ...

    @property
    def context_length(self) -> int | None:
        """Tokens a prompt and its completion may have together; None = unknown (a remote server knows)."""
        ...

    def count_tokens(self, text: str) -> int | None:
        """Tokens of `text` as `generate` would feed it; None = unknown."""
        ...

    def generate(self, prompts: Sequence[str], params: SamplingParams) -> list[list[Completion]]:
        """`params.n` completions per prompt, in order; prompts and completions are plain strings, markers included."""
        ...

    def choose(self, prompts: Sequence[str], choices: Sequence[str]) -> list[list[float]]:
        """Natural-log probability of each choice as the next text, shape [prompts][choices]; not renormalised.

        -inf for all choices of a prompt: nothing is known that tells them apart.
        """
        ...
