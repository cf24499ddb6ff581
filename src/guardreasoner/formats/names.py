"""The names that `--format` takes beside our own, for the help of the command line, which loads no table for it."""

from __future__ import annotations

RIVAL_NAMES = (
    "llama-guard, llama-guard-2, llama-guard-3, llama-guard-4, aegis-defensive, aegis-permissive, aegis-2, "
    "shieldgemma, "
    "harmbench, md-judge, wildguard, qwen3guard-strict, qwen3guard-loose, granite-guardian, granite-guardian-think, "
    "nemotron, nemotron-think, gpt-oss-safeguard, chat, chat-cot, beaverdam, openai-moderation"
)
FORMAT_NAMES = f"paper, paper-llama3 or nano, or as a rival (docs/rivals.md): {RIVAL_NAMES}"
