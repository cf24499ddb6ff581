"""From exchanges to readings through an OpenAI-compatible /v1/moderations endpoint.

Rule: the endpoint's own `flagged`; the score is the largest of its category scores, for curves alone. The request is
judged by itself, the response by itself. A threshold other than 0.5 decides by the score instead. A text that the
endpoint's own filter stops is refused, one that is too long cannot be judged.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from pydantic import BaseModel, Field, ValidationError

from guardreasoner.engines.remote_http import Endpoint, Refused
from guardreasoner.engines.served import served_at
from guardreasoner.errors import EngineError, InputError
from guardreasoner.formats.rivals.base import HARMFULNESS
from guardreasoner.inputs import DEFAULT_THRESHOLD
from guardreasoner.types import Exchange, Labels, Malformed, Scores, Task, Verdict

MODEL = "omni-moderation-latest"


class _Result(BaseModel):
    flagged: bool
    category_scores: dict[str, float | None] = Field(default_factory=dict[str, float | None])


class _Answer(BaseModel):
    results: list[_Result] = Field(min_length=1, max_length=1)


class ModerationJudge:
    """One text a request. `address`: the server's, and `#NAME` of the model on it; the key is OPENAI_API_KEY."""

    name = "openai-moderation"
    tasks: tuple[Task, ...] = HARMFULNESS
    max_reasoning_tokens = 0

    def __init__(
        self, address: str, *, timeout: float = 60, max_retries: int = 5, backoff: float = 0.5, concurrency: int = 8
    ) -> None:
        if not address.startswith(("http://", "https://")):
            raise InputError(
                f"format openai-moderation: expected a server's address that starts with http://, found {address!r}"
            )
        base_url, model = served_at(address)
        self._model, self._concurrency = model or MODEL, concurrency
        self._endpoint = Endpoint(
            base_url,
            api_key=os.environ.get("OPENAI_API_KEY"),
            timeout=timeout,
            max_retries=max_retries,
            backoff=backoff,
            connections=concurrency,
        )
        self._finalizer = weakref.finalize(self, self._endpoint.close)

    def close(self) -> None:
        """Close the connections; they also close when the judge is no longer referred to."""
        self._finalizer()

    @property
    def model(self) -> str:
        return self._model

    def judge(self, exchanges: Sequence[Exchange], thresholds: Mapping[Task, float]) -> list[Verdict | Malformed]:
        asked = [
            (number, task, exchange.prompt if task is Task.PROMPT_HARMFULNESS else exchange.response or "")
            for number, exchange in enumerate(exchanges)
            for task in exchange.tasks
            if task in self.tasks
        ]
        if not asked:
            return []
        with ThreadPoolExecutor(min(self._concurrency, len(asked))) as pool:
            results = list(pool.map(self._ask, [text for _, _, text in asked]))
        labels: list[dict[str, str]] = [{} for _ in exchanges]
        scores: list[dict[str, float]] = [{} for _ in exchanges]
        refused: dict[int, Malformed] = {}
        for (number, task, _), result in zip(asked, results, strict=True):
            if isinstance(result, Malformed):
                refused[number] = result
                continue
            flagged, score = result
            labels[number][task.value] = _label(task, flagged, score, thresholds[task])
            scores[number] |= {} if score is None else {task.value: score}
        verdicts = [
            Verdict(labels=Labels.model_validate(label), scores=Scores(**score) if score else None, model=self._model)
            for label, score in zip(labels, scores, strict=True)
        ]
        return [
            refused[number].model_copy(update={"partial": verdict if verdict.labels.tasks else None})
            if number in refused
            else verdict
            for number, verdict in enumerate(verdicts)
        ]

    def _ask(self, text: str) -> tuple[bool, float | None] | Malformed:
        try:
            answer = self._endpoint.post("/moderations", {"model": self._model, "input": text})
        except Refused as error:
            if error.filtered:
                return Malformed(text=error.said, reason="the model refused to judge", refused=True)
            if error.too_long:
                raise InputError(f"the text does not fit the endpoint: {error}") from error
            raise
        try:
            (result,) = _Answer.model_validate(answer).results
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the answer"
            raise EngineError(f"{self._endpoint.place}: `{where}` of the moderation: {first['msg'].lower()}") from error
        known = [value for value in result.category_scores.values() if value is not None]
        return result.flagged, max(known, default=None)


def _label(task: Task, flagged: bool, score: float | None, threshold: float) -> str:
    if threshold == DEFAULT_THRESHOLD:
        return task.labels[0 if flagged else 1]
    if score is None:
        raise InputError(f"threshold of {task.value}: the endpoint gave no category scores to compare with it")
    return task.labels[0 if score >= threshold else 1]
