"""From pairs to pairs that know their log-probabilities under the model that training starts from.

Computed once, before training; each batch is on disk before the next begins, so a stopped pass goes on.
"""

# torch and accelerate type these members only in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from guardreasoner.errors import EngineError, InputError
from guardreasoner.jsonl import Journal, read_lines
from guardreasoner.recipe import Optimisation
from guardreasoner.training.batches import length_grouped
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
    state = PartialState()
    digests = [_digest(model_digest, section.bf16, row) for row in rows]
    known = _read(folder)
    missing = [number for number, digest in enumerate(digests) if digest not in known]
    state.wait_for_everyone()  # all have read the same before anyone writes
    groups = length_grouped([len(rows[number].ids) for number in missing], section.batch_tokens, section.seed)
    mine = groups[state.process_index :: state.num_processes]
    if missing:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        model.to(state.device)
        with (
            Journal(folder / f"reference-{state.process_index}.jsonl") as journal,
            Progress(*columns, console=Console(stderr=True), disable=not state.is_main_process) as progress,
        ):
            line = progress.add_task("reference log-probabilities", total=sum(map(len, mine)))
            for group in mine:
                numbers = [missing[place] for place in group]
                values = log_probs(model, [rows[number] for number in numbers], section.bf16, state.device)
                journal.append(
                    ReferenceLine(digest=digests[number], chosen=value[0], rejected=value[1]).model_dump()
                    for number, value in zip(numbers, values, strict=True)
                )
                progress.advance(line, len(group))
        state.wait_for_everyone()
        known = _read(folder)
    return Referred(
        [replace(row, reference=known[digest]) for row, digest in zip(rows, digests, strict=True)],
        len(missing),
        hashlib.sha256("\n".join([model_digest, *digests]).encode()).hexdigest(),
    )


def log_probs(model: torch.nn.Module, rows: Sequence[PairRow], bf16: bool, device: torch.device) -> list[list[float]]:
    """[chosen, rejected] of each row, in the precision that training has."""
    batch = {name: value.to(device) for name, value in collate_pairs(rows).items()}
    whole: Any = model
    whole = whole.get_base_model() if hasattr(model, "get_base_model") else whole  # new adapters change nothing yet
    training = model.training
    model.eval()
    with torch.no_grad(), torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
        hidden: Tensor = whole.base_model(
            input_ids=batch["input_ids"],
            position_ids=batch["position_ids"],
            attention_mask=batch.get("attention_mask"),
            use_cache=False,
        ).last_hidden_state
        values = answer_log_probs(hidden, whole.get_output_embeddings(), batch)
    model.train(training)
    if not torch.isfinite(values).all():
        raise EngineError("a reference log-probability is not finite; expected a model whose outputs are numbers")
    return values.tolist()


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
