"""Nemotron Content Safety Reasoning: request and response in one answer, /think or /no_think.

Prompt: the model card of nvidia/Nemotron-Content-Safety-Reasoning-4B and NVIDIA/NeMo-Guardrails, as a turn of Gemma 3.
Rule: `Prompt harm:` and `Response harm:` behind the <think> block. Where NVIDIA's parser takes a missing answer for
harmful, it is unreadable here. The prompt names refusals, the answer has no place for them: they are not judged.
"""

from __future__ import annotations

from collections.abc import Sequence

from guardreasoner.formats.rivals.base import GEMMA, HARMFULNESS, THINK, Message, after_thinking
from guardreasoner.formats.rivals.reading import Reading, Said, each_read, fill, one_field, prompt_text, said, unmarked
from guardreasoner.types import Exchange, Malformed, Task

_LINES = {Task.PROMPT_HARMFULNESS: "Prompt harm", Task.RESPONSE_HARMFULNESS: "Response harm"}


class NemotronReasoningFormat:
    """Request and response in one answer."""

    tasks: tuple[Task, ...] = HARMFULNESS

    def __init__(self, name: str, *, think: bool) -> None:
        self.name = name
        self._directive = "/think" if think else "/no_think"
        self.max_reasoning_tokens = 1024 if think else 48

    def asks(self, exchange: Exchange) -> tuple[tuple[Task, ...], ...]:
        return (tuple(task for task in exchange.tasks if task in self.tasks),)

    def render(self, exchange: Exchange, tasks: Sequence[Task]) -> str:
        marks = (*GEMMA, *THINK)
        response = "None" if exchange.response is None else unmarked(exchange.response, *marks)
        prompt = unmarked(exchange.prompt, *marks)
        return fill(prompt_text("nemotron-reasoning"), prompt=prompt, response=response, directive=self._directive)

    def messages(self, exchange: Exchange, tasks: Sequence[Task]) -> tuple[Message, ...] | None:
        turn = self.render(exchange, tasks)
        content = turn.removeprefix("<start_of_turn>user\n").removesuffix("<end_of_turn>\n<start_of_turn>model\n")
        return ({"role": "user", "content": content},)

    def read(self, text: str, exchange: Exchange, tasks: Sequence[Task]) -> Reading | Malformed:
        thought = after_thinking(text)
        if isinstance(thought, str):
            return Malformed(text=text, reason=thought)
        reasoning, start = thought
        text_read = text.replace("Response Harm:", "Response harm:")  # as its model card spells it

        def answer(task: Task) -> Said | str:
            found = one_field(text_read, _LINES[task], ("harmful", "unharmful"), start)
            return found if isinstance(found, str) else said(task, *found, ("harmful",), ("unharmful",))

        return each_read(text, tasks, answer, reasoning)
