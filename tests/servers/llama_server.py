"""A llama.cpp server process: `python llama_server.py MODEL.gguf [CONTEXT] ADDRESS_FILE`; it ends with its input."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import xllamacpp


def main(model: str, *rest: str) -> None:
    """Serve `model` on a free port of the loopback interface and write the address once it answers."""
    *context, address_file = rest
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_parallel = 4
    params.n_ctx = params.n_parallel * int(context[0] if context else 512)  # the slots share it
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.n_threads_http = 4
    params.warmup = False
    params.special = True  # markers stay in the text
    server = xllamacpp.Server(params)
    written = Path(address_file + ".part")
    written.write_text(server.listening_address)
    written.rename(address_file)
    sys.stdin.read()
    os._exit(0)  # without waiting for connections that a test left open


if __name__ == "__main__":
    main(*sys.argv[1:])
