"""gpt-oss-safeguard: bring your own policy, 0 or 1 in the final channel.

The policy is ours, laid out as the user guide in openai/openai-cookbook says (articles/gpt-oss-safeguard-guide.md). The
text is in the harmony format, its date pinned so that runs can be compared. Rule: the one character of the guide.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from guardreasoner.formats.rivals.base import AskedApart, Message, turns
from guardreasoner.formats.rivals.reading import Reading, prompt_text, said, unmarked
from guardreasoner.types import Exchange, Malformed, Task


class SafeguardFormat(AskedApart):
    """gpt-oss-safeguard: the policy as developer message, the content as user message."""

    name = "gpt-oss-safeguard"
    max_reasoning_tokens = 2048
    _SYSTEM = (
        "You are ChatGPT, a large language model trained by OpenAI.\nKnowledge cutoff: 2024-06\n"
        "Current date: 2025-10-29\n\nReasoning: medium\n\n"
        "# Valid channels: analysis, commentary, final. Channel must be included for every message."
    )
    _FINAL = "<|channel|>final<|message|>"
    _ANALYSIS = "<|channel|>analysis<|message|>"

    def render(self, exchange: Exchange, tasks: Sequence[Task]) -> str:
        policy, content = (turn["content"] for turn in self.messages(exchange, tasks))
        return (
            f"<|start|>system<|message|>{self._SYSTEM}<|end|>"
            f"<|start|>developer<|message|># Instructions\n\n{policy}<|end|>"
            f"<|start|>user<|message|>{content}<|end|><|start|>assistant"
        )

    def messages(self, exchange: Exchange, tasks: Sequence[Task]) -> tuple[Message, ...]:
        said = [unmarked(turn["content"]) for turn in turns(exchange, tasks)]
        content = said[0] if len(said) == 1 else f"Request: {said[0]}\n\nResponse: {said[1]}"
        policy = prompt_text(self.name)
        return {"role": "system", "content": policy}, {"role": "user", "content": f"Content: {content}"}

    def read(self, text: str, exchange: Exchange, tasks: Sequence[Task]) -> Reading | Malformed:
        """What stands in the last `final` channel. A server that takes the channels apart sends that alone."""
        before, opened, _ = text.rpartition(self._FINAL)
        start = len(before) + len(opened)
        if not opened and "<|" in text:
            return Malformed(text=text, reason="no final channel")
        answer = re.compile(r"\s*([01])\s*(?:<\|return\|>|<\|end\|>)?\s*").fullmatch(text, start)
        if answer is None:
            return Malformed(text=text, reason=f"the answer is {text[start:].strip()[:40]!r}, expected 0 or 1")
        thought = before.removeprefix(self._ANALYSIS).partition("<|end|>")[0].strip()
        return Reading({tasks[0]: said(tasks[0], answer[1], answer.start(1), ("1",), ("0",))}, thought or None)
