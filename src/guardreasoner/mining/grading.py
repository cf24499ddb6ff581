"""From one input's sampled texts to right, wrong or unreadable, and to whether the input is hard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from guardreasoner.formats import Format
from guardreasoner.mining.questions import Question
from guardreasoner.types import Malformed, Rollout, Task

ORDER = (Task.PROMPT_HARMFULNESS, Task.RESPONSE_HARMFULNESS, Task.RESPONSE_REFUSAL)
"""In which tasks are looked at: the authors' hard_sample_mining.py takes request, response, completion."""
Decides = Literal["in order", "all"]
Difficulty = Literal["easy", "hard", "hopeless", "unreadable"]
"""All readable answers are right; some are right and some wrong; else hopeless; no answer could be read."""
Grade = Mapping[Task, bool] | None
"""Per annotated task, whether the text answers it rightly; None = the text is unreadable, or was cut."""


@dataclass(frozen=True)
class Verdicts:
    """What one model's texts came to. `right` and `wrong`: their indices by what decided, unreadable ones in neither.

    `task`: the one that decided, where one did.
    """

    difficulty: Difficulty
    right: tuple[int, ...] = ()
    wrong: tuple[int, ...] = ()
    task: Task | None = None


def grade(text: str, question: Question, form: Format) -> Grade:
    """Read by the parser that reads verdicts.

    An unreadable text is neither right nor wrong, as in the authors' script: it gives no answer to be wrong about. As
    the wrong one of a pair, the longest of all at that, it would teach to come to an end, not to judge.
    """
    read = form.read(text, question.exchange, question.tasks)
    if isinstance(read, Malformed):
        return None
    return {task: read.labels.get(task) == question.gold.get(task) for task in question.gold.tasks}


def grades(rollout: Rollout, question: Question, form: Format) -> list[Grade]:
    """One per text; what was cut at the token limit counts as unreadable, whatever stands in it."""
    return [None if cut else grade(text, question, form) for text, cut in zip(rollout.texts, rollout.cut, strict=True)]


def weigh_up(graded: Sequence[Grade], decides: Decides) -> Verdicts:
    """Hard: at least one text is right and at least one is wrong."""
    readable = {index: each for index, each in enumerate(graded) if each is not None}
    if not readable:
        return Verdicts("unreadable")
    answers = list(_answers(readable, decides))
    for task, said in answers:
        right = tuple(index for index, is_right in said.items() if is_right)
        wrong = tuple(index for index, is_right in said.items() if not is_right)
        if right and wrong:
            return Verdicts("hard", right, wrong, task)
    return Verdicts("easy" if all(all(said.values()) for _, said in answers) else "hopeless")


def _answers(
    readable: Mapping[int, Mapping[Task, bool]], decides: Decides
) -> Iterator[tuple[Task | None, dict[int, bool]]]:
    """What may decide, in order: per text, whether it is right."""
    if decides == "all":
        yield None, {index: all(each.values()) for index, each in readable.items()}
        return
    annotated = next(iter(readable.values()))
    for task in ORDER:
        if task in annotated:
            yield task, {index: each[task] for index, each in readable.items()}
