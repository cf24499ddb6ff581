"""From the rows of a file to a file of verdicts; what is finished is kept in a journal that survives kill -9."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from guardreasoner.cli.rows import Row
from guardreasoner.data.tables import suffix, write_rows
from guardreasoner.errors import InputError
from guardreasoner.guard import Guard
from guardreasoner.jsonl import Journal, Json
from guardreasoner.types import Malformed, Mode, Task, Verdict

BATCH = 32  # rows judged and put on disk together: what a kill can cost
LABELS = tuple(task.value for task in Task)
SCORES = tuple(f"{label}_score" for label in LABELS)
VERDICT_COLUMNS: dict[str, type] = {
    **dict.fromkeys(LABELS, str),
    **dict.fromkeys(SCORES, float),
    "reasoning": str,
    "flagged": bool,
    "model": str,
    "mode": str,
    "error": str,
}

Progress = Callable[[int], None]


@dataclass
class Summary:
    """How many rows there were, and what became of them. `unjudged`: the lines of those without a verdict."""

    flagged: int = 0
    unflagged: int = 0
    unjudged: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])

    @property
    def rows(self) -> int:
        return self.flagged + self.unflagged + len(self.unjudged)

    @property
    def status(self) -> int:
        """Exit status: 2 some row could not be judged, 1 some row is flagged, 0 neither."""
        return 2 if self.unjudged else 1 if self.flagged else 0

    def count(self, line: int, row: Json) -> None:
        if row["error"] is not None:
            self.unjudged.append((line, row["error"]))
        elif row["flagged"]:
            self.flagged += 1
        else:
            self.unflagged += 1

    def __str__(self) -> str:
        text = f"{self.rows:,} rows: {self.flagged:,} flagged, {self.unflagged:,} not flagged"
        if not self.unjudged:
            return text
        lines = ", ".join(str(line) for line, _ in self.unjudged[:10])
        more = ", ..." if len(self.unjudged) > 10 else ""
        plural = "lines" if len(self.unjudged) > 1 else "line"
        return f"{text}, {len(self.unjudged):,} could not be judged ({plural} {lines}{more})"


def check_rows(
    guard: Guard,
    rows: Iterable[Row],
    output: Path,
    *,
    id_column: str | None = None,
    mode: Mode | None = None,
    batch: int = BATCH,
    progress: Progress = lambda _: None,
) -> Summary:
    """Judge every row and write the verdicts to `output`, in order.

    Finished rows stand in `OUTPUT.partial` until all are done; running it again goes on from there.

    Raises:
        InputError: the journal belongs to other rows or another model, or `output` cannot be written.
        EngineError: the model failed; the rows finished so far are kept.
    """
    mode = mode or guard.mode
    names = _names(output, id_column)
    summary = Summary()
    with Journal(output.with_name(output.name + ".partial")) as journal:
        remaining = iter(rows)
        settings = _settings(guard, mode, id_column)
        begun = _resume(journal, settings, remaining, summary)
        progress(summary.rows)
        if not begun:
            journal.append([settings])
        while chunk := list(islice(remaining, batch)):
            judged = _judge(guard, chunk, mode)
            journal.append({"hash": _hash(row), "line": row.line, "id": row.id, **verdict} for row, verdict in judged)
            for row, verdict in judged:
                summary.count(row.line, verdict)
            progress(len(chunk))
        id_type = _id_type(entry["id"] for entry in _entries(journal))
        types = [*([] if id_column is None else [id_type]), int, *VERDICT_COLUMNS.values()]
        finished = (_output_row(entry, id_column, id_type, output) for entry in _entries(journal))
        write_rows(output, finished, names, types)
    journal.path.unlink(missing_ok=True)
    return summary


def _names(output: Path, id_column: str | None) -> list[str]:
    """The columns of the output; its folder and the kind of file are checked before anything is judged."""
    suffix(output)
    if output.is_dir():
        raise InputError(f"cannot write {output}: it is a folder")
    own = ["line", *VERDICT_COLUMNS]
    if id_column in own:
        raise InputError(f"the id column cannot be {id_column!r}: the output has a column of that name")
    return own if id_column is None else [id_column, *own]


def _settings(guard: Guard, mode: Mode, id_column: str | None) -> Json:
    """What must not change between the beginning of a file and its end."""
    return {
        "model": guard.model,
        "weights": guard.weights,
        "mode": mode,
        "format": guard.format.name,
        "max_reasoning_tokens": guard.max_reasoning_tokens if mode == "reason" else None,
        "thresholds": {task.value: threshold for task, threshold in guard.thresholds.items()},
        "id_column": id_column,
    }


def _resume(journal: Journal, settings: Json, rows: Iterator[Row], summary: Summary) -> bool:
    """Pass over the rows that the journal holds, comparing each; True if there was a journal."""
    entries = journal.read()
    begun = next(entries, None)
    if begun is None:
        return False
    for name, now in settings.items():
        if begun.get(name) != now:
            raise _refusal(journal, f"with {name} {json.dumps(begun.get(name))}, now it is {json.dumps(now)}")
    for entry in entries:
        row = next(rows, None)
        if row is None:
            raise _refusal(journal, f"with more rows: line {entry['line']} is gone")
        if (row.line, _hash(row)) != (entry["line"], entry["hash"]):
            raise _refusal(journal, f"with other rows: line {row.line} was not the same")
        summary.count(row.line, entry)
    return True


def _refusal(journal: Journal, difference: str) -> InputError:
    return InputError(f"{journal.path} was begun {difference}; delete it to begin again, or go on as it was begun")


def _entries(journal: Journal) -> Iterator[Json]:
    """The finished rows, in the order of the input: the journal was written in it."""
    return islice(journal.read(), 1, None)


def _judge(guard: Guard, rows: Sequence[Row], mode: Mode) -> list[tuple[Row, Json]]:
    read = iter(guard.check_each([row.exchange for row in rows if row.exchange is not None], mode=mode))
    return [(row, _verdict_row(row.error or "unreadable" if row.exchange is None else next(read))) for row in rows]


def _verdict_row(read: Verdict | Malformed | str) -> Json:
    """One flat record; without a verdict every column but `error` is None."""
    if not isinstance(read, Verdict):
        error = read if isinstance(read, str) else f"unreadable answer: {read.reason}"
        return {**dict.fromkeys(VERDICT_COLUMNS), "error": error}
    scores = {} if read.scores is None else read.scores.model_dump()
    return {
        **read.labels.model_dump(),
        **{f"{label}_score": scores.get(label) for label in LABELS},
        "reasoning": read.reasoning,
        "flagged": read.flagged,
        "model": read.model,
        "mode": read.mode,
        "error": None,
    }


def _output_row(entry: Json, id_column: str | None, id_type: type, output: Path) -> Json:
    row = {name: entry[name] for name in ("line", *VERDICT_COLUMNS)}
    if id_column is None:
        return row
    id = entry["id"]
    if output.suffix.lower() == ".parquet" and id is not None and id_type is str and not isinstance(id, str):
        id = json.dumps(id)  # a column of one type: what is not text is written as JSON writes it
    return {id_column: id, **row}


def _id_type(ids: Iterable[Any]) -> type:
    """The type `int` if all ids are such as a Parquet integer holds, else `str`."""
    whole = all(id is None or (type(id) is int and -(2**63) <= id < 2**63) for id in ids)
    return int if whole else str


def _hash(row: Row) -> str:
    asked = None if row.exchange is None else [row.exchange.prompt, row.exchange.response]
    return hashlib.sha256(json.dumps([row.id, asked, row.error], default=str).encode()).hexdigest()[:32]
