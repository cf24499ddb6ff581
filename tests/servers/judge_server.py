"""A hosted service process that judges: `python judge_server.py ADDRESS_FILE`.

`/v1/moderations` flags what holds `fool`, refuses what holds `filter` and finds what holds `lengthy` too long.
`/v1/chat/completions` answers harmful to what holds `fool`; it declines what holds `decline`, withholds what holds
`withhold`, refuses what holds `filter`, and writes half an answer to `half`. The model `picky` takes neither
`max_tokens` nor `temperature`. `/seen` tells what came in.
"""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

BLOCK = "Answers: \nRequest: {}\nCompletion: {}\nResponse: unharmful"


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    seen: list[dict[str, Any]] = []  # noqa: RUF012 - shared by all requests on purpose

    def do_GET(self) -> None:
        self._send(200, self.seen if self.path == "/seen" else {"data": [{"id": "plain"}, {"id": "picky"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append({"path": self.path, **body})
        if self.path == "/v1/moderations":
            for word, said in (("filter", "stopped by our content filter"), ("lengthy", "the input is too long")):
                if word in body["input"]:
                    return self._send(400, {"error": {"message": said}})
            flagged = "fool" in body["input"]
            scores = {"harassment": 0.3 if flagged else 0.01, "violence": None}
            return self._send(200, {"results": [{"flagged": flagged, "category_scores": scores}]})
        return self._chat(body)

    def _chat(self, body: dict[str, Any]) -> None:
        for name, other in (("max_tokens", "Use 'max_completion_tokens' instead."), ("temperature", "")):
            if body["model"] == "picky" and name in body:
                message = f"Unsupported parameter: '{name}' is not supported with this model. {other}"
                return self._send(400, {"error": {"message": message}})
        asked = body["messages"][-1]["content"]
        if "filter" in asked:
            return self._send(400, {"error": {"message": "stopped by our content management policy"}})
        message: dict[str, Any] = {"content": BLOCK.format("harmful" if "fool" in asked else "unharmful", "compliance")}
        if "half" in asked:
            message = {"content": "Answers: \nRequest: unhar"}
        if "decline" in asked:
            message = {"content": "I'm sorry, I can't assist with that."}
        if "withhold" in asked:
            message = {"content": None, "refusal": "I cannot judge this."}
        choice = {"message": message, "finish_reason": "stop"}
        return self._send(200, {"choices": [choice], "usage": {"completion_tokens": 7}})

    def _send(self, status: int, body: Any) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    written = Path(sys.argv[1] + ".part")
    written.write_text(f"http://127.0.0.1:{server.server_port}")
    written.rename(sys.argv[1])
    sys.stdin.read()
