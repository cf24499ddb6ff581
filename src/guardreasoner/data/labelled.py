r"""From labelled files and ordinary dialogue to `Sample`s, split by prompt.

A labelled file is `labelled/<source>.jsonl.gz` with rows
`{prompt, response|null, prompt_harm, response_refusal, response_harm, source, note}`; null = not annotated.
A text file is `text/<name>.jsonl.gz` with rows `{text, source}`; dialogue reads
`Human user:\n..\n\nAI assistant:\n..`.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from guardreasoner.errors import InputError
from guardreasoner.types import Exchange, Labels, Sample

OWN = "own"
"""`Sample.source` of rows of our own making (`data/own`)."""

_TURN = re.compile(r"\n*(Human user|AI assistant):\s*")


def labelled_samples(folder: Path, source: str, rows: int, seed: int, leave_out: Sequence[str] = ()) -> list[Sample]:
    """At most `rows` samples of one source, a seeded draw in file order."""
    path = folder / "labelled" / f"{source}.jsonl.gz"
    kept: list[Sample] = []
    for number, row in read_rows(path):
        if any(word in str(row.get("note")) for word in leave_out):
            continue
        try:
            answered = bool(row["response"] and row["response"].strip())  # a blank response is none, as in `Guard`
            labels = Labels(
                prompt_harmfulness=row["prompt_harm"],
                response_refusal=row["response_refusal"] if answered else None,
                response_harmfulness=row["response_harm"] if answered else None,
            )
            exchange = Exchange(prompt=row["prompt"], response=row["response"] if answered else None)
        except (KeyError, AttributeError, ValidationError) as error:
            raise InputError(f"{path.name} line {number}: not a labelled row: {error}") from None
        kept.append(Sample(id=f"{source}-{number}", source=source, exchange=exchange, labels=labels))
    return _draw(kept, rows, f"{seed}-{source}")


def dialogue_samples(folder: Path, sources: dict[str, int], seed: int) -> list[Sample]:
    """First turns of ordinary dialogue as benign samples. The label is a rule: nobody annotated these rows."""
    benign = Labels(prompt_harmfulness="unharmful", response_refusal="compliance", response_harmfulness="unharmful")
    found: dict[str, list[Sample]] = {source: [] for source in sources}
    for source, number, text in text_rows(folder, sources):
        turns = dialogue(text)
        if len(turns) >= 2 and turns[0][0] == "Human user" and all(turn for _, turn in turns[:2]):
            exchange = Exchange(prompt=turns[0][1], response=turns[1][1])
            found[source].append(Sample(id=f"{source}-{number}", source=source, exchange=exchange, labels=benign))
    return [sample for source in sources for sample in _draw(found[source], sources[source], f"{seed}-{source}")]


def dialogue(text: str) -> list[tuple[str, str]]:
    """(speaker, words) per turn; [] when the text is not dialogue."""
    parts = _TURN.split(text)
    if len(parts) < 3 or parts[0].strip():
        return []
    return [(who, words.strip()) for who, words in zip(parts[1::2], parts[2::2], strict=True)]


def text_rows(folder: Path, sources: Collection[str]) -> Iterator[tuple[str, int, str]]:
    """(source, row number, text) of every row of `text/*.jsonl.gz` whose source is asked for."""
    seen: set[str] = set()
    for path in sorted((folder / "text").glob("*.jsonl.gz")):
        for number, row in read_rows(path):
            if row.get("source") in sources:
                seen.add(row["source"])
                yield row["source"], number, row["text"]
    if missing := sorted(set(sources) - seen):
        raise InputError(f"{folder / 'text'}: no row with source {', '.join(missing)}")


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, object) per line of a gzip JSONL file."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                row: object = json.loads(line)
                if not isinstance(row, dict):
                    raise InputError(f"{path} line {number}: expected a JSON object, found {type(row).__name__}")
                yield number, row
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; the recipe's `data` section names it") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: not a gzip JSONL file: {error}") from None


def normalised(prompt: str) -> str:
    """NFKC, lower case, letters and digits only: what counts as the same prompt."""
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", prompt).lower()))


def is_dev(prompt: str, share: float) -> bool:
    """True for the share of prompts that are kept for development; the same prompt always falls the same way."""
    digest = hashlib.sha256(normalised(prompt).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < share


def _draw(samples: list[Sample], rows: int, seed: str) -> list[Sample]:
    if len(samples) <= rows:
        return samples
    chosen = sorted(random.Random(seed).sample(range(len(samples)), rows))
    return [samples[index] for index in chosen]
