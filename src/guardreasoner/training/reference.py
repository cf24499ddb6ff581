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
    missing = sum(digest not in before for digest in digests)
    # batches are of all rows, so that a pass which was stopped computes the same numbers, to the last bit
    batches = length_grouped([len(row.ids) for row in rows], section.batch_tokens, section.seed)
    left = [batch for batch in batches if any(digests[number] not in before for number in batch)]
    if left:
        _compute(model, rows, digests, left[processes.number() :: processes.count()], folder, section.bf16)
        processes.said_by_first(f"all references in {folder}", lambda: _wait(folder, set(digests)))
        _wait(folder, set(digests))  # on another node the listing of a shared folder may come late
    known = _read(folder)
    weighed = (f"{digest} {row.weight}" for digest, row in zip(digests, rows, strict=True))
    return Referred(
        [replace(row, reference=known[digest]) for row, digest in zip(rows, digests, strict=True)],
        missing,
        hashlib.sha256("\n".join([model_digest, *weighed]).encode()).hexdigest(),
    )


def _compute(
    model: torch.nn.Module,
    rows: Sequence[PairRow],
    digests: Sequence[str],
    batches: Sequence[Sequence[int]],
    folder: Path,
    bf16: bool,
) -> None:
    """This process's share, appended batch by batch to its journal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        _ready(model) as device,
        Journal(folder / f"reference-{processes.number()}.jsonl") as journal,
        Progress(*columns, console=Console(stderr=True), disable=not processes.is_first()) as progress,
    ):
        line = progress.add_task("reference log-probabilities", total=sum(map(len, batches)))
        for batch in batches:
            values = log_probs(model, [rows[number] for number in batch], bf16, device)
            journal.append(
                ReferenceLine(digest=digests[number], chosen=chosen, rejected=rejected).model_dump()
                for number, (chosen, rejected) in zip(batch, values, strict=True)
            )
            progress.advance(line, len(batch))


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
