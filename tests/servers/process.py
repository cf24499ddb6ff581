"""A server in a process of its own, for the length of a `with` block."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent


@contextmanager
def serving(script: str, *arguments: str, folder: Path) -> Iterator[str]:
    """The server's address. It ends by itself when its input closes, so it cannot outlive the tests."""
    address, log = folder / f"{script}.address", folder / f"{script}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, str(HERE / script), *arguments, str(address)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + 60
        while not address.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{script} did not start: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)
        yield address.read_text()
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
