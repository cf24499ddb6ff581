"""From a folder that `guardreasoner evaluate` wrote to its rows, one file after the other; nothing is judged."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from guardreasoner.errors import InputError
from guardreasoner.jsonl import read_objects
from guardreasoner.report.judged import Judged, digest
from guardreasoner.types import Exchange, Mode, Task

MODES: tuple[Mode, ...] = ("reason", "fast")


@dataclass(frozen=True)
class Stored:
    """One file of predictions. `stem` names what was judged; `budget`: the tokens that reasoning was allowed."""

    stem: str
    mode: Mode
    model: str
    budget: int | None
    rows: tuple[Judged, ...]

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks that any row is annotated for."""
        return tuple(task for task in Task if any(row.gold.get(task) is not None for row in self.rows))


def read_stored(
    folder: Path,
    order: Mapping[str, int] | None = None,
    texts: Mapping[tuple[str, str], Exchange] | None = None,
) -> list[Stored]:
    """Every `STEM.MODE.jsonl` in `folder` or in its `predictions`, all of one model.

    Args:
        folder: what `guardreasoner evaluate` wrote, or the `evaluate` folder of a run.
        order: place of a stem; the others follow.
        texts: by source and id, for rows that were kept without; taken where the digest says that it is the same text.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder, expected one that `guardreasoner evaluate` wrote")
    inside = folder / "predictions" if (folder / "predictions").is_dir() else folder
    found = [
        _read(path, mode, texts or {})
        for mode in MODES
        for path in sorted(inside.glob(f"*.{mode}.jsonl"), key=lambda path: _place(path, order or {}))
        if path.stat().st_size
    ]
    if not found:
        raise InputError(f"{inside}: no predictions, expected files like SET.reason.jsonl")
    models = sorted({each.model for each in found})
    if len(models) > 1:
        raise InputError(f"{inside}: predictions of {len(models)} models, {', '.join(models)}, expected one")
    return found


def _place(path: Path, order: Mapping[str, int]) -> tuple[int, str]:
    stem = path.name.split(".")[0]
    return order.get(stem, len(order)), stem


def _read(path: Path, mode: Mode, texts: Mapping[tuple[str, str], Exchange]) -> Stored:
    settings = _settings(path.with_suffix(".settings.json"))
    rows: list[Judged] = []
    for number, value in enumerate(read_objects(path), 1):
        try:
            rows.append(_with_text(Judged.model_validate({"labels": None, **value}), texts))
        except ValidationError as error:
            place, what = ".".join(map(str, error.errors()[0]["loc"])), error.errors()[0]["msg"]
            raise InputError(f"{path}, row {number}: no prediction: {place}: {what}") from None
    budget = settings.get("max_reasoning_tokens")
    stem = path.name.removesuffix(f".{mode}.jsonl")
    return Stored(stem, mode, str(settings.get("model", "?")), budget if isinstance(budget, int) else None, tuple(rows))


def _with_text(row: Judged, texts: Mapping[tuple[str, str], Exchange]) -> Judged:
    text = texts.get((row.source, row.id))
    known = row.exchange is not None or text is None or digest(text) != row.digest
    return row if known else row.model_copy(update={"exchange": text})


def _settings(path: Path) -> dict[str, Any]:
    try:
        found: object = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: not there, expected what the predictions beside it were made with") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable JSON: {error}") from None
    if not isinstance(found, dict):
        raise InputError(f"{path}: expected an object, found {type(found).__name__}")
    return cast("dict[str, Any]", found)
