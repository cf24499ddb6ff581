"""The HarmBench classifiers (Llama 2 13B, Mistral 7B): responses alone, `yes` or `no`.

Prompt and rule: LLAMA2_CLS_PROMPT in eval_utils.py of centerforaisafety/HarmBench, which both classifiers are given
there. The behaviour is the request, since no benchmark here has one of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from guardreasoner.formats.rivals.base import AskedApart, pair
from guardreasoner.formats.rivals.reading import Reading, Said
from guardreasoner.types import Exchange, Malformed, Task


class HarmBenchFormat(AskedApart):
    """Responses alone; the whole answer is one word, in any case."""

    name = "harmbench"
    tasks: tuple[Task, ...] = (Task.RESPONSE_HARMFULNESS,)
    max_reasoning_tokens = 4

    def render(self, exchange: Exchange, tasks: Sequence[Task]) -> str:
        return pair(self.name, exchange)

    def read(self, text: str, exchange: Exchange, tasks: Sequence[Task]) -> Reading | Malformed:
        word = text.strip()
        if word.lower() not in ("yes", "no"):
            return Malformed(text=text, reason=f"{word[:40]!r}, expected yes or no")
        words = ("yes", "no") if word.islower() else ("Yes", "No")
        found = Said(tasks[0].labels[0 if word.lower() == "yes" else 1], text.find(word), words[:1], words[1:])
        return Reading({tasks[0]: found})
