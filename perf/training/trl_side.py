"""TRL's trainers on the same rows: what each setting is, what its loss is, how long a pass takes."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

warnings.simplefilter("ignore")

import datasets  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from quiet import QUIET  # noqa: E402
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer  # noqa: E402

datasets.disable_progress_bars()
datasets.disable_caching()  # else a second repetition finds the first one's reference log-probabilities
transformers.utils.logging.set_verbosity_error()

Settings = dict[str, Any]
NO_RECOMPUTING: Settings = {"gradient_checkpointing": False}
GROUPED: Settings = NO_RECOMPUTING | {"train_sampling_strategy": "group_by_length"}
SFT: dict[str, Settings] = {
    "TRL, defaults": {},
    "TRL, no gradient checkpointing": NO_RECOMPUTING,
    "TRL, + group_by_length": GROUPED,
    "TRL, packing": NO_RECOMPUTING | {"packing": True},
    "TRL, padding_free": NO_RECOMPUTING | {"padding_free": True, "max_length": None},
}
DPO: dict[str, Settings] = {
    "TRL, defaults": {},
    "TRL, no gradient checkpointing": NO_RECOMPUTING,
    "TRL, + precompute_ref_log_probs": NO_RECOMPUTING | {"precompute_ref_log_probs": True},
    # the trainer would drop the column of lengths, and could not group without it
    "TRL, + group_by_length": GROUPED | {"precompute_ref_log_probs": True, "remove_unused_columns": False},
}


WIDE = ("TRL, + group_by_length",)
"""Measured in float32 too."""


def sft(model: Path, ids: list[tuple[list[int], list[int]]], batch: int, bf16: bool, settings: Settings) -> SFTTrainer:
    """A trainer of one pass over (prompt, completion) ids, `batch` per optimizer step or as many tokens packed."""
    columns = [{"input_ids": p + c, "labels": [-100] * len(p) + c} for p, c in ids]
    longest = max(len(each["input_ids"]) for each in columns)
    if settings.get("packing"):
        mean = sum(len(each["input_ids"]) for each in columns) / len(columns)
        batch = max(1, round(batch * mean / longest))
    values = QUIET | {"bf16": bf16, "per_device_train_batch_size": batch, "max_length": longest} | settings
    return SFTTrainer(
        _model(model),
        SFTConfig(output_dir=_out(), **values),
        train_dataset=datasets.Dataset.from_list(columns),
        processing_class=transformers.AutoTokenizer.from_pretrained(model),
    )


def sft_loss(trainer: SFTTrainer, learnt: int) -> float:
    """Mean loss of the `learnt` tokens of all rows before training, in float32, by TRL's own collator and loss."""
    with torch.no_grad():
        batches = trainer.get_train_dataloader()
        return sum(trainer.compute_loss(trainer.model, each, num_items_in_batch=learnt).item() for each in batches)


class TimedDPOTrainer(DPOTrainer):
    """Knows how long the reference log-probabilities took that are computed before training."""

    def __init__(self, clock: Callable[[], float], *args: Any, **options: Any) -> None:
        self.clock, self.reference = clock, 0.0
        super().__init__(*args, **options)

    def _precompute_ref_logps(self, *args: Any, **options: Any) -> Any:
        start = self.clock()
        found = super()._precompute_ref_logps(*args, **options)
        self.reference += self.clock() - start
        return found


def dpo(
    model: Path, pairs: list[Settings], batch: int, bf16: bool, settings: Settings, clock: Callable[[], float]
) -> TimedDPOTrainer:
    """A trainer of one pass over `pairs`: HS-DPO's objective with all weights 1, for TRL knows none per pair."""
    longest = max(pair["length"] for pair in pairs)
    values = QUIET | {"bf16": bf16, "per_device_train_batch_size": batch, "max_length": longest} | settings
    objective = {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, 2.0], "beta": 0.01}
    return TimedDPOTrainer(
        clock,
        _model(model),
        args=DPOConfig(output_dir=_out(), **objective, **values),
        train_dataset=datasets.Dataset.from_list(pairs),
        processing_class=transformers.AutoTokenizer.from_pretrained(model),
    )


def dpo_loss(trainer: TimedDPOTrainer) -> float:
    """Mean loss before training, in float32, pair by pair: TRL's SFT term is a mean over the tokens of a batch."""
    rows = [trainer.data_collator([row]) for row in trainer.train_dataset]
    with torch.no_grad():
        return sum(trainer.compute_loss(trainer.model, trainer._prepare_inputs(row)).item() for row in rows) / len(rows)


def _model(folder: Path) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def _out() -> str:
    return tempfile.mkdtemp(prefix="trl-")
