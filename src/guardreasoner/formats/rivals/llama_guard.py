"""LLaMA Guard 1 to 4: Meta's guards, one message judged at a time, `safe` or `unsafe` on the first line.

Prompts: the chat templates of meta-llama/LlamaGuard-7b, Meta-Llama-Guard-2-8B and Llama-Guard-3-8B (the first two as
litellm and a mirror of public templates quote them), and for Llama Guard 4 the prompt format of Meta's documentation
(llama.com/docs, model cards and prompt formats), which is that of 3 with other header tokens.
Rule: the first word that is written, and its probability against the other's; threshold 0.5 (MODEL_CARD.md of
Llama-Guard2 and Llama-Guard3/8B in meta-llama/PurpleLlama).
"""

from __future__ import annotations

from collections.abc import Sequence

from guardreasoner.formats.rivals.base import LLAMA_2, AskedApart, Message, turns
from guardreasoner.formats.rivals.reading import Reading, fill, first_line, prompt_text, unmarked
from guardreasoner.types import Exchange, Malformed, Task


class LlamaGuardFormat(AskedApart):
    """One version. `parts`: its template takes the content of a message as a list of parts."""

    def __init__(self, name: str, *, parts: bool = False) -> None:
        self.name = name
        self._parts = parts

    def render(self, exchange: Exchange, tasks: Sequence[Task]) -> str:
        said = [(turn["role"], unmarked(turn["content"], *LLAMA_2).strip()) for turn in turns(exchange, tasks)]
        names = {"user": "User", "assistant": "Agent"}
        conversation = "".join(f"{names[role]}: {text}\n\n" for role, text in said)
        return fill(prompt_text(self.name), role=names[said[-1][0]], conversation=conversation)

    def messages(self, exchange: Exchange, tasks: Sequence[Task]) -> tuple[Message, ...] | None:
        plain = [
            {"role": turn["role"], "content": unmarked(turn["content"], *LLAMA_2)} for turn in turns(exchange, tasks)
        ]
        if not self._parts:
            return tuple(plain)
        return tuple({**turn, "content": [{"type": "text", "text": turn["content"]}]} for turn in plain)

    def read(self, text: str, exchange: Exchange, tasks: Sequence[Task]) -> Reading | Malformed:
        return first_line(text, tasks[0], "unsafe", "safe")
