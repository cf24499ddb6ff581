"""From a plan to transformers' Trainer: it carries the loop, what a step computes and what stops a run are ours."""

# transformers and torch type these members only in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler, SequentialSampler
from transformers import Trainer, TrainingArguments
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

from guardreasoner.errors import EngineError, InputError
from guardreasoner.recipe import Optimisation
from guardreasoner.training.checkpoints import written
from guardreasoner.training.learner import Batch, causal
from guardreasoner.training.objectives import Objective
from guardreasoner.training.optimizers import optimizer_of
from guardreasoner.training.plan import Plan

R = TypeVar("R")
LOG_STEPS = 10


class PlannedBatches(Dataset[dict[str, Tensor]]):
    """One item is one micro-batch, in the order of the plan.

    A process that has nothing to do gets the shortest row and infinitely many units, so that its loss is zero: under
    DDP, FSDP and DeepSpeed all processes must compute together.
    """

    def __init__(
        self, run: Plan, rows: Sequence[R], objective: Objective[R], model: torch.nn.Module, name: str
    ) -> None:
        if not rows:
            raise InputError(f"{name}: no rows to train on")
        self._rows: Sequence[Any] = rows
        self.objective: Objective[Any] = objective
        self._parts = [part for step in run.steps for part in step]
        self._per_step = run.processes * run.rounds
        self._units = [sum(objective.units(rows[row]) for row in run.rows(step)) for step in range(len(run.steps))]
        for step, units in enumerate(self._units):
            if not (math.isfinite(units) and units > 0):
                raise InputError(f"{name}: step {step + 1} has {units} units to learn, expected more than 0")
        self._shortest = min(range(len(rows)), key=lambda row: objective.tokens(rows[row]))
        config, self._name = causal(model).config, name
        self._limits = {
            "input_ids": ("token", config.vocab_size, "the model's vocabulary"),
            "position_ids": (
                "position",
                getattr(config, "max_position_embeddings", None),
                "the model's context length",
            ),
        }

    def __len__(self) -> int:
        return len(self._parts)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        part = self._parts[index]
        batch = self.objective.collate([self._rows[row] for row in part or [self._shortest]])
        units = self._units[index // self._per_step] if part else math.inf
        for name, (what, limit, of) in self._limits.items():
            highest, lowest = int(batch[name].max()), int(batch[name].min())
            if lowest < 0 or (limit is not None and highest >= limit):
                found = lowest if lowest < 0 else highest
                raise InputError(
                    f"{self._name}: {self._row_with(name, found, part)} has {what} {found}, "
                    f"expected 0 to {'any' if limit is None else limit - 1}, {of}"
                )
        return batch | {"units": torch.tensor(units, dtype=torch.float32)}

    def _row_with(self, name: str, value: int, part: Sequence[int]) -> str:
        rows = part or [self._shortest]
        found = next(row for row in rows if bool((self.objective.collate([self._rows[row]])[name] == value).any()))
        return f"row {found + 1} of {len(self._rows)}"


class PlannedTrainer(Trainer):
    """Takes micro-batches as they are planned, sums their losses to the step's, stops where going on makes no sense."""

    def __init__(self, *, run: Plan, section: Optimisation, **options: Any) -> None:
        super().__init__(**options)
        self._plan, self._section = run, section
        self.loss_is_scaled_for_ga = True  # a step's losses add up to its mean already

    def create_optimizer(self, model: torch.nn.Module | None = None) -> torch.optim.Optimizer:
        """Ours, of whole weights: it is called before they are spread."""
        if self._section.optimizer == "muon" and (self.is_fsdp_enabled or self.is_deepspeed_enabled):
            raise InputError(
                "`optimizer`: found 'muon', which needs whole matrices, expected 'adamw' with FSDP or ZeRO"
            )
        self.optimizer = optimizer_of(self.model, self._section)
        return self.optimizer

    def _get_train_sampler(self, train_dataset: Dataset[Any] | None = None) -> Sampler[int]:
        assert isinstance(self.train_dataset, PlannedBatches)
        return SequentialSampler(self.train_dataset)

    def _prepare_inputs(self, inputs: dict[str, Tensor | Any]) -> dict[str, Tensor | Any]:
        # the Trainer's own way rounds every float to bf16 under DeepSpeed, weights of pairs included
        return {name: tensor.to(self.args.device) for name, tensor in inputs.items()}

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Tensor | Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """The micro-batch's part of the step's loss, times the processes, over which gradients are averaged."""
        loss: Tensor = model(Batch(inputs))
        self._expect_finite(loss, "loss")
        return loss * self._plan.processes

    def _clip_grad_norm(self, model: torch.nn.Module) -> Any:
        norm = super()._clip_grad_norm(model)
        if norm is not None:  # DeepSpeed clips within its own step
            self._expect_finite(torch.as_tensor(norm), "norm of the gradient")
        return norm

    def _expect_finite(self, value: Tensor, what: str) -> None:
        if not torch.isfinite(value):
            raise EngineError(
                f"{Path(str(self.args.output_dir)).name}: training step {self.state.global_step + 1}: the {what} is "
                f"{value.item()}, expected a finite number; a lower learning rate or `bf16` = false may help"
            )

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """With what the objective says beside its loss; the Trainer sees the whole run as one epoch."""
        assert isinstance(self.train_dataset, PlannedBatches)
        self.state.epoch = self.state.global_step / self._plan.steps_per_epoch
        logs |= self.train_dataset.objective.figures() if "loss" in logs else {}
        super().log(logs, start_time)

    def floating_point_ops(self, inputs: dict[str, Tensor | Any]) -> int:
        """Not counted: the vocabulary projection is not computed for every token."""
        return 0

    def _save_checkpoint(self, *arguments: Any, **options: Any) -> None:
        place = Path(str(self.args.output_dir)) / f"checkpoint-{self.state.global_step}"
        try:
            with written(place, "; make room and run it again, it goes on from the checkpoint before"):
                super()._save_checkpoint(*arguments, **options)
        except InputError:
            shutil.rmtree(place, ignore_errors=True)  # it would be of no use, and the disk may be full
            raise


def arguments_of(section: Optimisation, folder: Path, run: Plan) -> TrainingArguments:
    """What the Trainer is told."""
    steps = len(run.steps)
    # older versions of transformers have another name for it
    names = {field.name for field in fields(TrainingArguments)}
    recompute = "activation_checkpointing" if "activation_checkpointing" in names else "gradient_checkpointing"
    return TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=1,
        gradient_accumulation_steps=run.rounds,
        max_steps=steps,
        lr_scheduler_type="cosine",
        warmup_steps=math.ceil(steps * section.warmup_share),
        max_grad_norm=section.max_grad_norm,
        logging_steps=_log_steps(steps, section.save_steps),
        logging_nan_inf_filter=False,
        save_steps=section.save_steps,
        save_total_limit=2,
        seed=section.seed,
        learning_rate=section.learning_rate,
        bf16=section.bf16,
        report_to=reporters(section) or "none",
        disable_tqdm=True,
        remove_unused_columns=False,
        use_cpu=not torch.cuda.is_available(),
        dataloader_pin_memory=torch.cuda.is_available(),
        ddp_find_unused_parameters=False,
        **{recompute: section.gradient_checkpointing, f"{recompute}_kwargs": {"use_reentrant": False}},
    )


def _log_steps(steps: int, save_steps: int) -> int:
    """At most `LOG_STEPS`, and a checkpoint never falls between two lines: after a stop the means are the same."""
    most = max(1, min(LOG_STEPS, steps // LOG_STEPS))
    return next(every for every in range(most, 0, -1) if save_steps % every == 0)


def reporters(section: Optimisation) -> list[str]:
    """`report_to`, whose libraries are there."""
    for name in section.report_to:
        if name not in INTEGRATION_TO_CALLBACK:
            raise InputError(
                f"`report_to`: found {name!r}, expected some of {', '.join(sorted(INTEGRATION_TO_CALLBACK))}"
            )
        if find_spec(name) is None and find_spec({"tensorboard": "tensorboardX"}.get(name, name)) is None:
            raise InputError(f"`report_to`: {name} is not installed here: `pip install {name}`")
    return list(section.report_to)


def only_batch(items: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """A micro-batch is collated already."""
    return items[0]


def is_scaled(*_: Any, **__: Any) -> Tensor:
    """Never called, as `compute_loss` is ours; that there is such a function tells older versions not to divide."""
    raise AssertionError
