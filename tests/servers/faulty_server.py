"""A completions server process that fails on demand: `python faulty_server.py ADDRESS_FILE`.

`POST /setup {"schedule": [...], ...}` says how the next requests to /v1/completions go, `GET /seen` what came in.
A step of the schedule may have `status`, `headers`, `body` (a value, or text as it is), `seconds` (silence first),
`drop` (the connection breaks), `cut` (the answer is half of one). When the schedule is through, answers are good:
the `text` of the set-up, up to a stop string, with the log-probabilities `tops[prompt]` or those of `tops[""]`.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

DEFAULTS: dict[str, Any] = {
    "schedule": [],
    "text": " one two three",
    "tops": {},
    "shape": "legacy",  # of the log-probabilities: legacy, content, lists or none
    "ignores": [],
    "refuses": [],
    "context": None,
    "models": {"data": [{"id": "small", "owned_by": "nobody"}]},
}


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    lock = threading.Lock()
    plan: dict[str, Any] = DEFAULTS
    seen: list[dict[str, Any]] = []  # noqa: RUF012 - shared by all requests on purpose
    active = 0
    most_active = 0

    def do_GET(self) -> None:
        if self.path == "/seen":
            self._send(200, {"requests": Handler.seen, "most_active": Handler.most_active})
        elif self.path == "/v1/models":
            found = Handler.plan["models"]
            self._send(404 if found is None else 200, found)
        else:
            self._send(404, {"error": {"message": "no such path"}})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/setup":
            Handler.plan, Handler.seen, Handler.most_active = DEFAULTS | body, [], 0
            self._send(200, {})
            return
        with Handler.lock:
            schedule = Handler.plan["schedule"]
            Handler.seen.append({"body": body, "key": self.headers.get("Authorization"), "at": time.monotonic()})
            step = schedule.pop(0) if schedule else {}
            Handler.active += 1
            Handler.most_active = max(Handler.most_active, Handler.active)
        try:
            self._step(step, body)
        finally:
            with Handler.lock:
                Handler.active -= 1

    def _step(self, step: dict[str, Any], body: dict[str, Any]) -> None:
        time.sleep(step.get("seconds", Handler.plan.get("seconds", 0)))
        if step.get("drop"):
            self.close_connection = True
            return
        if "status" in step:
            self._send(step["status"], step.get("body", {}), step.get("headers", {}))
        elif "body" in step:
            self._send(200, step["body"])
        else:
            self._good(body, cut=step.get("cut", False))

    def _good(self, body: dict[str, Any], *, cut: bool) -> None:
        plan = Handler.plan
        refused = [field for field in plan["refuses"] if field in body]
        if refused:
            self._send(400, {"error": {"message": f"{refused[0]} is not supported"}})
            return
        if plan["context"] is not None and len(body["prompt"].split()) + body["max_tokens"] > plan["context"]:
            self._send(400, {"error": {"message": f"the model's context length is only {plan['context']} tokens"}})
            return
        count = 1 if "n" in plan["ignores"] else body.get("n", 1)
        choices = [self._choice(body) for _ in range(count)]
        tokens = sum(len(choice["text"].split()) for choice in choices)
        self._send(200, {"choices": choices, "usage": {"completion_tokens": tokens}}, cut=cut)

    def _choice(self, body: dict[str, Any]) -> dict[str, Any]:
        text, words = Handler.plan["text"], Handler.plan["text"].split(" ")[1:]
        stops = [text.find(stop) for stop in body.get("stop", []) if stop in text]
        if stops and "stop" not in Handler.plan["ignores"]:
            return {"text": text[: min(stops)], "finish_reason": "stop"}
        kept = words[: body["max_tokens"]]
        choice: dict[str, Any] = {
            "text": "".join(" " + word for word in kept),
            "finish_reason": "stop" if len(kept) == len(words) else "length",
        }
        if "logprobs" in body and "logprobs" not in Handler.plan["ignores"]:
            choice["logprobs"] = self._logprobs(body["prompt"])
        return choice

    def _logprobs(self, prompt: str) -> dict[str, Any] | None:
        tops = Handler.plan["tops"]
        listed = tops.get(prompt, tops.get(""))
        if listed is None:
            return None
        entries = [{"token": token, "logprob": logprob} for token, logprob in listed.items()]
        if Handler.plan["shape"] == "content":
            return {"content": [entries[0] | {"top_logprobs": entries}]}
        top = listed if Handler.plan["shape"] == "legacy" else entries
        return {"tokens": [next(iter(listed))], "token_logprobs": [entries[0]["logprob"]], "top_logprobs": [top]}

    def _send(self, status: int, body: Any, headers: dict[str, str] | None = None, *, cut: bool = False) -> None:
        text = (body if isinstance(body, str) else json.dumps(body)).encode()
        text = text[: len(text) // 2] if cut else text
        self.send_response(status)
        for name, value in {"Content-Length": str(len(text)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def main(address_file: str) -> None:
    """Serve on a free port of the loopback interface until the input is closed."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    written = Path(address_file + ".part")
    written.write_text(f"http://127.0.0.1:{server.server_port}")
    written.rename(address_file)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
