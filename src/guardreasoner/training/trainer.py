"""From a model and its batches to a checkpoint: transformers' Trainer carries the loop, the losses are ours.

Checkpoints every `save_steps`, resumes from the newest after any kind of stop, writes `metrics.jsonl`, shows loss,
tokens per second and time left.
"""

# transformers and torch type these members only in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from torch.utils.data import Dataset
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.utils.logging import disable_progress_bar

from guardreasoner.errors import EngineError
from guardreasoner.recipe import ModelSection, Optimisation
from guardreasoner.run import write_whole
from guardreasoner.training.batches import length_grouped
from guardreasoner.training.embeddings import word_vectors
from guardreasoner.training.objectives import Objective, SFTObjective
from guardreasoner.training.optimizers import optimizer_of

LOG_STEPS = 10
SFT = SFTObjective()
M = TypeVar("M", bound=torch.nn.Module)
R = TypeVar("R")


def random_llama(section: ModelSection, vocab_size: int, end_id: int, seed: int) -> LlamaForCausalLM:
    """A Llama of random weights, embeddings tied."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=section.hidden_size,
        num_hidden_layers=section.num_hidden_layers,
        intermediate_size=section.intermediate_size,
        num_attention_heads=section.num_attention_heads,
        num_key_value_heads=section.num_key_value_heads,
        max_position_embeddings=section.context_length,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=end_id,
        pad_token_id=0,
    )
    return LlamaForCausalLM(config)


def start_from_words(model: LlamaForCausalLM, stream: NDArray[np.int32], seed: int) -> None:
    """Replace the random embeddings by word vectors of the token `stream`, on the same scale."""
    weight = model.model.embed_tokens.weight
    vocab_size, width = weight.shape
    weight.data.copy_(word_vectors(stream, vocab_size, width, model.config.initializer_range, seed))


def load_llama(folder: Path) -> LlamaForCausalLM:
    """A checkpoint that `save_llama` wrote."""
    disable_progress_bar()
    return LlamaForCausalLM.from_pretrained(folder)


def save_llama(model: LlamaForCausalLM, tokenizer: Path, folder: Path) -> None:
    """Model and tokenizer files in one folder, there whole or not at all."""
    partial = folder.with_name(folder.name + ".partial")
    model.save_pretrained(partial)
    shutil.copytree(tokenizer, partial, dirs_exist_ok=True)
    partial.replace(folder)


def train(
    model: M,
    rows: Sequence[R],
    folder: Path,
    section: Optimisation,
    *,
    epochs: float,
    objective: Objective[R] = SFT,
) -> M:
    """Train on `rows`; checkpoints and `metrics.jsonl` go to `folder`. After a stop, the same call goes on.

    `model`: any causal language model of transformers, or one with PEFT adapters.
    """
    disable_progress_bar()  # of loading and saving; ours shows the training
    if section.threads:
        torch.set_num_threads(section.threads)
    lengths = [objective.tokens(row) for row in rows]
    batches = _Batches(rows, length_grouped(lengths, section.batch_tokens, section.seed), objective)
    steps = math.ceil(len(batches) * epochs)
    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=1,
        max_steps=steps,
        lr_scheduler_type="cosine",
        warmup_steps=math.ceil(steps * section.warmup_share),
        max_grad_norm=section.max_grad_norm,
        logging_steps=max(1, min(LOG_STEPS, steps // LOG_STEPS)),
        save_steps=section.save_steps,
        save_total_limit=2,
        seed=section.seed,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        use_cpu=not torch.cuda.is_available(),
        dataloader_pin_memory=torch.cuda.is_available(),
    )
    progress = _Progress(folder, steps, objective.figures)
    trainer = _LabelledPositions(
        model=model,
        args=arguments,
        train_dataset=batches,
        data_collator=_only_batch,
        callbacks=[progress],
        optimizers=(optimizer_of(model, section), None),
        objective=objective,
        bf16=section.bf16,
        progress=progress,
    )
    trainer.remove_callback(_printer())
    last = last_checkpoint(folder)
    trainer.train(resume_from_checkpoint=None if last is None else str(last))
    return model


def last_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint. A kill can leave a torn one: the Trainer writes `trainer_state.json` last."""
    found = sorted(folder.glob("checkpoint-[0-9]*"), key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)
    return next((path for path in found if _is_whole(path)), None)


def _is_whole(checkpoint: Path) -> bool:
    try:
        return "global_step" in json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False


class _Batches(Dataset[dict[str, Tensor]]):
    """One item is one batch: the loop shuffles batches, the grouping by length stays."""

    def __init__(self, rows: Sequence[R], groups: Sequence[Sequence[int]], objective: Objective[R]) -> None:
        self._rows: Sequence[Any] = rows
        self.groups, self._objective = groups, objective

    def __len__(self) -> int:
        return len(self.groups)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return self._objective.collate([self._rows[row] for row in self.groups[index]])


def _only_batch(items: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return items[0]


def _printer() -> type[TrainerCallback]:
    from transformers.trainer_callback import PrinterCallback

    return PrinterCallback


class _LabelledPositions(Trainer):
    """Trainer whose loss runs the vocabulary projection at labelled positions only."""

    def __init__(self, *, objective: Objective[Any], bf16: bool, progress: _Progress, **options: Any) -> None:
        super().__init__(**options)
        self._objective, self._bf16, self._progress = objective, bf16, progress

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Tensor | Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """The loss of one batch."""
        # PEFT's adapters sit inside the layers of the model that they adapt
        whole: Any = model
        language_model = whole.get_base_model() if hasattr(model, "get_base_model") else whole
        with torch.autocast(inputs["input_ids"].device.type, dtype=torch.bfloat16, enabled=self._bf16):
            hidden = language_model.base_model(
                input_ids=inputs["input_ids"],
                position_ids=inputs["position_ids"],
                attention_mask=inputs.get("attention_mask"),
            ).last_hidden_state
            loss = self._objective.loss(hidden, language_model.get_output_embeddings(), inputs)
        if not torch.isfinite(loss):
            step = self.state.global_step + 1
            raise EngineError(f"training step {step}: the loss is {loss.item()}, expected a finite number")
        self._progress.tokens += int((inputs["input_ids"] != 0).sum())
        return loss


class _Progress(TrainerCallback):
    """The bar on the terminal and a line in `metrics.jsonl` every few steps."""

    def __init__(self, folder: Path, steps: int, figures: Callable[[], dict[str, float]]) -> None:
        self.tokens = 0
        self._figures = figures
        self._metrics = folder / "metrics.jsonl"
        self._steps = steps
        self._started = (0.0, 0)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._line = self._bar.add_task(folder.name, total=steps, figures="")

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._metrics.parent.mkdir(parents=True, exist_ok=True)
        self._forget_after(state.global_step)
        self._started = (time.monotonic(), self.tokens)
        self._bar.update(self._line, completed=state.global_step)
        self._bar.start()

    def _forget_after(self, step: int) -> None:
        """Drop lines of steps that are trained again, so that a stopped run leaves the curve of an undisturbed one."""
        if not self._metrics.is_file():
            return
        lines = self._metrics.read_text(encoding="utf-8").splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("}\n")]
        write_whole(self._metrics, "".join(line for line in whole if json.loads(line)["step"] <= step))

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._bar.update(self._line, completed=state.global_step)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        if logs is None or "loss" not in logs:
            return
        now, (then, tokens) = time.monotonic(), self._started
        speed = (self.tokens - tokens) / max(now - then, 1e-9)
        self._started = (now, self.tokens)
        self._bar.update(self._line, figures=f"loss {logs['loss']:.3f}  {speed:,.0f} tokens/s")
        record = {
            "step": state.global_step,
            "steps": self._steps,
            "tokens_per_second": round(speed),
            **logs,
            **self._figures(),
        }
        with self._metrics.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(record) + "\n")

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._bar.stop()
