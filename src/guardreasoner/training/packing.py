"""From examples to packed rows: what examples share at their beginning is computed once.

A sample is asked several questions, with reasoning and without, and all of them start with the same exchange. A row is
their prefix tree: each token attends to its ancestors alone, and its position is its depth, so every example sees
exactly what it would see in a row of its own.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

SHARED = 0.5  # of a prompt's tokens that must be in a row already for the example to be packed into it
Average = Literal["token", "row"]
"""What a mean loss is over: `token` = every learnt token weighs the same; `row` = every example weighs the same."""


@dataclass(frozen=True)
class Example:
    """Token ids of one text; the first `prompt` of them are given, the rest is learnt, `weight` times.

    `masked`: positions after the prompt that are read and not learnt. The first `prefix` tokens see each other both
    ways (0: attention is causal throughout).
    """

    ids: Sequence[int]
    prompt: int
    weight: float = 1.0
    masked: frozenset[int] = frozenset()
    prefix: int = 0


@dataclass(frozen=True)
class Row:
    """A prefix tree, every token after its parent.

    `parents`: position in the row of the token before, -1 for the first. `learnt`: the positions whose tokens are
    predicted, each from its parent, and `weights`, how much each adds to the loss of a batch. `units`: what the loss
    is averaged over, in learnt tokens or examples. `prefix`: how many tokens at the beginning see each other both ways.
    """

    ids: Sequence[int]
    parents: Sequence[int]
    depths: Sequence[int]
    learnt: Sequence[int]
    weights: Sequence[float]
    units: int
    prefix: int = 0

    @property
    def causal(self) -> bool:
        """Whether every token sees all before it and none after."""
        return self.prefix == 0 and self.depths[-1] == len(self.ids) - 1


def line(ids: Sequence[int]) -> Row:
    """Plain text as a row: every token but the first is learnt."""
    count = len(ids)
    return Row(ids, range(-1, count - 1), range(count), range(1, count), [1.0] * (count - 1), count - 1)


def pack(examples: Iterable[Example], longest: int, average: Average = "token") -> Iterator[Row]:
    """Neighbouring examples that share most of their prompts, in rows of at most `longest` tokens."""
    tree = _Tree(average)
    for example in examples:
        path = tree.path(example.ids[: example.prompt])
        fits = len(tree.ids) + len(example.ids) - len(path) <= longest
        # what is seen both ways is shared whole or not at all: its tokens differ with what comes after them
        alike = example.prefix == tree.prefix and len(path) >= max(SHARED * example.prompt, example.prefix)
        if tree.ids and not (fits and alike):
            yield tree.row()
            tree, path = _Tree(average), []
        tree.add(example, path)
    if tree.ids:
        yield tree.row()


class _Tree:
    """A row while it grows."""

    def __init__(self, average: Average) -> None:
        self.ids: list[int] = []
        self.prefix = 0
        self._average = average
        self._parents: list[int] = []
        self._depths: list[int] = []
        self._learnt: list[int] = []
        self._weights: list[float] = []
        self._units = 0
        self._children: dict[tuple[int, int], int] = {}

    def path(self, ids: Sequence[int]) -> list[int]:
        """Positions of the longest beginning of `ids` that is here."""
        path: list[int] = []
        for token in ids:
            at = self._children.get((path[-1] if path else -1, token))
            if at is None:
                break
            path.append(at)
        return path

    def add(self, example: Example, path: Sequence[int]) -> None:
        """Hang what comes after `path` below it. Answers are never shared: each is learnt for itself."""
        learnt = len(example.ids) - example.prompt - len(example.masked)
        self.prefix = example.prefix
        at = path[-1] if path else -1
        for depth in range(len(path), len(example.ids)):
            here = len(self.ids)
            self.ids.append(example.ids[depth])
            self._parents.append(at)
            self._depths.append(depth)
            if depth < example.prompt:
                self._children[at, example.ids[depth]] = here
            elif depth not in example.masked:
                self._learnt.append(here)
                self._weights.append(example.weight / learnt if self._average == "row" else example.weight)
            at = here
        self._units += 1 if self._average == "row" else learnt

    def row(self) -> Row:
        """Kept small: a corpus of 60 million tokens is held as rows."""
        ids, learnt = array("i", self.ids), array("i", self._learnt)
        if self._depths[-1] == len(ids) - 1:  # nothing branches
            return Row(ids, range(-1, len(ids) - 1), range(len(ids)), learnt, self._weights, self._units, self.prefix)
        parents, depths = array("i", self._parents), array("i", self._depths)
        return Row(ids, parents, depths, learnt, self._weights, self._units, self.prefix)
