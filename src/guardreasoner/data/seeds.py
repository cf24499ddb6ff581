"""From a row of a seed set, as its makers ship it, to a `Sample`. `SEEDS` is the table: one row and converter per set.

The label rules are the paper's (section 4.1 and appendix), with what it leaves open decided in the converters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from guardreasoner.data.converting import Converter, flag, labelled
from guardreasoner.data.tally import cell
from guardreasoner.data.upstream import Upstream
from guardreasoner.errors import InputError
from guardreasoner.jsonl import Json
from guardreasoner.types import Sample


@dataclass(frozen=True, kw_only=True)
class Seed(Upstream):
    """One set: where it is on the hub, what its rows hold, and how many there are."""

    convert: Converter
    rows: int
    taken: int
    """Rows in the file, and rows that the rules leave: the paper's Table 1."""


def wildguard(row: Json, number: int) -> Sample | str:
    """All three labels as they are, null = not annotated; over half of the rows are requests alone."""
    return _sample(
        "WildGuardTrain",
        number,
        row.get("prompt"),
        row.get("response"),
        prompt_harmfulness=row.get("prompt_harm_label"),
        response_refusal=row.get("response_refusal_label"),
        response_harmfulness=row.get("response_harm_label"),
    )


def aegis(row: Json, number: int) -> Sample | str:
    """Unharmful where more than half of the annotators say Safe and nothing else; harmful otherwise.

    So `Needs Caution` is harmful, like any category (the paper: anything but Safe), and a tie is harmful. A vote that
    is empty or `None` was not given. Every `text_type` is taken, and the whole text is the request, as the authors
    do: the text does not mark who speaks, and the annotation is of all of it. No row gets a response label.
    """
    votes = [str(vote) for name, value in row.items() if re.fullmatch(r"labels_\d+", name) and (vote := cell(value))]
    votes = [vote for vote in votes if vote != "None"]
    if not votes:
        return "no annotation"
    safe = sum({part.strip() for part in vote.split(",")} == {"Safe"} for vote in votes)
    label = "unharmful" if 2 * safe > len(votes) else "harmful"
    return _sample("AegisTrain", number, row.get("text"), None, prompt_harmfulness=label)


def beavertails(row: Json, number: int) -> Sample | str:
    """Only the response is annotated."""
    is_safe = flag(row.get("is_safe"))
    if is_safe is None:
        return f"unknown is_safe {str(row.get('is_safe'))[:40]!r}"
    label = "unharmful" if is_safe else "harmful"
    made = _sample("BeaverTails", number, row.get("prompt"), row.get("response"), response_harmfulness=label)
    return "no response" if isinstance(made, Sample) and made.exchange.response is None else made


def toxicchat(row: Json, number: int) -> Sample | str:
    """Requests that people annotated. `model_output` is not judged by anyone, so it is left away, as the authors do."""
    if not flag(row.get("human_annotation")):
        return "no human annotation"
    toxic = flag(row.get("toxicity"))
    if toxic is None:
        return f"unknown toxicity {str(row.get('toxicity'))[:40]!r}"
    label = "harmful" if toxic else "unharmful"
    return _sample("ToxicChat", number, row.get("user_input"), None, prompt_harmfulness=label)


SEEDS = (
    Seed(
        name="WildGuardTrain",
        hub="allenai/wildguardmix",
        config="wildguardtrain",
        split="train",
        revision="d29c47f41c8b51348b5c8e8c81c039b3132b66d1",
        file="train/wildguard_train.parquet",
        fields=("prompt", "response", "prompt_harm_label", "response_refusal_label", "response_harm_label"),
        convert=wildguard,
        rows=86_759,
        taken=86_759,
        gated=True,
        licence="ODC-BY",
    ),
    Seed(
        name="AegisTrain",
        hub="nvidia/Aegis-AI-Content-Safety-Dataset-1.0",
        config=None,
        split="train",
        revision="bd96d862068e47630197de64eb91f8d1481ff3e0",
        file="Content Moderation Extracted Annotations 02.08.24_train_release_0418_v1.parquet",
        fields=("text", "labels_0"),
        convert=aegis,
        rows=10_798,
        taken=10_798,
        gated=False,
        licence="CC-BY-4.0",
    ),
    Seed(
        name="BeaverTails",
        hub="PKU-Alignment/BeaverTails",
        config=None,
        split="30k_train",
        revision="8401fe609d288129cc684a9b3be6a93e41cfe678",
        file="round0/30k/train.jsonl.gz",
        fields=("prompt", "response", "is_safe"),
        convert=beavertails,
        rows=27_186,
        taken=27_186,
        gated=False,
        licence="CC-BY-NC-4.0",
    ),
    Seed(
        name="ToxicChat",
        hub="lmsys/toxic-chat",
        config="toxicchat0124",
        split="train",
        revision="3e0319203c7162b9c9f8015b594441f979c199bc",
        file="data/0124/toxic-chat_annotation_train.csv",
        fields=("user_input", "human_annotation", "toxicity"),
        convert=toxicchat,
        rows=5_082,
        taken=2_801,
        gated=False,
        licence="CC-BY-NC-4.0",
    ),
)


def seed_of(name: str) -> Seed:
    """The row of the table with this name."""
    for seed in SEEDS:
        if seed.name == name:
            return seed
    raise InputError(f"data.seeds: unknown seed set {name!r}, expected {', '.join(seed.name for seed in SEEDS)}")


def difference(seed: Seed, rows: int, taken: int) -> str | None:
    """How what was found departs from the paper's set, None if it does not."""
    if (rows, taken) == (seed.rows, seed.taken):
        return None
    return f"found {taken:,} usable of {rows:,} rows, the paper's set has {seed.taken:,} of {seed.rows:,}"


def _sample(name: str, number: int, prompt: object, response: object, **labels: Any) -> Sample | str:
    return labelled(name, f"{name}-{number}", prompt, response, **labels)
