"""ShieldGemma: one message at a time, `Yes` or `No`.

Prompt: Google's model card, with all four guidelines in one prompt as NVIDIA/NeMo-Guardrails has them. The card prints
the layout for requests and describes the one for responses. Rule: the word that is written, where the card weighs
P(Yes) against P(No) as the next one: that share is the score, and a threshold other than 0.5 decides by it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from guardreasoner.formats.rivals.base import GEMMA, AskedApart
from guardreasoner.formats.rivals.reading import Reading, fill, prompt_text, said, unmarked
from guardreasoner.types import Exchange, Malformed, Task


class ShieldGemmaFormat(AskedApart):
    """The first word counts; what walks through the reasons after it is cut."""

    name = "shieldgemma"
    max_reasoning_tokens = 4

    def render(self, exchange: Exchange, tasks: Sequence[Task]) -> str:
        judged = "response" if tasks[0].needs_response else "prompt"
        response = unmarked(exchange.response or "", *GEMMA).strip()
        prompt = unmarked(exchange.prompt, *GEMMA).strip()
        return fill(prompt_text(f"shieldgemma-{judged}"), prompt=prompt, response=response)

    def read(self, text: str, exchange: Exchange, tasks: Sequence[Task]) -> Reading | Malformed:
        word = re.match(r"\s*(Yes|No)\b", text)
        if word is None:
            return Malformed(text=text, reason=f"starts with {text.strip()[:40]!r}, expected Yes or No")
        return Reading({tasks[0]: said(tasks[0], word[1], word.start(1), ("Yes",), ("No",))})
