"""Files and batches of the test teacher: what is uploaded, what became of it."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

from teacher_answers import fault, question, reply


@dataclass
class Store:
    """All that was uploaded and submitted. `submitted`: how often each question was, in any batch."""

    plan: dict[str, Any]
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    submitted: dict[str, int] = field(default_factory=dict)

    def upload(self, body: bytes, content_type: str) -> dict[str, Any]:
        parts = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
        part = next(part for part in parts.iter_parts() if part.get_filename())
        return self._keep(part.get_filename() or "", part.get_payload(decode=True))

    def list_files(self) -> dict[str, Any]:
        return {"object": "list", "data": [self._file(key) for key in self.files], "has_more": False}

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        number = len(self.batches) + 1
        name = f"batch_{number}"
        lines = [json.loads(line) for line in self.files[body["input_file_id"]][1].splitlines()]
        failed = number <= self.plan["batch_fails"]
        if not failed:
            for line in lines:
                key = question(line["body"])
                self.submitted[key] = self.submitted.get(key, 0) + 1
        self.batches[name] = {
            "id": name,
            "object": "batch",
            "endpoint": body["endpoint"],
            "input_file_id": body["input_file_id"],
            "completion_window": body["completion_window"],
            "metadata": body.get("metadata"),
            "created_at": int(time.time()),
            "status": "failed" if failed else "in_progress",
            "errors": {"object": "list", "data": [{"code": "invalid", "message": "no good file"}]} if failed else None,
            "output_file_id": None,
            "error_file_id": None,
            "request_counts": {"total": len(lines), "completed": 0, "failed": 0},
        }
        self._through = getattr(self, "_through", {}) | {name: time.monotonic() + self.plan["batch_seconds"]}
        return self.batches[name]

    def retrieve(self, name: str) -> dict[str, Any]:
        batch = self.batches[name]
        if batch["status"] == "in_progress" and time.monotonic() >= self._through[name]:
            self._finish(batch)
        return batch

    def list_batches(self) -> dict[str, Any]:
        newest_first = list(reversed(self.batches.values()))
        return {"object": "list", "data": newest_first, "has_more": False}

    def _finish(self, batch: dict[str, Any]) -> None:
        good: list[dict[str, Any]] = []
        bad: list[dict[str, Any]] = []
        late = False
        for line in map(json.loads, self.files[batch["input_file_id"]][1].splitlines()):
            key, name = question(line["body"]), line["custom_id"]
            drawn = int(hashlib.sha256(f"late {batch['id']} {key}".encode()).hexdigest()[:8], 16) / 16**8
            if drawn < self.plan["batch_expires"]:
                late = True
                error = {"code": "batch_expired", "message": "This request could not be executed in time."}
                bad.append({"id": "r", "custom_id": name, "response": None, "error": error})
                continue
            status, body, _ = reply(self.plan, line["body"], fault(self.plan, key, 0))
            row = {"status_code": status, "request_id": "r", "body": body}
            (good if status == 200 else bad).append({"id": "r", "custom_id": name, "response": row, "error": None})
        batch["status"] = "expired" if late else "completed"
        for kind, rows in (("output_file_id", list(reversed(good))), ("error_file_id", bad)):
            if rows:
                text = "".join(json.dumps(row) + "\n" for row in rows)
                batch[kind] = self._keep(f"{batch['id']}.{kind}", text.encode())["id"]

    def _keep(self, filename: str, content: bytes) -> dict[str, Any]:
        key = f"file-{len(self.files) + 1}"
        self.files[key] = (filename, content)
        return self._file(key)

    def _file(self, key: str) -> dict[str, Any]:
        name, content = self.files[key]
        return {
            "id": key,
            "object": "file",
            "bytes": len(content),
            "created_at": 0,
            "filename": name,
            "purpose": "batch",
            "status": "processed",
        }
