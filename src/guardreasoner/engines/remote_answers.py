"""From the JSON of a /v1/completions answer to completions and next-token log-probabilities, checked field by field."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, Field, ValidationError

from guardreasoner.errors import EngineError, InputError
from guardreasoner.types import Completion, SamplingParams

FLOOR = -9999.0  # what vLLM writes for a probability of 0; JSON has no infinity
STOPS = {"stop", "eos", "eos_token", "stop_sequence"}

WITHHELD = "the server withheld the answer: its content filter stopped it"


class _Token(BaseModel):
    token: str
    logprob: float
    bytes: list[int] | None = None

    @property
    def text(self) -> str:
        """From the bytes where they are given: some servers garble the text of a token that is half a character."""
        try:
            return bytes(self.bytes).decode() if self.bytes else self.token
        except ValueError:
            return self.token


class _Position(_Token):
    top_logprobs: list[_Token] = Field(default_factory=list[_Token])


class _Logprobs(BaseModel):
    """Both shapes there are: OpenAI's parallel lists (vLLM, SGLang), and the `content` of the chat API (llama.cpp)."""

    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float | None] | list[_Token] | None] | None = None
    content: list[_Position] | None = None

    @property
    def chosen(self) -> tuple[float, ...] | None:
        if self.content is not None:
            return tuple(position.logprob for position in self.content)
        if self.token_logprobs is None:
            return None
        return tuple(FLOOR if logprob is None else logprob for logprob in self.token_logprobs)

    @property
    def first(self) -> list[tuple[str, float]]:
        """The likeliest next tokens and their log-probabilities; empty where the server gave none."""
        if self.content:
            return [(token.text, token.logprob) for token in self.content[0].top_logprobs]
        listed = self.top_logprobs[0] if self.top_logprobs else None
        if isinstance(listed, dict):
            return [(token, FLOOR if logprob is None else logprob) for token, logprob in listed.items()]
        return [(token.text, token.logprob) for token in listed or ()]


class _Choice(BaseModel):
    text: str
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Usage(BaseModel):
    completion_tokens: int | None = None


class Answer(BaseModel):
    """The part of a server's answer that is read; what else it says is ignored."""

    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None


@dataclass(frozen=True)
class NextTokens:
    """The listed next tokens, and what the log-probability of an unlisted one is at most."""

    listed: dict[str, float]
    bound: float


def read_answer(answer: object, place: str) -> Answer:
    """Raise EngineError for an answer that lacks what every completion has, InputError for one that was withheld."""
    try:
        read = Answer.model_validate(answer)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the answer"
        raise EngineError(f"{place}: `{where}` of the server's answer: {first['msg'].lower()}") from error
    if any(choice.finish_reason == "content_filter" for choice in read.choices):
        raise InputError(WITHHELD)
    return read


def completions(answer: Answer, params: SamplingParams, place: str) -> list[Completion]:
    """One per choice. Where several share one count of tokens, each gets its share by length of text."""
    total = answer.usage.completion_tokens if answer.usage else None
    letters = sum(len(choice.text) for choice in answer.choices)
    return [_completion(choice, params, _share(choice, total, letters), place) for choice in answer.choices]


def _share(choice: _Choice, total: int | None, letters: int) -> int:
    if total is None:
        return len(choice.text.split())
    return total if len(choice.text) == letters else round(total * len(choice.text) / letters)


def _completion(choice: _Choice, params: SamplingParams, share: int, place: str) -> Completion:
    ends = [choice.text.find(stop) for stop in params.stop if stop in choice.text]  # some servers leave it in
    if not ends and choice.finish_reason not in STOPS and choice.finish_reason != "length":
        raise EngineError(f"{place}: finish_reason is {choice.finish_reason!r}, expected 'stop' or 'length'")
    logprobs = choice.logprobs.chosen if choice.logprobs and params.logprobs else None
    text = choice.text[: min(ends, default=len(choice.text))]
    return Completion(
        text=text.encode(errors="replace").decode(),  # half a character pair, as some servers send, is no Unicode
        finish_reason="stop" if ends or choice.finish_reason in STOPS else "length",
        num_tokens=min(share, params.max_tokens) if logprobs is None else len(logprobs),
        logprobs=logprobs,
    )


def next_tokens(answer: Answer) -> NextTokens | None:
    """None: the server gave no log-probabilities."""
    logprobs = answer.choices[0].logprobs
    entries = [(text, max(logprob, FLOOR)) for text, logprob in (logprobs.first if logprobs else ())]
    if not entries:
        return None
    listed: dict[str, float] = {}
    for text, logprob in sorted(entries, key=lambda entry: entry[1]):
        listed[text.replace("\u0120", " ").replace("\u2581", " ")] = logprob  # raw vocabulary writes spaces so
    rest = 1 - sum(math.exp(logprob) for _, logprob in entries)
    return NextTokens(listed, min(*(logprob for _, logprob in entries), math.log(max(rest, 1e-12))))


def walk(ask: Callable[[str], NextTokens], prompt: str, choices: Sequence[str]) -> list[float]:
    """Log-probability of each choice after `prompt`, token by token along its text; choices share what they share.

    At each step the longest listed token that the rest of the choice begins with is taken. Where none is listed, the
    result is an upper bound: the rest is as likely as the least likely token listed, or as all unlisted ones together.
    Where that is so for every choice, bounds would be compared, not probabilities: each gets -inf.
    """
    known: dict[str, NextTokens] = {}
    found: list[float] = []
    unlisted = 0
    for choice in choices:
        done, total = "", 0.0
        while done != choice:
            if done not in known:
                known[done] = ask(prompt + done)
            step = _step(known[done].listed, choice[len(done) :])
            if step is None:
                total += known[done].bound
                unlisted += 1
                break
            done, total = done + step[0], total + step[1]
        found.append(total)
    return [-math.inf] * len(choices) if len(choices) > 1 and unlisted == len(choices) else found


def _step(listed: dict[str, float], rest: str) -> tuple[str, float] | None:
    """(text, log-probability) of the longest listed token that `rest` begins with."""
    fitting = [token for token in listed if token and rest.startswith(token)]
    if fitting:
        token = max(fitting, key=len)
        return token, listed[token]
    # Some servers decode each token alone, and with some tokenizers its leading space is lost then, on all of them.
    if rest.startswith(" ") and not any(token.startswith(" ") for token in listed):
        bare = _step(listed, rest[1:])
        return None if bare is None else (" " + bare[0], bare[1])
    return None
