"""From lm-eval's requests to a guard's model.

lm-eval has no entry points, so this module starts it:

    python -m guardreasoner.interchange.lm_eval_model run --model guardreasoner --tasks TASK --include_path FOLDER

`--model_args` may name `model`, as `Guard` takes it; without it the embedded guard.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from guardreasoner.engines import Engine
from guardreasoner.errors import MissingExtra
from guardreasoner.guard import Guard
from guardreasoner.types import SamplingParams

try:
    _model: Any = import_module("lm_eval.api.model")
    _registry: Any = import_module("lm_eval.api.registry")
except ImportError:
    raise MissingExtra("the lm-eval model", "interchange") from None

BATCH = 32


@_registry.register_model("guardreasoner")
class GuardLM(_model.LM):
    """The model of a guard: text in, text or log-probabilities out."""

    def __init__(self, model: str | None = None, batch_size: int | str = BATCH, **_: Any) -> None:
        # the class comes from an untyped import
        super().__init__()  # pyright: ignore[reportUnknownMemberType]
        self.engine = Guard(model).engine
        self.batch_size = int(batch_size)

    def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        asked = [(str(request.args[0]), str(request.args[1])) for request in requests]
        # whether a text is also the greedy one is not known to the engine, and no task of ours asks
        return [(value, False) for value in likelihoods(self.engine, asked, self.batch_size)]

    def loglikelihood_rolling(self, requests: Sequence[Any]) -> list[float]:
        raise NotImplementedError("a guard is asked for answers, not for the likelihood of a whole text")

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        texts: list[str] = []
        for request in requests:
            context, given = request.args
            params = SamplingParams(max_tokens=given.get("max_gen_toks", 512), stop=tuple(given.get("until") or ()))
            texts += [completion.text for completion in self.engine.generate([context], params)[0]]
        return texts


def likelihoods(engine: Engine, asked: Sequence[tuple[str, str]], batch_size: int = BATCH) -> list[float]:
    """The log-probability of each continuation after its context; contexts with the same choices run together."""
    choices: dict[str, dict[str, None]] = defaultdict(dict)
    for context, continuation in asked:
        choices[context][continuation] = None
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for context, continuations in choices.items():
        groups[tuple(continuations)].append(context)
    found: dict[tuple[str, str], float] = {}
    for continuations, contexts in groups.items():
        for start in range(0, len(contexts), batch_size):
            batch = contexts[start : start + batch_size]
            for context, values in zip(batch, engine.choose(batch, continuations), strict=True):
                found |= {(context, each): value for each, value in zip(continuations, values, strict=True)}
    return [found[pair] for pair in asked]


if __name__ == "__main__":
    import_module("lm_eval.__main__").cli_evaluate()
