"""A stand-in for the hub, as far as publishing a data set asks: `python hub_server.py ADDRESS_FILE`.

It takes the token `good`. What was committed stands in `committed.json` beside the address file.
"""

from __future__ import annotations

import base64
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

STATE: dict[str, Any] = {"repositories": {"someone/public": False}, "files": {}}


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    beside = Path()

    def do_GET(self) -> None:
        name = self.path.removeprefix("/api/datasets/").partition("?")[0].removesuffix("/revision/main")
        if name not in STATE["repositories"]:
            return self._send(404, {"error": "no such repository"})
        return self._send(
            200, {"id": name, "private": STATE["repositories"][name], "tags": [], "downloads": 0, "likes": 0}
        )

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Authorization") != "Bearer good":
            return self._send(401, {"error": "Invalid username or password."})
        lines = [json.loads(line) for line in content.splitlines() if line]
        address = f"http://{self.headers['Host']}/datasets"
        if self.path == "/api/repos/create":
            name = f"{lines[0]['organization']}/{lines[0]['name']}"
            there = name in STATE["repositories"]
            STATE["repositories"].setdefault(name, lines[0].get("visibility") == "private" or lines[0].get("private"))
            return self._send(409 if there else 200, {"url": f"{address}/{name}"})
        if self.path == "/api/validate-yaml":
            return self._send(200, {"errors": [], "warnings": []})
        if "/preupload/" in self.path:
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False} for file in lines[0]["files"]
            ]
            return self._send(200, {"files": files})
        if "/commit/" in self.path:
            repository = self.path.removeprefix("/api/datasets/").partition("/commit/")[0]
            added = [line["value"] for line in lines if line["key"] == "file"]
            STATE["files"][repository] = {
                file["path"]: base64.b64decode(file["content"]).decode("latin-1") for file in added
            }
            (self.beside / "committed.json").write_text(json.dumps(STATE))
            return self._send(200, {"success": True, "commitOid": "0" * 40, "commitUrl": f"{address}/x/y/commit/0"})
        return self._send(404, {"error": f"no such path: {self.path}"})

    def _send(self, status: int, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        print(format % arguments, flush=True)


def main() -> None:
    address = Path(sys.argv[1])
    Handler.beside = address.parent
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    beside = address.with_suffix(".tmp")
    beside.write_text(f"http://127.0.0.1:{server.server_address[1]}")
    beside.rename(address)
    sys.stdin.read()  # ends when whoever started it does


if __name__ == "__main__":
    main()
