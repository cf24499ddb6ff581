r"""From the authors' `input` text to an exchange.

`Human user:\n..\n\nAI assistant:\n..\n\n`; where there was no response, `None` stands in its place. It is what
`PaperFormat.render` writes below the instruction.
"""

from __future__ import annotations

from guardreasoner.formats.paper import NOT_APPLICABLE
from guardreasoner.types import Exchange, Task

USER = "Human user:\n"
_ASSISTANT, _END = "\n\nAI assistant:\n", "\n\n"


def read_prompt(text: str, task: Task) -> Exchange | None:
    """The exchange below the authors' instruction, for a question about `task`; None if it is laid out otherwise."""
    start = text.find(USER)
    return None if start < 0 else read_input(text[start:], may_lack_response=not task.needs_response)


def read_input(text: str, *, may_lack_response: bool) -> Exchange | None:
    """The exchange, or None if the text is laid out otherwise.

    Where rows may lack a response, a text that ends with the absent one is a request alone, and a request that
    imitates the layout stays whole.
    """
    if not (text.startswith(USER) and text.endswith(_END)):
        return None
    body = text[len(USER) : -len(_END)]
    absent = _ASSISTANT + NOT_APPLICABLE
    if may_lack_response and body.endswith(absent):
        return Exchange(prompt=body[: -len(absent)])
    prompt, found, response = body.partition(_ASSISTANT)
    return Exchange(prompt=prompt, response=response) if found else None
