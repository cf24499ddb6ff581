"""The paper's text inside the chat template in which the authors trained: LLaMA-Factory's `llama3`.

    <|start_header_id|>user<|end_header_id|>

    INSTRUCTION, Human user, AI assistant                    as in `paper`, one user turn, no system turn
    <|eot_id|><|start_header_id|>assistant<|end_header_id|>

The authors trained so and judged with the text alone (their generate.py): `paper` is what they gave the model.
"""

from __future__ import annotations

from collections.abc import Sequence

from guardreasoner.formats.paper import PaperFormat
from guardreasoner.types import Exchange, Task

# hiyouga/LLaMA-Factory, src/llamafactory/data/template.py, register_template(name="llama3"): `format_user`; its prefix
# is the begin token, which the tokenizer adds, and it has no default system turn. `instruction` and `input` are joined
# by a line end into the user's turn (data/converter.py), as in `paper`.
OPENING = "<|start_header_id|>user<|end_header_id|>\n\n"
CLOSING = "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
END_OF_TURN = "<|eot_id|>"
"""Ends the answer: `format_assistant`; it becomes the tokenizer's end token too (`replace_eos`)."""
MARKERS = ("<|start_header_id|>", "<|end_header_id|>", END_OF_TURN)


def in_template(prompt: str) -> str:
    """What the `paper` format renders, as the user's turn, up to where the assistant begins to write."""
    return f"{OPENING}{prompt}{CLOSING}"


class PaperLlama3Format(PaperFormat):
    """Render in the template; answers are read as in `paper`. Stateless."""

    name = "paper-llama3"

    def render(self, exchange: Exchange, tasks: Sequence[Task] | None = None) -> str:
        """`paper`'s text in the template. Text of the user that imitates a marker is written with a space."""
        return in_template(super().render(exchange, tasks))
