"""From a file on GitHub to a copy in the cache, fetched once per commit."""

from __future__ import annotations

import os
from pathlib import Path

import httpx

from guardreasoner.data.upstream import GITHUB_FILES, Upstream
from guardreasoner.errors import InputError
from guardreasoner.jsonl import make_folder, write_atomically


def fetch(source: Upstream, base: str = GITHUB_FILES) -> Path:
    """The file of `source`, downloaded unless it is there already. `base`: where GitHub serves files."""
    path = cache() / source.hub / (source.revision or "HEAD") / source.file
    if os.path.isfile(path):  # unlike Path.is_file it does not raise where a folder is closed to us
        return path
    address = source.address(base)
    try:
        answer = httpx.get(address, follow_redirects=True, timeout=60).raise_for_status()
    except httpx.HTTPError as error:
        said = " ".join(str(error).split())
        raise InputError(
            f"{address} cannot be fetched: {said[:200]}; `{source.download(Path('raw'))}` brings the file where there "
            "is a network, and `--data raw` reads it"
        ) from error
    make_folder(path.parent)
    with write_atomically(path) as beside:
        beside.write_bytes(answer.content)
    return path


def cache() -> Path:
    """`guardreasoner` below XDG_CACHE_HOME, or below ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "guardreasoner"
