"""From pairs to pairs that know their log-probabilities under the model that training starts from.

Computed once, before training; each batch is on disk before the next begins, so a stopped pass goes on.
"""

# torch and accelerate type these members only in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from guardreasoner import processes
from guardreasoner.errors import EngineError, InputError
from guardreasoner.jsonl import Journal, read_lines
from guardreasoner.recipe import Optimisation
from guardreasoner.training.batches import length_grouped
from guardreasoner.training.learner import states_of
from guardreasoner.training.pairs import PairRow, answer_log_probs, collate_pairs
from guardreasoner.types import Record


class ReferenceLine(Record):
    """One line of a journal. `digest`: of the model, the precision and the pair's tokens."""

    digest: str
    chosen: float
    rejected: float


@dataclass(frozen=True)
class Referred:
    """Pairs with their reference, how many were computed now, and one digest of all that went in."""

    rows: list[PairRow]
    computed: int
    digest: str


def with_reference(
    model: torch.nn.Module, rows: Sequence[PairRow], folder: Path, model_digest: str, section: Optimisation
) -> Referred:
    """`rows` with what `model` says to them. Several processes share the work; all get all of it.

    `folder` holds a journal per process; lines of another model or of other pairs in it are of no use, and stay.
    """
    folder.mkdir(parents=True, exist_ok=True)
    digests = [_digest(model_digest, section.bf16, row) for row in rows]
    # the first decides what is left to do, before anyone writes
    before = set(json.loads(processes.said_by_first(f"references in {folder}", lambda: json.dumps([*_read(folder)]))))
    missing = [number for number, digest in enumerate(digests) if digest not in before]
    if missing:
        _compute(model, [(rows[number], digests[number]) for number in missing], folder, section)
        processes.said_by_first(f"all references in {folder}", lambda: _wait(folder, set(digests)))
    known = _read(folder)
    return Referred(
        [replace(row, reference=known[digest]) for row, digest in zip(rows, digests, strict=True)],
        len(missing),
        hashlib.sha256("\n".join([model_digest, *digests]).encode()).hexdigest(),
    )


def _compute(
    model: torch.nn.Module, missing: Sequence[tuple[PairRow, str]], folder: Path, section: Optimisation
) -> None:
    """This process's share, appended batch by batch to its journal."""
    mine = missing[processes.number() :: processes.count()]
    groups = length_grouped([len(row.ids) for row, _ in mine], section.batch_tokens, section.seed)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        _ready(model) as device,
        Journal(folder / f"reference-{processes.number()}.jsonl") as journal,
        Progress(*columns, console=Console(stderr=True), disable=not processes.is_first()) as progress,
    ):
        line = progress.add_task("reference log-probabilities", total=len(mine))
        for group in groups:
            values = log_probs(model, [mine[place][0] for place in group], section.bf16, device)
            journal.append(
                ReferenceLine(digest=mine[place][1], chosen=chosen, rejected=rejected).model_dump()
                for place, (chosen, rejected) in zip(group, values, strict=True)
            )
            progress.advance(line, len(group))


@contextmanager
def _ready(model: torch.nn.Module) -> Generator[torch.device]:
    """The model on this process's device, for reading; after it, as it was."""
    first, training = next(model.parameters()).device, model.training
    device = torch.device("cuda", processes.local_number()) if torch.cuda.is_available() else first
    model.eval()
    if device != first:
        model.to(device)
    try:
        yield device
    finally:
        model.train(training)
        if device != first:
            model.to(first)


def log_probs(model: torch.nn.Module, rows: Sequence[PairRow], bf16: bool, device: torch.device) -> list[list[float]]:
    """[chosen, rejected] of each row, in the precision that training has."""
    batch = {name: value.to(device) for name, value in collate_pairs(rows).items()}
    with torch.no_grad(), torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
        values = answer_log_probs(*states_of(model, batch), batch)
    if not torch.isfinite(values).all():
        raise EngineError("a reference log-probability is not finite, expected a model whose outputs are numbers")
    return values.tolist()


def _wait(folder: Path, digests: set[str]) -> str:
    """Until the other processes have written their shares; a launcher stops all if one of them fails."""
    while digests - _read(folder).keys():
        time.sleep(0.2)
    return "here"


def model_digest(folder: Path) -> str:
    """Of a checkpoint folder: its configuration and its weights, byte by byte."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.iterdir() if path.suffix in (".safetensors", ".bin", ".json")):
        digest.update(path.name.encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _digest(model_digest: str, bf16: bool, row: PairRow) -> str:
    return hashlib.sha256(json.dumps([model_digest, bf16, list(row.ids), list(row.parents)]).encode()).hexdigest()


def _read(folder: Path) -> dict[str, tuple[float, float]]:
    known: dict[str, tuple[float, float]] = {}
    for path in sorted(folder.glob("reference-*.jsonl")):
        for line in read_lines(path):
            if line.value is None:  # torn by a kill: computed again
                continue
            try:
                found = ReferenceLine.model_validate(line.value)
            except ValidationError as error:
                raise InputError(f"{path} line {line.number}: not a reference: {error.errors()[0]['msg']}") from None
            known[found.digest] = (found.chosen, found.rejected)
    return known
