"""The embedded guard's format: compact, its markers special tokens that no user text can produce.

    <|user|>PROMPT<|assistant|>RESPONSE<|response|>     what is asked (render)
    <|think|>REASONING                                  left out in mode `fast`
    <|answers|><|response|><|unharmful|><|end|>

The task marker at the end of the prompt says what is asked; in the answer it is followed by its label. One task is
asked at a time, in training as at inference.
Text that imitates a marker is written with a space, `< |user|>`, before any tokenizer sees it, so the markers stay
out of reach with every engine, a remote server that parses special tokens out of strings included.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from guardreasoner.formats.markers import plain
from guardreasoner.formats.short import LINES
from guardreasoner.types import Exchange, Labels, Malformed, Task, Templates, Verdict

USER, ASSISTANT, THINK, ANSWERS, END = "<|user|>", "<|assistant|>", "<|think|>", "<|answers|>", "<|end|>"
PAD = "<|pad|>"
TASK_MARKERS = {
    Task.PROMPT_HARMFULNESS: "<|request|>",
    Task.RESPONSE_REFUSAL: "<|completion|>",
    Task.RESPONSE_HARMFULNESS: "<|response|>",
}
LABEL_MARKERS = {label: f"<|{label}|>" for task in Task for label in task.labels}
SPECIAL_TOKENS = (PAD, USER, ASSISTANT, THINK, ANSWERS, END, *TASK_MARKERS.values(), *LABEL_MARKERS.values())

_TASK_OF = {marker: task for task, marker in TASK_MARKERS.items()}
_LABEL_OF = {marker: label for label, marker in LABEL_MARKERS.items()}
_MARKER = re.compile("(" + "|".join(re.escape(token) for token in SPECIAL_TOKENS) + ")")


class NanoFormat:
    """Render and read the compact format. Stateless."""

    name = "nano"
    think = THINK
    reasoning_close = ""
    answers_open = ANSWERS
    close = END
    stop = (ANSWERS, END)
    max_reasoning_tokens = 256  # the rule teacher needs half of it
    templates: Templates | None = Templates(
        texts={marker: tuple(LINES[task].values()) for task, marker in TASK_MARKERS.items()}, after=ASSISTANT
    )

    def asks(self, exchange: Exchange) -> tuple[tuple[Task, ...], ...]:
        """One by one: few sources annotate all tasks, so that asking for all would say which kind of row it is."""
        return tuple((task,) for task in exchange.tasks)

    def render(self, exchange: Exchange, tasks: Sequence[Task] | None = None) -> str:
        """What the model is given. The request is judged by itself: its answer is the same whatever was replied."""
        asked = exchange.tasks if tasks is None else tasks
        replied = exchange.response is not None and any(task.needs_response for task in asked)
        response = ASSISTANT + plain(exchange.response or "") if replied else ""
        return USER + plain(exchange.prompt) + response + "".join(TASK_MARKERS[task] for task in asked)

    def cue(self, task: Task) -> str:
        return TASK_MARKERS[task]

    def choice(self, task: Task, label: str) -> str:
        return LABEL_MARKERS[label]

    def not_applicable(self, task: Task) -> str:
        return ""

    def write(self, labels: Labels, reasoning: str | None) -> str:
        """The completion that training teaches: reasoning if there is one, and an answer per label that is not None."""
        thought = "" if reasoning is None else THINK + plain(reasoning)
        answers = "".join(self.cue(task) + self.choice(task, labels.get(task) or "") for task in labels.tasks)
        return thought + ANSWERS + answers + END

    def read(self, text: str, exchange: Exchange, tasks: Sequence[Task] | None = None) -> Verdict | Malformed:
        """The last complete answer block; missing, contradictory, truncated or foreign answers are Malformed."""
        starts = [match.start() for match in re.finditer(re.escape(ANSWERS), text)]
        problems: list[str] = []
        for start in reversed(starts):
            found = _read_block(text[start + len(ANSWERS) :], exchange.tasks if tasks is None else tasks)
            if isinstance(found, Labels):
                return Verdict(labels=found, reasoning=_reasoning(text[:start]))
            problems.append(found)
        return Malformed(text=text, reason=problems[0] if problems else f"no {ANSWERS} block")


def _reasoning(before_answers: str) -> str | None:
    _, opened, thought = before_answers.partition(THINK)
    return _MARKER.sub(" ", thought).strip() if opened else None


def _read_block(block: str, tasks: Sequence[Task]) -> Labels | str:
    """Labels, or the sentence that says what is wrong with the block."""
    parts = [part for part in _MARKER.split(block) if part.strip()]
    answers: dict[Task, str] = {}
    if END not in parts:
        return f"the answer block is not closed by {END}"
    parts = parts[: parts.index(END)]
    for marker, label in zip(parts[::2], [*parts[1::2], ""], strict=False):
        task, value = _TASK_OF.get(marker), _LABEL_OF.get(label)
        if task is None:
            return f"{marker.strip()!r} stands where a task marker is expected"
        if value not in task.labels:
            return f"{label.strip()!r} is no answer to {task.value}, expected one of {', '.join(task.labels)}"
        if answers.get(task, value) != value:
            return f"two different answers to {task.value}"
        if task not in tasks:
            return f"an answer to {task.value}, which was not asked"
        answers[task] = value
    missing = [task.value for task in tasks if task not in answers]
    if missing:
        return f"no answer to {', '.join(missing)}"
    return Labels.model_validate({task.value: value for task, value in answers.items()})
