"""The files of a folder over HTTP: `python file_server.py FOLDER ADDRESS_FILE`."""

from __future__ import annotations

import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def main(folder: str, address_file: str) -> None:
    """Serve on a free port of the loopback interface until the input is closed."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    written = Path(address_file + ".part")
    written.write_text(f"http://127.0.0.1:{server.server_port}")
    written.rename(address_file)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
