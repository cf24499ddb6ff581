"""The names that `--format` takes, for the command line's help; a test holds them to the tables."""

from __future__ import annotations

FORMAT_NAMES = "paper or nano, or a rival's from docs/rivals.md such as llama-guard-3 or wildguard"
