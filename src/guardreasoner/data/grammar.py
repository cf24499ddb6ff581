"""From templates in `own/*.toml` to text: a small grammar.

`{dish}` takes a word from the list of that name, `{@dish}` takes one and keeps it for the whole exchange, `{a|b|}`
takes one of the parts; all may nest. Themes carry their own lists besides the common ones.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from pydantic import Field

from guardreasoner.types import Record

_GROUP = re.compile(r"\{([^{}]*)\}")
Lists = Mapping[str, tuple[str, ...]]


class Theme(Record):
    """Requests of one subject, answers that fit all of them, and a noun phrase for the subject (`about`).

    `harmful` are answers too, where a theme has both kinds to the same requests.
    """

    about: str
    prompts: tuple[str, ...]
    answers: tuple[str, ...] = ()
    harmful: tuple[str, ...] = ()
    slots: Lists = Field(default_factory=dict[str, tuple[str, ...]])


class Grammar(NamedTuple):
    """The themes of each file, and the lists that all themes share."""

    lookalike: tuple[Theme, ...]
    plain: tuple[Theme, ...]
    harmful: tuple[Theme, ...]
    contrast: tuple[Theme, ...]
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
    return Grammar(
        themes("lookalikes.toml"), themes("plain.toml"), themes("harmful.toml"), themes("contrasts.toml"), words
    )
