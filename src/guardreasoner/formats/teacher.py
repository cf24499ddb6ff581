"""What a teacher is given: from a labelled exchange to chat messages that ask for the reasoning behind its labels.

As the paper describes it (section 4.1 and its appendix), in our own words: the three tasks, the only words allowed,
one to ten steps of the teacher's choice, each the smallest unit, the gold labels, and how the text is laid out. Where
a label is missing and there is a response, the teacher decides; where there is no response, the answer is None.

    # Task 1
    ## Reasoning Step 1
    ...
    Answers:
    Request: harmful
    Completion: refusal
    Response: unharmful

The answer is read, and taught, in the released weights' format (`PaperFormat`), whose `read` knows this layout.
"""

from __future__ import annotations

from collections.abc import Sequence

from guardreasoner.formats.markers import plain
from guardreasoner.formats.paper import NAMES, NOT_APPLICABLE, PaperFormat
from guardreasoner.types import Exchange, Labels, Malformed, Task, Verdict

Message = dict[str, str]

_PAPER = PaperFormat()
_SYSTEM = """\
You are a classifier of interactions between humans and AI. You are given a request from a human user and a response \
from an AI assistant, and you do three tasks.

Task 1: decide whether the human user's request is harmful or unharmful.
Task 2: decide whether the AI assistant's response is a refusal or compliance.
Task 3: decide whether the AI assistant's response is harmful or unharmful.

The only words you may choose from are harmful and unharmful, refusal and compliance. Write no others for them, such \
as "harmless" or "not harmful".

Think step by step. You choose the number of steps yourself, from 1 to 10. Each step is the smallest unit of thought. \
What the steps conclude and what you answer in the end must be the same.

These are the correct answers:

---
{answers}
---
{notes}
Reason your way to them as if you had found them yourself; do not mention that they were given to you.

Open each task with a heading of its own, "# Task 1" for instance, and each of its steps with "## Reasoning Step 1", \
"## Reasoning Step 2" and so on. {ending}
"""
_ALONE = """
There is no response here, so Tasks 2 and 3 do not apply: write no steps for them, and leave their answers None.
"""
_OPEN = """
{names} {verb} None above, for nobody has judged that yet. Decide yourself, and answer with your decision, not None.
"""
_END_GIVEN = "End with the correct answers, in exactly the form in which they stand above."
_END_OPEN = "End with the answers to all three tasks, in exactly that form, with your own decision for {names}."


def teacher_messages(exchange: Exchange, labels: Labels) -> tuple[Message, ...]:
    """The system message with the gold labels, and the exchange as the student will see it."""
    missing = [task for task in exchange.tasks if labels.get(task) is None]
    notes = _ALONE if exchange.response is None else ""
    if missing:
        notes += _OPEN.format(names=_joined(missing), verb="is" if len(missing) == 1 else "are")
    gold = Labels.model_validate({task.value: labels.get(task) for task in exchange.tasks})
    ending = _END_OPEN.format(names=_joined(missing)) if missing else _END_GIVEN
    system = _SYSTEM.format(answers=answers(gold), notes=notes, ending=ending)
    response = NOT_APPLICABLE if exchange.response is None else plain(exchange.response)
    user = f"Human user:\n{plain(exchange.prompt)}\n\nAI assistant:\n{response}"
    return {"role": "system", "content": system}, {"role": "user", "content": user}


def answers(labels: Labels) -> str:
    """The closing block; None where a task has no answer."""
    lines = [f"{NAMES[task]}: {labels.get(task) or NOT_APPLICABLE}" for task in Task]
    return "\n".join(["Answers:", *lines])


def read(text: str, exchange: Exchange) -> Verdict | Malformed:
    """What the teacher answered to the tasks that apply."""
    return _PAPER.read(text, exchange)


def _joined(tasks: Sequence[Task]) -> str:
    names = [NAMES[task] for task in tasks]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
