"""Train a very small model, alone or as one of several: `python train_small.py FOLDER '{"batch_size": 8}'`."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import torch
from torch.distributed.fsdp import fully_shard
from transformers import LlamaConfig, LlamaForCausalLM

from guardreasoner.errors import GuardReasonerError
from guardreasoner.processes import count, is_first, number, part
from guardreasoner.recipe import SFTSection
from guardreasoner.training.gathering import gather
from guardreasoner.training.learner import Batch, learning
from guardreasoner.training.objectives import SFTObjective
from guardreasoner.training.packing import Example, Row, pack
from guardreasoner.training.trainer import train


def small_model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=50, max_position_embeddings=128, tie_word_embeddings=True, **sizes))


def small_rows() -> list[Row]:
    """Rows of 6 to 40 tokens, some with two answers to one prompt."""
    chance = random.Random(0)

    def some(least: int, most: int) -> list[int]:
        return [chance.randrange(1, 50) for _ in range(chance.randrange(least, most))]

    examples: list[Example] = []
    for _ in range(42):
        prompt = some(4, 20)
        answers = [some(2, 10) for _ in range(chance.randrange(1, 3))]
        examples += [Example([*prompt, *answer], len(prompt), chance.choice((0.5, 1.0, 2.0))) for answer in answers]
    return list(pack(examples, 60))


def section(**settings: Any) -> SFTSection:
    return SFTSection(**{"batch_tokens": 128, "save_steps": 4, "bf16": False, "threads": 1} | settings)


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def one_step(model: LlamaForCausalLM) -> float:
    """Learn 8 rows, each process its share, on a model that is spread over them or whole; gather it. The loss."""
    objective, rows = SFTObjective(), small_rows()[:8]
    units = torch.tensor(float(sum(row.units for row in rows)))
    with learning(model, objective):
        if count() > 1:
            for layer in model.model.layers:
                fully_shard(layer)
            # tied weights must be in one group, as accelerate has them
            fully_shard([model.model.norm, model.model.embed_tokens, model.lm_head], reshard_after_forward=False)
            fully_shard(model)
        batch = objective.collate(rows[number() :: count()]) | {"units": units}
        loss = model(Batch(batch)) * count()
        loss.backward()
        torch.optim.SGD(model.parameters(), lr=0.1).step()
        gather(model)
    return loss.item() / count()


if __name__ == "__main__":
    place = Path(sys.argv[1])
    try:
        trained = train(small_model(), small_rows(), place, section(**json.loads(sys.argv[2])), epochs=2)
    except GuardReasonerError as error:
        sys.exit(f"error: {error}")
    if is_first():
        trained.save_pretrained(place / "model")
    if count() > 1:
        spread = small_model()
        one_step(spread)
        if is_first():
            spread.save_pretrained(place / "spread")
    part()
