"""From a TOML file to a validated `Recipe`."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import Field, ValidationError, model_validator

from guardreasoner.errors import InputError
from guardreasoner.recipe.data import DataSection
from guardreasoner.recipe.teaching import SynthesizeSection, TeacherSection
from guardreasoner.recipe.training import (
    DPOSection,
    EnsembleSection,
    MineSection,
    ModelSection,
    PretrainSection,
    QuantizeSection,
    SFTSection,
    SoupSection,
    TokenizerSection,
)
from guardreasoner.types import Record


class EvaluateSection(Record):
    """How the trained guard is judged on the development split."""

    modes: tuple[Literal["reason", "fast"], ...] = ("reason", "fast")
    limit: int | None = Field(default=None, ge=1)
    max_reasoning_tokens: int | None = Field(default=None, ge=0)
    """None = the format's own."""


class Recipe(Record):
    """All of a run. Every section is optional; without `mine`, `dpo` or `soup` the stage of that name does nothing."""

    name: str
    output: Path
    data: DataSection = DataSection()
    tokenizer: TokenizerSection = TokenizerSection()
    model: ModelSection = ModelSection()
    pretrain: PretrainSection = PretrainSection()
    teacher: TeacherSection = TeacherSection()
    synthesize: SynthesizeSection = SynthesizeSection()
    sft: SFTSection = SFTSection()
    ensemble: EnsembleSection = EnsembleSection()
    mine: MineSection | None = None
    """None = no mining, and no HS-DPO."""
    dpo: DPOSection | None = None
    soup: SoupSection | None = None
    """None = the guard as its training leaves it."""
    quantize: QuantizeSection = QuantizeSection()
    evaluate: EvaluateSection = EvaluateSection()

    @model_validator(mode="after")
    def _other_guards(self) -> Recipe:
        taught = [self.sft, *(guard.taught(self.sft) for guard in (self.soup.guards if self.soup else ()))]
        for number, section in enumerate(taught):
            if section in taught[:number]:
                raise ValueError(
                    f"`soup.guards.{number - 1}` is taught as one before it or as `sft` says, expected another seed or "
                    "way; `soup.guards` = [] leaves the soup out"
                )
        return self


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read and validate; `overrides` are `section.key=value` with TOML values (a bare word is text).

    Raises InputError that names the file, the key, what was found and what is expected.
    """
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such recipe file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: not readable as TOML: {error}") from None
    for override in overrides:
        _apply(values, override)
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        at = f"{path.name}: `{place}`" if place else path.name
        if first["type"] == "value_error":  # a rule of our own, which says what it found
            raise InputError(f"{at}: {first['msg'].removeprefix('Value error, ')}") from None
        found = "" if first["type"] in ("missing", "extra_forbidden") else f": found {first['input']!r}"
        raise InputError(f"{at}{found}: {first['msg']}") from None


def _apply(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise InputError(f"--set {override}: expected section.key=value")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    place = values
    for part in parts[:-1]:
        inner: object = place.setdefault(part, {})
        if not isinstance(inner, dict):
            raise InputError(f"--set {override}: `{part}` is a value, not a section")
        place = cast(dict[str, Any], inner)
    place[parts[-1]] = value
