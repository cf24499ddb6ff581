"""A hub on loopback that says of every data set what the real one says of a gated one to a stranger."""

from __future__ import annotations

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Gated(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(401)
        self.send_header("X-Error-Code", "GatedRepo")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def main(address_file: str) -> None:
    """Serve on a free port of the loopback interface until the input is closed."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Gated)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    written = Path(address_file + ".part")
    written.write_text(f"http://127.0.0.1:{server.server_port}")
    written.rename(address_file)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
