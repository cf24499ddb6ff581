"""From what a user calls a served model, `https://host/v1#name`, to its address and its name there."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit


def served_at(address: str) -> tuple[str, str | None]:
    """(address with a version or a path of its own, the model's name after `#` or None)."""
    parts = urlsplit(address)
    bare = urlunsplit((*parts[:4], "")).rstrip("/")
    for ending in ("/chat/completions", "/completions", "/moderations"):
        bare = bare.removesuffix(ending)
    # such as .../v1beta/openai, where Google serves the same interface
    own = re.search(r"/v\d+\w*(/openai)?$|/openai$", bare)
    return bare if own else f"{bare}/v1", parts.fragment or None
