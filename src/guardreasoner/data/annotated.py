r"""From dialogue that somebody annotated to `Sample`s: the texts of a text source, the labels of a file of their own.

A file of labels has a line per exchange, `DIGEST LABELS`: `Exchange.digest`, and three letters: is the request harmful
(H, U), did the response refuse (R, C), is the response harmful (h, u); `?` = it could not be told. A line that begins
with # is a comment. So a repository can keep labels of texts that it must not hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from guardreasoner.data.labelled import dialogue, text_rows
from guardreasoner.data.tally import Found, Tally
from guardreasoner.errors import InputError
from guardreasoner.jsonl import reason
from guardreasoner.types import Exchange, Labels, Sample

_LETTERS = (
    ("prompt_harmfulness", {"H": "harmful", "U": "unharmful", "?": None}),
    ("response_refusal", {"R": "refusal", "C": "compliance", "?": None}),
    ("response_harmfulness", {"h": "harmful", "u": "unharmful", "?": None}),
)


def annotated_samples(folder: Path, source: str, path: Path, tally: Tally) -> Iterator[Found]:
    """The exchanges of a text source that `path` has labels for, each once, whatever turn of their dialogue they are.

    A later turn is taken without those before it. `tally` counts exchanges: those without labels are left out.
    """
    labels, seen = read_labels(path), set[str]()
    tally.place = f"{source}, labels of {path}"
    for _, row, text in text_rows(folder, (source,)):
        for turn, exchange in _exchanges(text):
            digest = exchange.digest
            if digest in seen:
                continue
            seen.add(digest)
            tally.rows += 1
            if (found := labels.get(digest)) is None:
                tally.left_out["no label"] += 1
                continue
            tally.taken += 1
            name = f"{source}-{row}-{turn}"
            yield Found(source, row, Sample(id=name, source=source, exchange=exchange, labels=found))
    if strangers := len(labels.keys() - seen):
        tally.note = f"{strangers:,} of {len(labels):,} labels are of exchanges that are not there"
    tally.check_some()


def read_labels(path: Path) -> dict[str, Labels]:
    """Digest -> labels; InputError for a line that has none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"{path}: {reason(error)}; `data.annotated` names it") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8, expected a file of labels") from None
    found: dict[str, Labels] = {}
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.startswith("#"):
            digest, labels = _read(line.strip(), f"{path} line {number}")
            if found.setdefault(digest, labels) != labels:
                raise InputError(f"{path} line {number}: {digest} has other labels above, expected each once")
    return found


def _exchanges(text: str) -> Iterator[tuple[int, Exchange]]:
    for turn, ((who, asked), (other, said)) in enumerate(pairwise(dialogue(text)), 1):
        if (who, other) == ("Human user", "AI assistant") and asked and said:
            yield turn, Exchange(prompt=asked, response=said)


def _read(line: str, place: str) -> tuple[str, Labels]:
    digest, _, letters = line.partition(" ")
    whole = len(digest) == 16 and set(digest) <= set("0123456789abcdef") and len(letters) == len(_LETTERS)
    if not whole or any(letter not in known for letter, (_, known) in zip(letters, _LETTERS, strict=True)):
        raise InputError(f"{place}: found {line!r}, expected 16 hexadecimal digits and letters such as HRu")
    given = {task: known[letter] for letter, (task, known) in zip(letters, _LETTERS, strict=True)}
    return digest, Labels.model_validate(given)
