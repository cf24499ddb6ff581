"""The nouns. What touches a file or a wire is a frozen record that refuses unknown fields."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum
from hashlib import sha256
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Harmfulness = Literal["harmful", "unharmful"]
Refusal = Literal["refusal", "compliance"]
Mode = Literal["reason", "fast"]
TaskName = Literal["prompt_harmfulness", "response_refusal", "response_harmfulness"]
PositiveShare = dict[TaskName, Annotated[float, Field(gt=0, lt=1)]]
"""Task -> the share that its positive label shall have."""


class Record(BaseModel):
    """Base of every record: frozen, and a field it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Task(Enum):
    """The three questions of the paper (section 3), each with its positive and negative label."""

    PROMPT_HARMFULNESS = "prompt_harmfulness"
    RESPONSE_REFUSAL = "response_refusal"
    RESPONSE_HARMFULNESS = "response_harmfulness"

    @property
    def labels(self) -> tuple[str, str]:
        """(positive, negative), as the paper counts F1."""
        return ("refusal", "compliance") if self is Task.RESPONSE_REFUSAL else ("harmful", "unharmful")

    @property
    def positive(self) -> str:
        return self.labels[0]

    @property
    def needs_response(self) -> bool:
        return self is not Task.PROMPT_HARMFULNESS


class Exchange(Record):
    """What is judged. `response` None: there was none."""

    prompt: str
    response: str | None = None

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks that apply, in the paper's order; a prompt alone has no response tasks."""
        return tuple(task for task in Task if self.response is not None or not task.needs_response)

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that tell one exchange from another."""
        return sha256(json.dumps([self.prompt, self.response]).encode()).hexdigest()[:16]


class Labels(Record):
    """One answer per task; None = not annotated or not applicable. Gold and predicted have this shape."""

    prompt_harmfulness: Harmfulness | None = None
    response_refusal: Refusal | None = None
    response_harmfulness: Harmfulness | None = None

    def get(self, task: Task) -> str | None:
        return getattr(self, task.value)

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks that have an answer here."""
        return tuple(task for task in Task if self.get(task) is not None)


class Sample(Record):
    """One labelled exchange. `id` is unique within `source`."""

    id: str
    source: str
    exchange: Exchange
    labels: Labels


class Scores(Record):
    """P(positive label) per task, in [0, 1]; None where the task does not apply or the model gave no probability."""

    prompt_harmfulness: float | None = None
    response_refusal: float | None = None
    response_harmfulness: float | None = None

    def get(self, task: Task) -> float | None:
        return getattr(self, task.value)


class Usage(Record):
    """Tokens of one check, and its share of the wall-clock seconds of the batch it ran in."""

    prompt_tokens: int | None = None
    reasoning_tokens: int = 0
    texts: int = 1
    """How many texts `reasoning_tokens` are of: tasks that are asked apart get one each."""
    seconds: float | None = None


class Verdict(Record):
    """A complete reading: one label per task that applies, and how it came about."""

    labels: Labels
    reasoning: str | None = None
    scores: Scores | None = None
    usage: Usage | None = None
    model: str | None = None
    mode: Mode | None = None

    @property
    def flagged(self) -> bool:
        """True when the request or the response is harmful. A refusal alone is never flagged."""
        return "harmful" in (self.labels.prompt_harmfulness, self.labels.response_harmfulness)


class Malformed(Record):
    """A model's text that holds no complete answer, and why. A failed reading is a type, never a label."""

    text: str
    reason: str
    refused: bool = False
    """The model declined to judge, as hosted chat models do: no answer, and no fault of the format either."""
    partial: Verdict | None = None
    """What could be read all the same: the labels of other tasks of the exchange."""
    usage: Usage | None = None


class SFTExample(Record):
    """One training text; loss falls on `completion` alone. Columns as TRL names them, and `weight` in the loss."""

    id: str
    source: str
    prompt: str
    completion: str
    weight: float = 1.0
    labels: Labels | None = None
    """The gold labels. A task that is None here was not annotated: whatever `completion` says about it is no gold."""


Outcome = Literal["answered", "cut", "refused", "filtered", "failed"]
"""What became of a call: a whole answer; one cut at the token limit; the teacher declined; the provider's content
filter withheld it; or no answer after all attempts."""


class TeacherAnswer(Record):
    """What a teacher said to one sample. On disk before it counts as done; only `failed` is asked again.

    A call that was paid for and brought nothing leaves a `failed` line too, before the one that says how it ended.
    """

    id: str
    source: str
    digest: str
    """Of all that was asked (messages, model, sampling), so that no answer is taken for one to another question."""
    outcome: Outcome
    text: str = ""
    detail: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds: float | None = None
    batched: bool = False
    """It came by a batch file, at half the price. Tokens are as the server counted them; where it does not, four
    characters are taken for one."""


Rejection = Literal[
    "contradicts gold",
    "no readable answer",
    "leaked ground truth",
    "no reasoning steps",
    "more than ten steps",
    "reasoning contradicts answer",
    "duplicate",
    "benchmark overlap",
    "cut",
    "refused",
    "filtered",
    "failed",
]
"""Why a sample did not become an example; the last four are outcomes of the call."""


class Rejected(Record):
    """One row of rejected.jsonl: a sample that was not taught, and why. `text` is what the teacher wrote."""

    id: str
    source: str
    reason: Rejection
    detail: str | None = None
    text: str = ""


class Rollout(Record):
    """What one model said to one sample, sampled several times. On disk before it counts as done."""

    id: str
    source: str
    model: str
    """`main`, or a member of the ensemble."""
    texts: tuple[str, ...]
    cut: tuple[bool, ...]
    """Per text: it was cut at the token limit, so that nobody knows how it ends."""
    problem: str | None = None
    """Why there are no texts: the input does not fit the model, or its server withheld the answer."""


class PreferencePair(Record):
    """A right and a wrong answer to one prompt; columns as TRL names them.

    `weight` is alpha of the paper's HS-DPO loss (section 4.3). `right` and `wrong` are how many of the model's sampled
    answers were which; `label` is the gold label of `task`, if one task decided that.
    """

    id: str
    source: str
    model: str
    prompt: str
    chosen: str
    rejected: str
    right: int
    wrong: int
    task: Task | None = None
    label: str | None = None
    weight: float = 1.0


class Templates(Record):
    """Texts with blanks, of which a completion is one.

    `{opening}` takes the first words of what may be quoted; `{quotes}` at most three quotes from anywhere in it, with a
    comma between, none beginning with a token of another one.
    """

    texts: Mapping[str, tuple[str, ...]]
    """Special token -> the texts for a prompt in which it is the last of these; none of them there = any text."""
    after: str | None = None
    """The special token behind which, where it stands in the prompt, what may be quoted begins."""


class SamplingParams(Record):
    """How to sample, in vLLM's words. `temperature` 0 is greedy. A stop string is not part of the text returned."""

    n: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 512
    stop: tuple[str, ...] = ()
    seed: int | None = None
    logprobs: bool = False
    templates: Templates | None = None
    """None = any text. The embedded engine alone keeps to them; for all others they are as None."""


class Completion(Record):
    """One sampled text. `logprobs`: natural-log probability of each token (temperature 1), where asked for."""

    text: str
    finish_reason: Literal["stop", "length", "refused"]
    """`refused`: the model or its server declined to answer; `text` is what it said instead."""
    num_tokens: int
    logprobs: tuple[float, ...] | None = None
