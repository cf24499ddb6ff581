"""A chat server process that answers as planned: `python teacher_server.py [--plan JSON] [--log FILE] ADDRESS_FILE`.

`/v1/chat/completions`, `/v1/models`, files and batches as OpenAI has them. The plan is that of teacher_answers.PLAN;
`POST /setup` gives another one and forgets what was asked, `GET /seen` tells what was. The log has a line when a
request has come in and one when its answer is out, each written at once. Plain asyncio without a framework: it must
not be what a measurement measures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

from teacher_answers import PLAN, fault, question, reply
from teacher_batches import Store

HANG_UP, HALF = "drop", "half"


class Teacher:
    """What the connections share."""

    def __init__(self, plan: dict[str, Any], log: Path | None) -> None:
        self._log = log.open("ab", buffering=0) if log else None
        self.setup(plan)

    def setup(self, plan: dict[str, Any]) -> None:
        self.plan = PLAN | plan
        self.store = Store(self.plan)
        self.times: dict[str, int] = {}
        self.active = self.most_active = self.connections = 0
        self.script = list(self.plan["script"])
        self.drops = list(self.plan["batch_drops"])
        self.seen: list[dict[str, Any]] = []
        self._random = random.Random(self.plan["seed"])

    async def answer(self, method: str, path: str, head: dict[str, str], raw: bytes) -> tuple[int, Any, dict[str, str]]:
        """(status, body, headers); body HANG_UP: the connection breaks."""
        path, _, _ = path.partition("?")
        parts = path.strip("/").split("/")
        if path == "/setup":
            self.setup(json.loads(raw))
            return 200, {}, {}
        if path == "/seen":
            calls = {"requests": self.seen, "most_active": self.most_active, "times": self.times}
            return 200, calls | {"submitted": self.store.submitted, "files": len(self.store.files)}, {}
        if self.plan["key"] is not None and head.get("authorization") != f"Bearer {self.plan['key']}":
            said = f"Incorrect API key provided: {head.get('authorization', '').removeprefix('Bearer ')}"
            return 401, {"error": {"message": said, "code": "invalid_api_key"}}, {}
        if parts[1:] == ["chat", "completions"]:
            return await self._chat(json.loads(raw), head)
        if parts[1:] == ["models"]:
            return 200, {"object": "list", "data": [{"id": "teacher", "object": "model"}]}, {}
        return await self._batch(method, parts[1:], head, raw)

    async def _batch(self, method: str, parts: list[str], head: dict[str, str], raw: bytes) -> tuple[int, Any, dict]:
        match method, parts:
            case "POST", ["files"]:
                return self._unless_dropped("upload", self.store.upload(raw, head["content-type"]))
            case "GET", ["files"]:
                return 200, self.store.list_files(), {}
            case "GET", ["files", name, "content"]:
                return 200, self.store.files[name][1], {}
            case "POST", ["batches"]:
                created = self.store.create(json.loads(raw))
                self._note({"event": "created", "batch": created["id"], "metadata": created["metadata"]})
                await asyncio.sleep(self.plan["create_seconds"])
                return self._unless_dropped("create", created)
            case "GET", ["batches"]:
                return 200, self.store.list_batches(), {}
            case "GET", ["batches", name]:
                return self._unless_dropped("retrieve", self.store.retrieve(name))
        return 404, {"error": {"message": f"no such path: {'/'.join(parts)}"}}, {}

    def _unless_dropped(self, step: str, done: Any) -> tuple[int, Any, dict[str, str]]:
        if step in self.drops:
            self.drops.remove(step)
            return 0, HANG_UP, {}
        return 200, done, {}

    async def _chat(self, body: dict[str, Any], head: dict[str, str]) -> tuple[int, Any, dict[str, str]]:
        plan, name, came = self.plan, question(body), time.monotonic()
        before = self.times.get(name, 0)
        self.times[name] = before + 1
        if self._log is None:  # a log is there for long runs, whose requests would fill the memory
            self.seen.append({"body": body, "key": head.get("authorization"), "at": came})
        self._note({"event": "asked", "question": name, "at": came})
        if plan["model"] not in (None, body["model"]):
            return 404, {"error": {"message": f"The model `{body['model']}` does not exist"}}, {}
        if plan["refuses"] in body:
            message = f"Unsupported parameter: '{plan['refuses']}' is not supported with this model."
            message += " Use 'max_completion_tokens' instead." if plan["refuses"] == "max_tokens" else ""
            return 400, {"error": {"message": message, "code": "unsupported_parameter"}}, {}
        if plan["allowed"] is not None and self.active >= plan["allowed"]:
            self._note({"event": "refused", "question": name, "at": came})
            return reply(plan, body, "429")
        what = self.script.pop(0) if self.script else fault(plan, name, before)
        self.active += 1
        self.most_active = max(self.most_active, self.active)
        try:
            if what == "hang":
                await asyncio.sleep(plan["hang"])
            elif plan["median"]:
                await asyncio.sleep(plan["median"] * self._random.lognormvariate(0, plan["sigma"]))
            if what == HANG_UP:
                return 0, HANG_UP, {}
            status, said, headers = reply(plan, body, what)
            return status, said, headers | ({HALF: "1"} if what == HALF else {})
        finally:
            self.active -= 1
            self._note({"event": "answered", "question": name, "fault": what, "at": time.monotonic(), "came": came})

    def _note(self, line: dict[str, Any]) -> None:
        if self._log is not None:
            self._log.write(json.dumps(line).encode() + b"\n")


class Connection(asyncio.Protocol):
    """HTTP/1.1 with kept connections, one request at a time, bodies of known length."""

    def __init__(self, teacher: Teacher) -> None:
        self._teacher, self._received, self._task = teacher, b"", None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._task is None:
            self._next()

    def _next(self) -> None:
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        first, *lines = self._received[:end].decode("latin-1").split("\r\n")
        head = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        whole = end + 4 + int(head.get("content-length", 0))
        if len(self._received) < whole:
            return
        body, self._received = self._received[end + 4 : whole], self._received[whole:]
        method, path, _ = first.split(" ")
        self._task = asyncio.get_running_loop().create_task(self._serve(method, path, head, body))

    async def _serve(self, method: str, path: str, head: dict[str, str], body: bytes) -> None:
        status, said, headers = await self._teacher.answer(method, path, head, body)
        if said == HANG_UP:
            self._transport.close()
            return
        text = said if isinstance(said, bytes) else (said if isinstance(said, str) else json.dumps(said)).encode()
        half = headers.pop(HALF, None)
        named = {"Content-Type": "application/json", "Content-Length": str(len(text) // 2 if half else len(text))}
        lines = "".join(f"{name}: {value}\r\n" for name, value in (named | headers).items())
        self._transport.write(f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode() + text[: len(text) // 2 if half else None])
        self._task = None
        self._next()


async def serve(teacher: Teacher, address_file: str) -> None:
    """On a free port of the loopback interface until the input is closed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(teacher), "127.0.0.1", 0, backlog=1024)
    written = Path(address_file + ".part")
    written.write_text(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    written.rename(address_file)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--plan", type=json.loads, default={})
    parser.add_argument("--log", type=Path)
    parser.add_argument("address_file")
    given = parser.parse_args()
    asyncio.run(serve(Teacher(given.plan, given.log), given.address_file))
