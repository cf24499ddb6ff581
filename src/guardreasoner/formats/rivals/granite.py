"""Granite Guardian 4.1: one message at a time, by the criterion `harm`, with and without thinking.

Prompt and rule: evaluation/models/granite_guardian_4_1.py and the cookbooks of ibm-granite/granite-guardian. The
criterion stands in a last user turn, the answer between <score> tags behind the <think> block.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from guardreasoner.formats.rivals.base import AskedApart, Message, after_thinking, turns
from guardreasoner.formats.rivals.reading import Reading, prompt_text, said, unmarked
from guardreasoner.types import Exchange, Malformed, Task


class GraniteGuardianFormat(AskedApart):
    """One message at a time, judged by one criterion that stands in a last user turn."""

    def __init__(self, name: str, *, think: bool) -> None:
        self.name = name
        self._block = prompt_text("granite-think" if think else "granite-no-think")
        self.max_reasoning_tokens = 2048 if think else 48

    def render(self, exchange: Exchange, tasks: Sequence[Task]) -> str:
        said = [f"<|start_of_role|>{turn['role']}<|end_of_role|>{turn['content']}<|end_of_text|>\n"
                for turn in self.messages(exchange, tasks)]  # fmt: skip
        return "".join(said) + "<|start_of_role|>assistant<|end_of_role|>"

    def messages(self, exchange: Exchange, tasks: Sequence[Task]) -> tuple[Message, ...]:
        said = [{**turn, "content": unmarked(turn["content"], "<guardian>")} for turn in turns(exchange, tasks)]
        return (*said, {"role": "user", "content": self._block})

    def read(self, text: str, exchange: Exchange, tasks: Sequence[Task]) -> Reading | Malformed:
        thought = after_thinking(text)
        if isinstance(thought, str):
            return Malformed(text=text, reason=thought)
        reasoning, start = thought
        scores = list(re.compile(r"<score>\s*(.*?)\s*</score>", re.DOTALL).finditer(text, start))
        if len({score[1] for score in scores}) != 1:
            return Malformed(text=text, reason="two different scores" if scores else "no <score> behind the thinking")
        word = scores[0][1]
        if word not in ("yes", "no"):
            return Malformed(text=text, reason=f"the score is {word[:40]!r}, expected yes or no")
        return Reading({tasks[0]: said(tasks[0], word, scores[0].start(1), ("yes",), ("no",))}, reasoning)
