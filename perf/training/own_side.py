"""Our training on the same rows: what its loss is, how long a pass takes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from guardreasoner.recipe import DPOSection, Optimisation, SFTSection
from guardreasoner.training.bases import open_model
from guardreasoner.training.batches import length_grouped
from guardreasoner.training.loop import PlannedTrainer
from guardreasoner.training.objectives import SFTObjective
from guardreasoner.training.packing import Example, Row, pack
from guardreasoner.training.pairs import PairRow, PreferenceObjective, pair_row
from guardreasoner.training.reference import with_reference
from guardreasoner.training.trainer import train

Ids = list[int]


def sft_rows(ids: Sequence[tuple[Ids, Ids]], row_tokens: int) -> list[Row]:
    """The rows that R-SFT trains on; with 0, a row per example, as with `sft.batch_size`."""
    return list(pack((Example(p + c, len(p)) for p, c in ids), row_tokens))


def dpo_rows(ids: Sequence[tuple[Ids, Ids, Ids]]) -> list[PairRow]:
    """The rows that HS-DPO trains on, all weights 1."""
    return [pair_row(*each, 1.0) for each in ids]


def sft(model: Path, rows: Sequence[Row], section: SFTSection, clock: Callable[[], float]) -> float:
    """Seconds of one pass."""
    opened = _placed(model)
    start = clock()
    with _quietly():
        train(opened, rows, Path(tempfile.mkdtemp()), section, epochs=1)
    return clock() - start


def dpo(model: Path, rows: Sequence[PairRow], section: DPOSection, clock: Callable[[], float]) -> tuple[float, float]:
    """Seconds of the reference log-probabilities, and of one pass."""
    opened, out = _placed(model), Path(tempfile.mkdtemp())
    start = clock()
    with _quietly():
        referred = with_reference(opened, rows, out, "measured", section)
        middle = clock()
        objective = PreferenceObjective(section.beta, section.sft_weight)
        train(opened, referred.rows, out, section, epochs=1, objective=objective)
    return middle - start, clock() - middle


def sft_loss(model: Path, rows: Sequence[Row], section: SFTSection) -> float:
    """Mean loss of a learnt token before training, in float32."""
    return _loss(_placed(model), rows, section, SFTObjective())


def dpo_loss(model: Path, rows: Sequence[PairRow], section: DPOSection) -> float:
    """Mean loss of a pair before training, in float32."""
    opened = _placed(model)
    exact = section.model_copy(update={"bf16": False})
    with redirect_stderr(StringIO()):
        referred = with_reference(opened, rows, Path(tempfile.mkdtemp()), "measured", exact)
    return _loss(opened, referred.rows, section, PreferenceObjective(section.beta, section.sft_weight))


@contextmanager
def _quietly() -> Generator[None]:
    """No bar, and no checkpoint at the end: the rivals are told to write none."""
    with redirect_stderr(StringIO()), patch.object(PlannedTrainer, "_save_checkpoint"):
        yield


def _placed(model: Path) -> Any:
    """The model where it is trained: TRL's trainers place theirs before the clock starts."""
    return open_model(str(model)).to("cuda" if torch.cuda.is_available() else "cpu")


def _loss(model: Any, rows: Sequence[Any], section: Optimisation, objective: Any) -> float:
    total = 0.0
    for group in length_grouped([objective.tokens(row) for row in rows], section.batch_tokens, 0):
        batch = objective.collate([rows[number] for number in group])
        batch = {name: value.to(model.device) for name, value in batch.items()}
        inputs = {name: batch.get(name) for name in ("input_ids", "position_ids", "attention_mask")}
        with torch.no_grad():
            hidden = model.base_model(**inputs, use_cache=False).last_hidden_state
            total += objective.loss(hidden, model.get_output_embeddings(), batch).item() * batch["units"].item()
    return total / sum(objective.units(row) for row in rows)
