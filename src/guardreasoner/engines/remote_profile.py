"""From /v1/models to what the server understands; fields it does not know it drops in silence, or refuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError

from guardreasoner.errors import EngineError


@dataclass(frozen=True)
class Dialect:
    """What one family of servers takes beyond the portable fields.

    `top` is how many log-probabilities one answer lists. `fields` go with every request. `grammar`: the one token that
    `choose` samples can be held to the choices by a GBNF grammar.
    """

    top: int
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    grammar: bool = False


PORTABLE = Dialect(top=5)  # OpenAI's limit; a field beyond the portable ones would be refused by some
DIALECTS = {  # by `owned_by`
    # Both leave special tokens out of the text unless told not to, and a format's markers are special tokens.
    "vllm": Dialect(top=20, fields={"skip_special_tokens": False, "spaces_between_special_tokens": False}),
    "sglang": Dialect(top=20, fields={"skip_special_tokens": False}),
    # llama.cpp lists no log-probabilities for a token that is half a character, so it is held to the choices. They
    # are those of the model all the same: taken before the grammar.
    "llamacpp": Dialect(top=100, grammar=True),
}


@dataclass(frozen=True)
class Served:
    """A model on a server, as /v1/models describes it."""

    model: str
    context_length: int | None
    dialect: Dialect


class _Meta(BaseModel):
    n_ctx: int | None = None


class _Entry(BaseModel):
    id: str
    owned_by: str | None = None
    max_model_len: int | None = None  # vLLM, SGLang
    meta: _Meta | None = None  # llama.cpp


class _Models(BaseModel):
    data: list[_Entry]


def read_models(answer: object, model: str | None, place: str) -> Served:
    """The entry of `model`, or the first one. A given model that is not listed may still be served, in plain words."""
    try:
        entries = _Models.model_validate(answer).data
    except ValidationError as error:
        entries = []
        if model is None:
            raise EngineError(
                f"{place}: /v1/models gave no list of models, expected one or the model's name"
            ) from error
    entry = next((entry for entry in entries if model in (None, entry.id)), None)
    if entry is None:
        if model is None:
            raise EngineError(f"{place}: /v1/models lists no model, expected at least one or the model's name")
        return Served(model, None, PORTABLE)
    context = entry.max_model_len or (entry.meta.n_ctx if entry.meta else None)
    return Served(entry.id, context, DIALECTS.get(entry.owned_by or "", PORTABLE))


def grammar(choices: list[str]) -> str:
    """GBNF: one of `choices` and nothing else."""
    quoted = ('"' + choice.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"' for choice in choices)
    return "root ::= " + " | ".join(quoted)
