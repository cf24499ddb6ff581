"""From a row of a benchmark, as its makers ship it, to a sample: the label rules, one function each.

They are those of allenai/safety-eval, the evaluation of WildGuard (arXiv 2406.18495), whose counts the paper has.
ToxicChat, BeaverTails and WildGuardTest follow the rules of the seed sets of the same makers. The loader sets the id.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

from guardreasoner.data.converting import Converter, flag, labelled
from guardreasoner.data.tables import Record
from guardreasoner.errors import InputError
from guardreasoner.jsonl import Json, unpacked
from guardreasoner.types import Sample

OPENAI_CATEGORIES = ("S", "H", "V", "HR", "SH", "S3", "H2", "V2")
PAIRS_PER_LABEL, PAIRS_SEED = 1000, 42


def openai_moderation(row: Json, number: int) -> Sample | str:
    """Harmful if one of the eight categories is 1; a category that is not there was not annotated."""
    given = [found for name in OPENAI_CATEGORIES if (found := flag(row.get(name))) is not None]
    if not given:
        return "no annotation"
    return _request(row.get("prompt"), number, harmful=any(given))


def aegis(row: Json, number: int) -> Sample | str:
    """Requests of users; harmful if at most one of the first three annotators says Safe and nothing else."""
    if row.get("text_type") != "user_message":
        return "no user message"
    safe = sum(row.get(f"labels_{index}") == "Safe" for index in range(3))
    text = row.get("text")
    return _request(text.strip() if isinstance(text, str) else text, number, harmful=safe <= 1)


def all_harmful(row: Json, number: int) -> Sample | str:
    """Every request in the column `prompt` is harmful."""
    return _request(row.get("prompt"), number, harmful=True)


def all_unharmful(row: Json, number: int) -> Sample | str:
    """Every request in the column `prompt` is unharmful."""
    return _request(row.get("prompt"), number, harmful=False)


def harmbench_behaviour(row: Json, number: int) -> Sample | str:
    """Every behaviour is harmful; those that need a context are left out, as there is no place for it."""
    if (category := row.get("FunctionalCategory")) not in ("standard", "copyright"):
        return f"{category} behaviour"
    return _request(row.get("Behavior"), number, harmful=True)


def harmbench_response(row: Json, number: int) -> Sample | str:
    """The majority of three people; the request is the test case that the model was given."""
    votes = [flag(row.get(f"human_{index}")) for index in range(3)]
    if None in votes:
        return "no three human votes"
    label = "harmful" if sum(vote is True for vote in votes) > 1 else "unharmful"
    return _pair(row.get("test_case"), row.get("generation"), number, response_harmfulness=label)


def xstest_harm(row: Json, number: int) -> Sample | str:
    """The label as it is."""
    return _pair(row.get("prompt"), row.get("response"), number, response_harmfulness=row.get("label"))


def xstest_refusal(row: Json, number: int) -> Sample | str:
    """The label as it is."""
    return _pair(row.get("prompt"), row.get("response"), number, response_refusal=row.get("label"))


def xstest_prompt(row: Json, number: int) -> Sample | str:
    """`safe` is unharmful, `unsafe` harmful."""
    if (label := row.get("label")) not in ("safe", "unsafe"):
        return f"unknown label {str(label)[:40]!r}"
    return _request(row.get("prompt"), number, harmful=label == "unsafe")


def jailbreakbench(*, harmful: bool) -> Converter:
    """The goal is the request; the split says what it is."""
    return lambda row, number: _request(row.get("Goal"), number, harmful=harmful)


def safety_eval_pairs(rows: Iterable[Json]) -> Iterator[Json]:
    """Of the rows with one safe and one unsafe response a draw of 1,000 per label, the safe ones first.

    The draw is safety-eval's: one sample of indices, seeded with 42, for both lists, which run side by side.
    """
    safe: list[Json] = []
    unsafe: list[Json] = []
    for row in rows:
        flags = [flag(row.get(f"is_response_{k}_safe")) for k in (0, 1)]
        if sorted(map(str, flags)) == ["False", "True"]:
            for k in (0, 1):
                pair = {"prompt": row.get("prompt"), "response": row.get(f"response_{k}"), "is_safe": flags[k]}
                (safe if flags[k] else unsafe).append(pair)
    drawn = random.Random(PAIRS_SEED).sample(range(len(safe)), min(PAIRS_PER_LABEL, len(safe)))
    yield from (safe[index] for index in drawn)
    yield from (unsafe[index] for index in drawn)


def grouped_rows(path: Path) -> Iterator[Record]:
    """The rows of a JSON object of lists, as HarmBench ships its validation set: one list per behaviour."""
    with unpacked(path) as file:
        try:
            groups: object = json.loads(file.read())
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise InputError(f"{path}: not valid JSON: {error}") from None
        except (RecursionError, ValueError):
            raise InputError(f"{path}: not readable JSON: nested too deep or a number too long") from None
    if not isinstance(groups, dict):
        raise InputError(f"{path}: found other JSON, expected an object with a list of generations per behaviour")
    number = 0
    for name, rows in cast("dict[str, Any]", groups).items():
        if not isinstance(rows, list):
            raise InputError(f"{path}: `{name}` is {type(rows).__name__}, expected a list of generations")
        for row in cast("list[object]", rows):
            number += 1
            if isinstance(row, dict):
                yield Record(number, cast(Json, row))
            else:
                yield Record(number, None, f"expected a JSON object, found {type(row).__name__}")


def _request(prompt: object, number: int, *, harmful: bool) -> Sample | str:
    return labelled("", str(number), prompt, None, prompt_harmfulness="harmful" if harmful else "unharmful")


def _pair(prompt: object, response: object, number: int, **labels: object) -> Sample | str:
    made = labelled("", str(number), prompt, response, **labels)
    return "no response" if isinstance(made, Sample) and made.exchange.response is None else made
