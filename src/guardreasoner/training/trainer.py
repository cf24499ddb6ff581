"""From a model and its rows to a trained model: one loop for pretraining, R-SFT and HS-DPO, on one process or many.

Checkpoints every `save_steps`, resumes from the newest whole one after any kind of stop, writes `metrics.jsonl`, shows
loss, tokens per second and time left.
"""

# transformers and torch type these members only in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel
from transformers.trainer_callback import PrinterCallback
from transformers.utils.logging import disable_progress_bar

from guardreasoner import processes
from guardreasoner.errors import InputError
from guardreasoner.jsonl import held
from guardreasoner.recipe import ModelSection, Optimisation
from guardreasoner.run import write_whole
from guardreasoner.training.checkpoints import newest_whole, written
from guardreasoner.training.embeddings import word_vectors
from guardreasoner.training.gathering import gather
from guardreasoner.training.learner import learning
from guardreasoner.training.loop import (
    PlannedBatches,
    PlannedTrainer,
    arguments_of,
    is_scaled,
    only_batch,
)
from guardreasoner.training.objectives import Objective, SFTObjective
from guardreasoner.training.plan import Plan, plan
from guardreasoner.training.progress import Progressing

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


def save_base(model: PreTrainedModel, tokenizer: Path, folder: Path) -> None:
    """Model and tokenizer files in one folder, there whole or not at all; the first process writes them."""
    if not processes.is_first():
        return
    partial = folder.with_name(folder.name + ".partial")
    with written(partial):
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

    `model`: any causal language model of transformers, or one with PEFT adapters. `section.batch_size` counts rows; a
    packed row may hold several examples. Under torchrun or accelerate every process calls it with the same arguments;
    afterwards the first process has the whole model, the others may have none of it.

    Raises:
        InputError: the model or a row cannot be trained on, a file cannot be written, a library is missing, another
            process is training in `folder`.
        EngineError: the loss or its gradient is no finite number.
    """
    disable_progress_bar()  # of loading and saving; ours shows the training
    if section.threads:
        torch.set_num_threads(section.threads)
    run = plan(
        [objective.tokens(row) for row in rows],
        batch_tokens=section.batch_tokens,
        batch_size=section.batch_size,
        epochs=epochs,
        processes=processes.count(),
        seed=section.seed,
    )
    # a launcher that is killed may leave its processes at work
    with held(folder / ".lock", "training") if processes.is_first() else nullcontext():
        _same(folder, run, [objective.tokens(row) for row in rows])
        batches = PlannedBatches(run, rows, objective, model, folder.name)
        tokens = [sum(objective.tokens(rows[row]) for row in run.rows(step)) for step in range(len(run.steps))]
        progress = Progressing(folder, tokens)
        last = _goes_on_from(folder)
        with learning(model, objective):
            trainer = PlannedTrainer(
                model=model,
                args=arguments_of(section, folder, run),
                train_dataset=batches,
                data_collator=only_batch,
                callbacks=[progress],
                compute_loss_func=is_scaled,
                run=run,
                section=section,
            )
            trainer.remove_callback(PrinterCallback)
            try:
                trainer.train(resume_from_checkpoint=None if last is None else str(last))
            finally:
                progress.close()
            gather(model)
    return model


def _same(folder: Path, run: Plan, lengths: Sequence[int]) -> None:
    """InputError if the checkpoints in `folder` are of other rows, or of steps that another number of processes took.

    Going on from them would skip rows or repeat some, or end at once and pass for trained.
    """
    if not processes.is_first():
        return
    path = folder / "plan.sha256"
    steps = json.dumps([list(lengths), [sorted(run.rows(step)) for step in range(len(run.steps))]])
    digest = hashlib.sha256(steps.encode()).hexdigest()
    begun = newest_whole(folder)[0] is not None
    if begun and path.is_file() and path.read_text(encoding="utf-8").strip() != digest:
        raise InputError(
            f"{folder}: found checkpoints of a training on other rows or with other steps (without `batch_size` they "
            "depend on the number of processes), expected the same; remove the folder to train anew"
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(path, digest + "\n")


def _goes_on_from(folder: Path) -> Path | None:
    """The newest whole checkpoint, as the first process sees it, which also says what is wrong with newer ones."""

    def look() -> str:
        found, passed = newest_whole(folder)
        for why in passed:
            instead = "starting anew" if found is None else f"going on from {found.name}"
            Console(stderr=True).print(f"{why}; {instead}", markup=False, highlight=False, soft_wrap=True)
        return str(found or "")

    said = processes.said_by_first(f"checkpoint in {folder}", look)
    return Path(said) if said else None
