"""`python -m guardreasoner` is the command `guardreasoner`."""

from __future__ import annotations

from guardreasoner.cli import main

if __name__ == "__main__":
    main()
