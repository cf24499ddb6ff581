"""The run folder: where each stage reads and writes, and what it leaves for whoever asks how a file came about."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

from guardreasoner.errors import InputError
from guardreasoner.jsonl import reason
from guardreasoner.processes import is_first
from guardreasoner.recipe import Recipe

_PACKAGES = ("guardreasoner", "torch", "transformers", "tokenizers", "onnx", "onnxruntime", "numpy")
_FREE = {"output", "evaluate", "synthesize.keep", "synthesize.benchmarks", "mine.models", "mine.concurrency"} | {
    f"teacher.{key}"  # how the teacher is reached and paid, not what it is asked
    for key in (
        *("base_url", "api_key_env", "concurrency", "timeout", "attempts"),
        *("price_prompt", "price_completion", "batch_requests", "batch_bytes"),
    )
}
_MADE = (  # one after another
    *("sft", "ensemble", "rollouts", "pairs.jsonl", "dpo"),
    *("soup", "soup/model", "quantize", "evaluate"),
)
_FIRST = {
    "sft": "sft",
    "ensemble": "ensemble",
    "mine": "rollouts",
    "dpo": "dpo",
    "soup": "soup",
    "soup.shares": "soup/model",
} | dict.fromkeys(("mine.decides", "mine.pair", "mine.merge", "mine.positive_share", "mine.gamma"), "pairs.jsonl")
# may change as long as none of these is in the folder: nothing was made of it, nor would pass for the next guard's
_UNTIL = {key: _MADE[_MADE.index(first) :] for key, first in _FIRST.items()}
R = TypeVar("R", bound=BaseModel)


@dataclass(frozen=True)
class RunFolder:
    """One run on disk. A stage is done when its last file is there; files appear whole or not at all."""

    root: Path

    @property
    def train(self) -> Path:
        return self.root / "samples.jsonl"

    @property
    def dev(self) -> Path:
        return self.root / "dev.jsonl"

    @property
    def answers(self) -> Path:
        return self.root / "answers.jsonl"

    @property
    def batches(self) -> Path:
        """Request files, and what came back for them."""
        return self.root / "batches"

    @property
    def rejected(self) -> Path:
        return self.root / "rejected.jsonl"

    @property
    def reasoning(self) -> Path:
        return self.root / "reasoning.jsonl"

    @property
    def tokenizer(self) -> Path:
        return self.root / "tokenizer"

    @property
    def pretrain(self) -> Path:
        return self.root / "pretrain"

    @property
    def sft(self) -> Path:
        return self.root / "sft"

    @property
    def ensemble(self) -> Path:
        """A folder per member, laid out like `sft`."""
        return self.root / "ensemble"

    @property
    def rollouts(self) -> Path:
        """A journal of `Rollout` per model."""
        return self.root / "rollouts"

    @property
    def pairs(self) -> Path:
        return self.root / "pairs.jsonl"

    @property
    def dpo(self) -> Path:
        return self.root / "dpo"

    @property
    def soup(self) -> Path:
        """`model`: the average; a folder per guard that it is made with, laid out like `sft`."""
        return self.root / "soup"

    def reasoning_guard(self, recipe: Recipe) -> Path:
        """The checkpoint after R-SFT or, where the recipe has it, HS-DPO."""
        return (self.sft if recipe.dpo is None else self.dpo) / "model"

    def trained(self, recipe: Recipe) -> Path:
        """The checkpoint of the last training stage that the recipe has."""
        return self.reasoning_guard(recipe) if recipe.soup is None else self.soup / "model"

    @property
    def quantized(self) -> Path:
        return self.root / "quantize"

    @property
    def evaluate(self) -> Path:
        return self.root / "evaluate"

    def open(self, recipe: Recipe) -> None:
        """Make the folder, or check that it belongs to this recipe; keep the recipe and the package versions in it."""
        self.root.mkdir(parents=True, exist_ok=True)
        path = self.root / "recipe.json"
        text = recipe.model_dump_json(indent=2) + "\n"
        now: object = json.loads(text)
        # until a stage has written something, a recipe may be corrected in place
        begun = any(each.name not in (path.name, "versions.json") for each in self.root.iterdir())
        kept = _filled(path.read_text(encoding="utf-8")) if begun and path.is_file() else now
        unused = {key for key, names in _UNTIL.items() if not any((self.root / name).exists() for name in names)}
        if different := _difference(kept, now, _FREE | unused):
            raise InputError(
                f"{self.root} holds a run of another recipe: `{different}` differs; "
                "choose another `output` or remove the folder"
            )
        write_whole(path, text)
        versions = {name: version for name in _PACKAGES if (version := _version(name))}
        write_whole(self.root / "versions.json", json.dumps(versions, indent=2) + "\n")

    def note(self, stage: str, figures: dict[str, Any]) -> None:
        """Keep a stage's figures beside its files."""
        write_whole(self.root / f"{stage}.json", json.dumps(figures, indent=2, default=str) + "\n")


def write_records(path: Path, records: Iterable[BaseModel]) -> int:
    """Write a JSONL file whole or not at all; the number of records. Of several processes the first writes."""
    count = 0
    partial = path.with_name(path.name + ".partial") if is_first() else Path(os.devnull)
    try:
        with partial.open("w", encoding="utf-8") as lines:
            for count, record in enumerate(records, 1):  # noqa: B007 - the last number is the count
                lines.write(record.model_dump_json() + "\n")
            lines.flush()
            if is_first():
                os.fsync(lines.fileno())
                partial.replace(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {reason(error)}") from error
    return count


def read_records(path: Path, kind: type[R]) -> Iterator[R]:
    """The records of a JSONL file; InputError names file and line."""
    try:
        lines = path.open(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: not there; run the stage before this one first") from None
    with lines:
        for number, line in enumerate(lines, 1):
            try:
                yield kind.model_validate_json(line)
            except ValidationError as error:
                raise InputError(f"{path} line {number}: not a {kind.__name__}: {error.errors()[0]['msg']}") from None


def write_whole(path: Path, text: str) -> None:
    """Replace a small file in one step. Of several processes the first does."""
    if not is_first():
        return
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {reason(error)}") from error


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _filled(text: str) -> object:
    """A kept recipe as this version writes it: keys that are newer than it have their defaults."""
    try:
        return Recipe.model_validate_json(text).model_dump(mode="json")
    except ValidationError:  # keys that are gone
        return json.loads(text)


def _difference(old: object, new: object, free: Set[str], place: str = "") -> str | None:
    """The first key at which two recipes differ. What is `free` may change: it spoils no file."""
    if isinstance(old, dict) and isinstance(new, dict):
        before, after = cast(dict[str, object], old), cast(dict[str, object], new)
        for key in sorted({*before, *after}):
            name = f"{place}.{key}".strip(".")
            if name not in free and (found := _difference(before.get(key), after.get(key), free, name)):
                return found
        return None
    return None if old == new else place
