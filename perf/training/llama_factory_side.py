"""From jobs to LLaMA-Factory's losses and seconds: a JSON line in, a JSON line out, run by its own interpreter.

It needs other versions of the packages than we do, so nothing of the package is imported here.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from contextlib import redirect_stdout
from importlib.metadata import version
from typing import Any
from unittest.mock import patch

os.environ |= {"LLAMAFACTORY_VERBOSITY": "ERROR", "HF_HUB_OFFLINE": "1"}

import datasets
import torch
import transformers
from llamafactory.data import processor as processors
from llamafactory.hparams import get_train_args
from llamafactory.model import load_tokenizer
from llamafactory.train.dpo import run_dpo
from llamafactory.train.sft import run_sft
from quiet import QUIET

datasets.disable_progress_bars()
transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()

Job = dict[str, Any]
Ids = list[int]
PACKAGES = ("llamafactory", "torch", "transformers", "trl", "accelerate")
FULL = QUIET | {
    "do_train": True,
    "finetuning_type": "full",
    "dataset": "tokenized",  # must be named, though rows at `tokenized_path` take its place, and the template's
    "template": "empty",
    "pref_loss": "sigmoid",  # these three are HS-DPO's alone
    "pref_beta": 0.01,
    "pref_ftx": 2.0,
}


def main() -> None:
    """Answer until there are no more jobs."""
    answers = sys.stdout
    for line in sys.stdin:
        with redirect_stdout(sys.stderr):  # the trainers print
            answer = ANSWERS[(job := json.loads(line))["ask"]](job)
        print(json.dumps(answer), file=answers, flush=True)


def versions(_: Job) -> dict[str, str]:
    """What is installed beside LLaMA-Factory."""
    return {name: version(name) for name in PACKAGES}


def loss(job: Job) -> float:
    """Mean loss before training by LLaMA-Factory's own collator and trainer: of a learnt token, or of a pair."""
    trainer = build(job)
    batches = trainer.get_train_dataloader()
    with torch.no_grad():
        if job["stage"] == "dpo":  # a batch has each pair's two texts
            parts = [trainer.compute_loss(trainer.model, each) * len(each["labels"]) / 2 for each in batches]
            return sum(part.item() for part in parts) / len(job["ids"])
        learnt = sum(len(answer) for _, answer in job["ids"])
        return sum(trainer.compute_loss(trainer.model, each, num_items_in_batch=learnt).item() for each in batches)


def seconds(job: Job) -> float:
    """CPU seconds of one pass."""
    trainer = build(job)
    start = time.process_time()
    trainer.train()
    return time.process_time() - start


class Ready(Exception):
    """LLaMA-Factory's workflow has made its trainer and is about to train."""


def build(job: Job) -> transformers.Trainer:
    """The trainer that LLaMA-Factory's own workflow makes of the job, `batch` examples per optimizer step."""
    torch.set_num_threads(job["threads"])
    lengths, batch, settings = lengths_of(job), job["batch"], job["settings"]
    if settings.get("neat_packing"):  # packs of the longest join few rows, of twice the longest were slower
        settings = settings | {"cutoff_len": 8 * (3 * max(lengths) // 16 + 1)}
        batch = max(1, round(batch * sum(lengths) / len(lengths) / settings["cutoff_len"]))  # as many tokens per step
    folder = tempfile.mkdtemp(prefix="llama-factory-")
    values = {
        "stage": job["stage"],
        "model_name_or_path": job["model"],
        "tokenized_path": f"{folder}/rows",
        "output_dir": f"{folder}/out",
        "bf16": job["bf16"],
        "per_device_train_batch_size": batch,
    }
    model, data, training, finetuning, generating = get_train_args(FULL | values | settings)
    columns(job, model, data).save_to_disk(data.tokenized_path)
    try:
        with patch.object(transformers.Trainer, "train", ready):
            if job["stage"] == "dpo":
                run_dpo(model, data, training, finetuning)
            else:
                run_sft(model, data, training, finetuning, generating)
    except Ready as made:
        return made.args[0]


def ready(trainer: transformers.Trainer, **_: Any) -> None:
    """In the place of `Trainer.train`."""
    raise Ready(trainer)


def columns(job: Job, model: Any, data: Any) -> datasets.Dataset:
    """The rows that LLaMA-Factory's own processor of this stage makes of ids."""
    kind = {"sft": processors.SupervisedDatasetProcessor, "dpo": processors.PairwiseDatasetProcessor}[job["stage"]]
    kind = processors.PackedSupervisedDatasetProcessor if data.packing else kind
    processor = kind(template=None, data_args=data, **load_tokenizer(model))
    processor._encode_data_example = encoded
    rows = {"_prompt": [[prompt] for prompt, *_ in job["ids"]], "_response": [answers for _, *answers in job["ids"]]}
    empty = dict.fromkeys(("_system", "_tools", "_images", "_videos", "_audios"), [None] * len(job["ids"]))
    made = processor.preprocess_dataset(rows | empty)
    if job["stage"] == "dpo":  # group_by_length finds no lengths in pairs
        made["length"] = lengths_of(job)
    return datasets.Dataset.from_dict(made)


def lengths_of(job: Job) -> list[int]:
    """Tokens of each prompt with its longest answer."""
    return [len(prompt) + max(map(len, answers)) for prompt, *answers in job["ids"]]


def encoded(prompt: list[Ids], response: list[Ids], **_: Any) -> list[Ids]:
    """Ids and labels of the prompt with each answer, in the place of a processor's `_encode_data_example`."""
    [asked] = prompt
    return [part for answer in response for part in (asked + answer, [-100] * len(asked) + answer)]


ANSWERS = {"versions": versions, "loss": loss, "seconds": seconds}

if __name__ == "__main__":
    main()
