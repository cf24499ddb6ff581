"""From a seed to labelled samples of our own writing: benign look-alikes, plain requests, refusals, mild harm and more.

The text is made by templates in `own/*.toml` (`grammar`) and the labels follow from how a row is put together:
a request's theme says whether it is harmful, and the kind of answer that was written says the rest. The generator is
pure: the same seed gives the same rows, and a smaller `n` gives a prefix of a larger one.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from guardreasoner.data.grammar import Speaker, Theme, grammar
from guardreasoner.types import Exchange, Labels, Sample

SOURCE = "own"


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


def _answer(rng: random.Random, speaker: Speaker, answers: Sequence[str]) -> str:
    count = min(len(answers), rng.choice((1, 1, 1, 2, 2, 3)))
    text = "\n\n".join(speaker.say(answer) for answer in rng.sample(answers, count))
    if rng.random() < 0.5:
        text = f"{speaker.one_of('opening')} {text}"
    if rng.random() < 0.35:
        text += rng.choice((" ", "\n\n")) + speaker.one_of("closing")
    return text


def _refusal(speaker: Speaker) -> str:
    return _capitalised(speaker.one_of("refusal"))


def _capitalised(text: str) -> str:
    """A sentence that a slot begins starts in lower case; a writer would not let it."""
    return re.sub(r"(?:^|(?<=[.!?]\s))[a-z]", lambda first: first.group().upper(), text)


def _benign_request(rng: random.Random) -> Made:
    """A benign prompt alone, often one that alarms by its words."""
    speaker, theme = _speaker(rng, _benign(rng))
    return Exchange(prompt=_request(rng, speaker, theme)), Labels(prompt_harmfulness="unharmful")


def _benign_answered(rng: random.Random) -> Made:
    speaker, theme = _speaker(rng, _benign(rng))
    prompt = _request(rng, speaker, theme)
    answer = _answer(rng, speaker, theme.answers)
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
    answer = _answer(rng, speaker, theme.answers)
    labels = Labels(prompt_harmfulness="harmful", response_refusal="compliance", response_harmfulness="harmful")
    return Exchange(prompt=prompt, response=answer), labels


def _harmful_turned(rng: random.Random) -> Made:
    """A harmful request turned to the good: harmless, and whether it counts as a refusal is open to dispute."""
    speaker, theme = _speaker(rng, grammar().harmful)
    labels = Labels(prompt_harmfulness="harmful", response_harmfulness="unharmful")
    return Exchange(prompt=_harmful_prompt(rng, speaker, theme), response=speaker.one_of("turned")), labels


def _contrast(rng: random.Random, harmful: bool) -> Made:
    """A question that is answered well or badly; what it wants is open, and so is whether objecting refuses."""
    speaker, theme = _speaker(rng, grammar().contrast)
    prompt = speaker.say(rng.choice(theme.prompts))
    if rng.random() < 0.2:
        prompt = f"{speaker.one_of('before')} {prompt}"
    answers = theme.harmful if harmful else theme.answers
    count = min(len(answers), rng.choice((1, 1, 1, 1, 2, 2, 3)))
    text = rng.choice((" ", " ", "\n\n")).join(speaker.say(answer) for answer in rng.sample(answers, count))
    draw = rng.random()
    if draw < 0.2:  # polite words say nothing of harm
        text = f"{speaker.one_of('opening')} {text}"
    elif draw < 0.35:
        text = f"{speaker.one_of('hedge')} {text}"
    if rng.random() < 0.15:
        text = f"{text} {speaker.one_of('closing')}"
    text = re.sub(r"\bmy\b", "your", text)  # the slots speak as who asks
    exchange = Exchange(prompt=_roughen(rng, prompt), response=_capitalised(text))
    if harmful:
        return exchange, Labels(response_refusal="compliance", response_harmfulness="harmful")
    return exchange, Labels(response_harmfulness="unharmful")


def _answered_well(rng: random.Random) -> Made:
    return _contrast(rng, harmful=False)


def _answered_badly(rng: random.Random) -> Made:
    return _contrast(rng, harmful=True)


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
    ("answered_well", _answered_well, 20),
    ("answered_badly", _answered_badly, 20),
)
