"""Every word a guard is given, and every way its answer is read. `FORMATS` is the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from guardreasoner.formats.nano import NanoFormat
from guardreasoner.formats.paper import PaperFormat
from guardreasoner.formats.paper_llama3 import PaperLlama3Format
from guardreasoner.types import Exchange, Malformed, Task, Templates, Verdict


class Format(Protocol):
    """How one family of guards is asked and read.

    A complete text is `render(exchange) + think + reasoning + answers_open`, then for each task in the paper's order
    `cue(task)` and `choice(task, label)` (or `not_applicable(task)`), then `close`. Without reasoning, `think` and the
    reasoning are left out. `reasoning_close` is how reasoning ends before `answers_open`; it is added where the token
    budget or the stop string cut reasoning short of it. All parts after `render` are what training writes, forcing
    appends and `read` reads.
    """

    name: str
    think: str
    reasoning_close: str
    answers_open: str
    close: str
    max_reasoning_tokens: int
    """Where reasoning is cut if the caller does not say."""
    templates: Templates | None
    """Every way its reasoning is written; None = in words of its own."""

    @property
    def stop(self) -> tuple[str, ...]:
        """Strings at which reasoning ends."""
        ...

    def asks(self, exchange: Exchange) -> tuple[tuple[Task, ...], ...]:
        """The tasks that apply, in the groups that are asked together; each group is a text of its own."""
        ...

    def render(self, exchange: Exchange, tasks: Sequence[Task] | None = None) -> str:
        """What the model is given when it is asked for `tasks`, one of the groups; None = all that apply."""
        ...

    def cue(self, task: Task) -> str: ...

    def choice(self, task: Task, label: str) -> str: ...

    def not_applicable(self, task: Task) -> str:
        """What stands instead of cue and choice for a task that does not apply ('' = nothing stands there)."""
        ...

    def read(self, text: str, exchange: Exchange, tasks: Sequence[Task] | None = None) -> Verdict | Malformed:
        """From the model's text (what follows `render`) to a Verdict; the last complete answer block counts."""
        ...


FORMATS: Mapping[str, Format] = MappingProxyType(
    {"paper": PaperFormat(), "paper-llama3": PaperLlama3Format(), "nano": NanoFormat()}
)
