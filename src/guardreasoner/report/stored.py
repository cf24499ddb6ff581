"""From a folder that `guardreasoner evaluate` wrote to its rows, one file after the other; nothing is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from guardreasoner.errors import InputError
from guardreasoner.report.judged import Judged
from guardreasoner.report.kept import (
    Line,
    in_question,
    judged_tasks,
    labelled_tasks,
    lines_of,
    read_asked,
    read_judged,
    read_settings,
    settings_path,
)
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
    """Those that were asked, with gold labels for the tasks that the guard judges."""
    lines: tuple[Line, ...] = ()
    """What was asked of the file; none in folders from before it was kept."""

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks that any row is annotated for."""
        return labelled_tasks(self.rows)


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
    every = [
        _read(path, mode, texts or {})
        for mode in MODES
        for path in sorted(inside.glob(f"*.{mode}.jsonl"), key=lambda path: _place(path, order or {}))
        if path.stat().st_size
    ]
    found = [each for each in every if each.rows]
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
    settings = read_settings(path)
    if settings is None:
        raise InputError(f"{settings_path(path)}: not there, expected what the predictions beside it were made with")
    asked = read_asked(path)
    rows = [_with_text(row, texts) for row in in_question(read_judged(path), judged_tasks(settings, path), asked)]
    budget = settings.get("max_reasoning_tokens")
    return Stored(
        stem=path.name.removesuffix(f".{mode}.jsonl"),
        mode=mode,
        model=str(settings.get("model", "?")),
        budget=budget if isinstance(budget, int) else None,
        rows=tuple(rows),
        lines=lines_of(asked, rows),
    )


def _with_text(row: Judged, texts: Mapping[tuple[str, str], Exchange]) -> Judged:
    text = texts.get((row.source, row.id))
    known = row.exchange is not None or text is None or text.digest != row.digest
    return row if known else row.model_copy(update={"exchange": text})
