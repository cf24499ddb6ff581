"""From the files that a batch brought back to one answer per request, those without a line included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from guardreasoner.jsonl import Json, read_lines
from guardreasoner.teachers.batch_jobs import Row
from guardreasoner.teachers.cost import estimated_tokens
from guardreasoner.teachers.replies import Heard, Refusal, Reply, Setback, read_completion, read_error
from guardreasoner.types import TeacherAnswer


def read_results(files: list[Path], rows: Mapping[str, Row], status: str) -> Iterator[tuple[TeacherAnswer, Heard]]:
    """Every row of the batch once. A line that cannot be read, or that nobody asked for, is no answer to anything."""
    left = dict(rows)
    for path in files:
        for line in read_lines(path):
            row = left.pop(str((line.value or {}).get("custom_id")), None)
            if row is not None:
                heard = _heard(line.value or {})
                yield _answer(row, heard), heard
    for row in left.values():
        heard = Setback(f"the batch is {status} and holds no answer to this")
        yield _answer(row, heard), heard


def _heard(line: Json) -> Heard:
    response: object = line.get("response")
    if not isinstance(response, dict):
        error = cast(object, line.get("error"))
        message: object = cast(dict[str, Any], error).get("message") if isinstance(error, dict) else None
        return Setback(str(message or "no response"))
    found = cast(dict[str, Any], response)
    status, body = found.get("status_code"), cast(object, found.get("body"))
    return read_completion(body) if status == 200 else read_error(status if isinstance(status, int) else 500, body, {})


def _answer(row: Row, heard: Heard) -> TeacherAnswer:
    fields: dict[str, Any] = {"id": row.id, "source": row.source, "digest": row.digest, "batched": True}
    match heard:
        case Reply():
            withheld = heard.outcome == "filtered" and heard.prompt_tokens is None
            prompt = row.prompt_tokens if heard.prompt_tokens is None and not withheld else heard.prompt_tokens
            completion = heard.completion_tokens
            fields |= {
                "outcome": heard.outcome,
                "text": heard.text,
                "detail": heard.detail,
                "prompt_tokens": prompt,
                "completion_tokens": estimated_tokens(len(heard.text)) or None if completion is None else completion,
            }
        case Setback():
            fields |= {"outcome": "failed", "detail": heard.reason}
            fields |= {
                "prompt_tokens": heard.prompt_tokens or None,
                "completion_tokens": heard.completion_tokens or None,
            }
        case Refusal():
            fields |= {"outcome": "failed", "detail": heard.reason}
    return TeacherAnswer.model_validate(fields)
