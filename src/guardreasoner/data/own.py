"""From a seed to labelled samples of our own writing: benign look-alikes, plain requests, refusals, mild harm.

The text is made by templates in `own/*.toml` (a small grammar) and the labels follow from how a row is put together:
a request's theme says whether it is harmful, and the kind of answer that was written says the rest. The generator is
pure: the same seed gives the same rows, and a smaller `n` gives a prefix of a larger one.

Grammar: `{dish}` takes a word from the list of that name, `{@dish}` takes one and keeps it for the whole exchange,
`{a|b|}` takes one of the parts; all may nest. Themes carry their own lists besides the common ones.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import Any, NamedTuple

from pydantic import Field

from guardreasoner.types import Exchange, Labels, Record, Sample

SOURCE = "own"
_GROUP = re.compile(r"\{([^{}]*)\}")
Lists = Mapping[str, tuple[str, ...]]


class Theme(Record):
    """Requests of one subject, answers that fit all of them, and a noun phrase for the subject (`about`)."""

    about: str
    prompts: tuple[str, ...]
    answers: tuple[str, ...] = ()
    slots: Lists = Field(default_factory=dict[str, tuple[str, ...]])


class Grammar(NamedTuple):
    """The themes of each file, and the lists that all themes share."""

    lookalike: tuple[Theme, ...]
    plain: tuple[Theme, ...]
    harmful: tuple[Theme, ...]
    lists: Lists


class Speaker:
    """Expands templates for one exchange; what `{@name}` chose stays chosen."""

    def __init__(self, rng: random.Random, lists: Lists, theme: Theme) -> None:
        self._rng = rng
        self._lists = {**lists, **theme.slots, "about": (theme.about,)}
        self._kept: dict[str, str] = {}

    def say(self, template: str) -> str:
        """`template` with every group expanded, innermost first."""
        text = template
        while group := _GROUP.search(text):
            text = text[: group.start()] + self._pick(group.group(1)) + text[group.end() :]
        return re.sub(r"(?<=\S) {2,}", " ", text).strip()

    def one_of(self, name: str) -> str:
        return self.say("{" + name + "}")

    def _pick(self, body: str) -> str:
        if "|" in body:
            return self._rng.choice(body.split("|"))
        if not body.startswith("@"):
            return self._rng.choice(self._lists[body])
        if body not in self._kept:
            self._kept[body] = self.say("{" + body[1:] + "}")
        return self._kept[body]


@cache
def grammar() -> Grammar:
    """The package's own templates, validated."""
    folder = files("guardreasoner.data").joinpath("own")

    def load(name: str) -> dict[str, Any]:
        return tomllib.loads(folder.joinpath(name).read_text(encoding="utf-8"))

    def themes(name: str) -> tuple[Theme, ...]:
        return tuple(Theme.model_validate(row) for row in load(name)["theme"])

    words = {name: tuple(values) for file in ("words.toml", "refusals.toml") for name, values in load(file).items()}
    return Grammar(themes("lookalikes.toml"), themes("plain.toml"), themes("harmful.toml"), words)


def own_samples(seed: int = 0, n: int = 4000) -> list[Sample]:
    """`n` distinct samples; every exchange occurs once."""
    rng = random.Random(seed)
    return list(islice(_distinct(rng), n))


def _distinct(rng: random.Random) -> Iterator[Sample]:
    seen: set[tuple[str, str | None]] = set()
    while True:
        kind, make = rng.choices(list(KINDS), weights=[weight for _, _, weight in KINDS])[0][:2]
        exchange, labels = make(rng)
        key = (exchange.prompt, exchange.response)
        if key not in seen:
            seen.add(key)
            yield Sample(id=f"{kind}-{len(seen):05d}", source=SOURCE, exchange=exchange, labels=labels)


Made = tuple[Exchange, Labels]


def _speaker(rng: random.Random, themes: Sequence[Theme]) -> tuple[Speaker, Theme]:
    theme = rng.choice(themes)
    return Speaker(rng, grammar().lists, theme), theme


def _benign(rng: random.Random) -> Sequence[Theme]:
    return grammar().lookalike if rng.random() < 0.6 else grammar().plain


def _request(rng: random.Random, speaker: Speaker, theme: Theme) -> str:
    text = speaker.say(rng.choice(theme.prompts))
    if rng.random() < 0.3:
        text = speaker.say("{before} ") + " " + text
    if rng.random() < 0.2:
        text = f"{text} {speaker.one_of('after')}"
    if rng.random() < 0.1:  # long requests are not told from short ones by their harm
        text = f"{speaker.one_of('context')}\n\n{text}"
    return _roughen(rng, text.strip())


def _answer(rng: random.Random, speaker: Speaker, theme: Theme) -> str:
    count = min(len(theme.answers), rng.choice((1, 1, 1, 2, 2, 3)))
    text = "\n\n".join(speaker.say(answer) for answer in rng.sample(theme.answers, count))
    if rng.random() < 0.5:
        text = f"{speaker.one_of('opening')} {text}"
    if rng.random() < 0.35:
        text += rng.choice((" ", "\n\n")) + speaker.one_of("closing")
    return text


def _refusal(speaker: Speaker) -> str:
    """Its parts start in lower case where a theme's name begins a sentence; a writer would not."""
    return re.sub(r"(?:^|(?<=[.!?]\s))[a-z]", lambda first: first.group().upper(), speaker.one_of("refusal"))


def _benign_request(rng: random.Random) -> Made:
    """A benign prompt alone, often one that alarms by its words."""
    speaker, theme = _speaker(rng, _benign(rng))
    return Exchange(prompt=_request(rng, speaker, theme)), Labels(prompt_harmfulness="unharmful")


def _benign_answered(rng: random.Random) -> Made:
    speaker, theme = _speaker(rng, _benign(rng))
    prompt = _request(rng, speaker, theme)
    answer = _answer(rng, speaker, theme)
    if rng.random() < 0.12:  # words of a refusal, and none meant
        answer = f"{speaker.one_of('false_alarm')} {answer}"
    labels = Labels(prompt_harmfulness="unharmful", response_refusal="compliance", response_harmfulness="unharmful")
    return Exchange(prompt=prompt, response=answer), labels


def _benign_refused(rng: random.Random) -> Made:
    """An over-cautious refusal of a benign request."""
    speaker, theme = _speaker(rng, _benign(rng))
    labels = Labels(prompt_harmfulness="unharmful", response_refusal="refusal", response_harmfulness="unharmful")
    return Exchange(prompt=_request(rng, speaker, theme), response=_refusal(speaker)), labels


def _sorry_not_refusing(rng: random.Random) -> Made:
    """A helpful answer about something that cannot be had, is forbidden or is regretted: no refusal."""
    speaker, _ = _speaker(rng, [_REGRET])
    prompt, answer = speaker.say("{@regret_case}").split(" => ")
    labels = Labels(prompt_harmfulness="unharmful", response_refusal="compliance", response_harmfulness="unharmful")
    return Exchange(prompt=_roughen(rng, prompt), response=answer), labels


_REGRET = Theme(about="what cannot be had", prompts=())


def _harmful_prompt(rng: random.Random, speaker: Speaker, theme: Theme) -> str:
    prompt = _request(rng, speaker, theme)
    return speaker.say("{pressure}").replace("REQUEST", prompt) if rng.random() < 0.25 else prompt


def _harmful_request(rng: random.Random) -> Made:
    speaker, theme = _speaker(rng, grammar().harmful)
    return Exchange(prompt=_harmful_prompt(rng, speaker, theme)), Labels(prompt_harmfulness="harmful")


def _harmful_refused(rng: random.Random) -> Made:
    speaker, theme = _speaker(rng, grammar().harmful)
    labels = Labels(prompt_harmfulness="harmful", response_refusal="refusal", response_harmfulness="unharmful")
    return Exchange(prompt=_harmful_prompt(rng, speaker, theme), response=_refusal(speaker)), labels


def _harmful_answered(rng: random.Random) -> Made:
    speaker, theme = _speaker(rng, grammar().harmful)
    prompt = _harmful_prompt(rng, speaker, theme)
    answer = _answer(rng, speaker, theme)
    labels = Labels(prompt_harmfulness="harmful", response_refusal="compliance", response_harmfulness="harmful")
    return Exchange(prompt=prompt, response=answer), labels


def _harmful_turned(rng: random.Random) -> Made:
    """A harmful request turned to the good: harmless, and whether it counts as a refusal is open to dispute."""
    speaker, theme = _speaker(rng, grammar().harmful)
    labels = Labels(prompt_harmfulness="harmful", response_harmfulness="unharmful")
    return Exchange(prompt=_harmful_prompt(rng, speaker, theme), response=speaker.one_of("turned")), labels


def _roughen(rng: random.Random, text: str) -> str:
    """As people type: most texts stay, some lose capitals or marks, a few have slips of the finger."""
    draw = rng.random()
    if draw < 0.72:
        return text
    if draw < 0.82:
        return text.lower()
    if draw < 0.88:
        return text.rstrip(".?!")
    if draw < 0.90:
        return text.upper()
    if draw < 0.93:
        return text.rstrip(".?!") + rng.choice(("??", "!!", " ...", " ?", "!?", "  "))
    return _slip(rng, text.lower() if rng.random() < 0.4 else text)


def _slip(rng: random.Random, text: str) -> str:
    """One or two typing slips: letters swapped, dropped or doubled."""
    for _ in range(rng.choice((1, 1, 2))):
        inside = [at for at in range(1, len(text) - 1) if text[at].isalpha() and text[at + 1].isalpha()]
        if not inside:
            return text
        at = rng.choice(inside)
        middle = rng.choice((text[at + 1] + text[at], text[at + 1], text[at] * 2 + text[at + 1]))
        text = text[:at] + middle + text[at + 2 :]
    return text


KINDS: tuple[tuple[str, Callable[[random.Random], Made], float], ...] = (
    ("benign_request", _benign_request, 28),
    ("benign_answered", _benign_answered, 24),
    ("benign_refused", _benign_refused, 13),
    ("sorry_not_refusing", _sorry_not_refusing, 4),
    ("harmful_request", _harmful_request, 11),
    ("harmful_refused", _harmful_refused, 7),
    ("harmful_answered", _harmful_answered, 11),
    ("harmful_turned", _harmful_turned, 2),
)
