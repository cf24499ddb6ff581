"""From prompts and choices as token ids to the rows of a forward pass, and from sampled ids to text. No tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from guardreasoner.errors import InputError

Ids = list[int]
Decode = Callable[[Sequence[int]], str]


@dataclass(frozen=True)
class Place:
    """Where one choice is read: `row`, and `start`, the tokens of the row's tail before the choice's first one (0)."""

    row: int
    tokens: tuple[int, ...]


def tails(choices: Sequence[Ids]) -> tuple[list[Ids], list[Place]]:
    """What must follow a prompt so that every choice can be read, and which tail serves each choice.

    The last token of a choice is predicted, never fed, and a tail that begins another one is served by it: choices
    of one token need the prompt alone.
    """
    fed = sorted({tuple(choice[:-1]) for choice in choices}, key=len, reverse=True)
    kept: list[tuple[int, ...]] = []
    for tail in fed:
        if not any(longer[: len(tail)] == tail for longer in kept):
            kept.append(tail)
    places = [
        Place(next(row for row, tail in enumerate(kept) if list(tail[: len(choice) - 1]) == choice[:-1]), tuple(choice))
        for choice in choices
    ]
    return [list(tail) for tail in kept], places


def check_fit(lengths: Sequence[int], context: int | None, answer: int = 1) -> None:
    """Raise InputError for the first prompt that is empty or leaves no room for `answer` tokens."""
    for index, length in enumerate(lengths):
        if length == 0:
            raise InputError(f"prompt {index} has 0 tokens, expected at least 1")
        if context is not None and length + answer > context:
            raise InputError(f"prompt {index} has {length:,} tokens, expected at most {context - answer:,}")


def batches(lengths: Sequence[int], room: Sequence[int], wanted: int, size: int) -> Iterator[list[int]]:
    """Indices in batches of `size`, longest prompts first; a prompt with less room than wanted runs alone."""
    cramped = [index for index in range(len(lengths)) if room[index] < wanted]
    free = sorted(set(range(len(lengths))) - set(cramped), key=lambda index: -lengths[index])
    yield from ([index] for index in cramped)
    yield from (free[start : start + size] for start in range(0, len(free), size))


def cut(tokens: Sequence[int], stop: Sequence[str], ends: frozenset[int], decode: Decode) -> tuple[str, int, bool]:
    """(text, its number of tokens, whether it ended by itself) of the sampled `tokens`.

    It ends before the first end token or the first stop string; what a batch appended later is dropped.
    """
    length = next((index for index, token in enumerate(tokens) if token in ends), len(tokens))
    ended = length < len(tokens)
    text = decode(tokens[:length])
    found = min((text.find(word) for word in stop if word in text), default=-1)
    if found < 0:
        return text, length, ended
    while length and len(decode(tokens[: length - 1])) >= found:
        length -= 1
    return text[:found], length, True
