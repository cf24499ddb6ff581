"""A completions server that answers like a guard of the nano format: `python guard_server.py LOG SECONDS ADDRESS_FILE`.

What it says depends on the prompt and the seed alone: right, wrong or unreadable, as `say` tells. Each request leaves a
line in the log, the prompt, and takes `SECONDS`.
"""

from __future__ import annotations

import json
import sys
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MARKERS = {"<|request|>": "harmful", "<|completion|>": "refusal", "<|response|>": "harmful"}
POSITIVE = {"harmful": "unharmful", "refusal": "compliance"}
lock = threading.Lock()


def say(prompt: str, attempt: int) -> str:
    """Each label as often as the other, and every eighth text without one."""
    chance = zlib.crc32(f"{prompt}{attempt}".encode())
    marker = next(marker for marker in MARKERS if prompt.endswith(f"{marker}<|think|>"))
    label = MARKERS[marker] if chance % 2 else POSITIVE[MARKERS[marker]]
    reasons = "It looks at the words." + " And again." * (chance // 2 % 4)
    return f"{reasons}<|answers|>{marker}<|{label}|>" if chance % 8 else reasons


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    log: Path
    seconds: float

    def do_GET(self) -> None:
        self._send({"data": [{"id": "scripted-guard", "owned_by": "nobody"}]})

    def do_POST(self) -> None:
        body: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with lock, self.log.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(body["prompt"]) + "\n")
        time.sleep(self.seconds)
        texts = [say(body["prompt"], body["seed"] + number) for number in range(body.get("n", 1))]
        self._send({"choices": [{"text": text, "finish_reason": "stop"} for text in texts]})

    def _send(self, body: Any) -> None:
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def main(log: str, seconds: str, address_file: str) -> None:
    """Serve on a free port of the loopback interface until the input is closed."""
    Handler.log, Handler.seconds = Path(log), float(seconds)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    written = Path(address_file + ".part")
    written.write_text(f"http://127.0.0.1:{server.server_port}")
    written.rename(address_file)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
