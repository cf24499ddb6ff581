"""What R-SFT and HS-DPO of a Llama-3.2-1B-shaped model do on one GPU, beside TRL: tokens/s, memory, model FLOPs use.

    python perf/training/gpu.py [--rows 384] [--pairs 128] [--repeat 2] [--only sft] [--layers 2 --hidden 64 ...]

The weights are random, the rows those of `measure.py`; one optimizer step takes all of them, in R-SFT as many as the
paper's. Seconds are the clock's, from a loaded model to a finished pass, after a short pass of each side that warms up.
The losses before training, in float32, are kept beside the figures. Memory is the most that PyTorch's allocator held.
Model FLOPs are those of `guardreasoner plan` without what is computed again, their use is of the maker's dense peak.
"""

# ruff: noqa: T201
from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import own_side
import torch
import trl_side
from gpu_page import markdown
from gpu_turns import cleared, clock, device, figures, measured
from page import machine
from rows import columns, llama, make_rows, make_tokenizer
from transformers import LlamaForCausalLM
from turns import timed

from guardreasoner.recipe import DPOSection, SFTSection
from guardreasoner.training.needs import Tokens
from guardreasoner.training.shapes import KNOWN, Shape, read_shape

BASE = "meta-llama/Llama-3.2-1B"
COMPARED = 4
"""Rows whose loss before training is compared."""
EPOCHS = 2
"""Of HS-DPO, the paper's; the reference is computed once."""
PER_DEVICE = {"sft": 8, "dpo": 4}
"""Examples that TRL computes at once: its default in R-SFT, half of it in HS-DPO, where a pair is two texts."""


def options() -> argparse.Namespace:
    """What the command line says; the model's shape is Llama-3.2-1B's but for what is said here."""
    shape = KNOWN[BASE]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    numbers = {"rows": 384, "pairs": 128, "repeat": 2, "sft-tokens": 12288, "wide-tokens": 16384, "dpo-tokens": 4096}
    sizes = {
        "hidden": shape.hidden_size,
        "layers": shape.num_hidden_layers,
        "mlp": shape.intermediate_size,
        "heads": shape.num_attention_heads,
        "kv-heads": shape.num_key_value_heads,
        "vocabulary": shape.vocab_size,
    }
    for name, value in (numbers | sizes | {"seed": 0}).items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--only", choices=["sft", "dpo"])
    parser.add_argument("--hardware", default="h100", help="a word for the name of the files")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    chosen = parser.parse_args()
    kept = {name: value for name, value in vars(chosen).items() if name != "out" and value != parser.get_default(name)}
    chosen.flags = "".join(f" --{name.replace('_', '-')} {value}" for name, value in kept.items())
    return chosen


def main() -> None:
    """Measure, and write both files after each part: a lent machine may be taken back."""
    chosen = options()
    rows = make_rows(max(chosen.rows, chosen.pairs), chosen.seed)
    folder = Path(tempfile.mkdtemp()) / "model"
    shape, tokenizer = made(chosen, rows, folder)
    ids = [tuple(tokenizer.encode(text).ids for text in (row.prompt, row.chosen, row.rejected)) for row in rows]
    found: dict[str, Any] = {
        "settings": {name: value for name, value in vars(chosen).items() if name != "out"},
        "machine": machine() | device(),
        "parameters": shape.parameters,
        "examples TRL computes at once": list(PER_DEVICE.values()),
    }
    parts = {
        "R-SFT": lambda: sft(chosen, shape, folder, [(p, c) for p, c, _ in ids[: chosen.rows]]),
        "HS-DPO": lambda: dpo(chosen, shape, folder, rows[: chosen.pairs], ids[: chosen.pairs]),
    }
    for name, part in parts.items():
        if chosen.only in (None, "sft" if name == "R-SFT" else "dpo"):
            found[name] = part()
            stem = chosen.out / f"{chosen.hardware}-{date.today()}"
            stem.with_suffix(".json").write_text(json.dumps(found, indent=2) + "\n")
            stem.with_suffix(".md").write_text(markdown(found))
    print(markdown(found))


def made(chosen: argparse.Namespace, rows: list[Any], folder: Path) -> tuple[Shape, Any]:
    """A model of random weights in `folder`, made on the GPU, in bfloat16; and a tokenizer for the rows."""
    tokenizer = make_tokenizer(rows, folder, min(8192, chosen.vocabulary))
    torch.manual_seed(chosen.seed)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        LlamaForCausalLM(llama(chosen, tokenizer, chosen.kv_heads)).to(torch.bfloat16).save_pretrained(folder)
    cleared()
    return read_shape(folder / "config.json"), tokenizer


def sft(chosen: argparse.Namespace, shape: Shape, folder: Path, ids: list[Any]) -> dict[str, Any]:
    """Tokens per second of one pass, each setting."""
    rows = own_side.sft_rows(ids, 0)
    recipe = SFTSection(**common(chosen.rows, chosen.sft_tokens), learning_rate=5e-5, gradient_checkpointing=True)
    sections = settings(recipe, chosen.wide_tokens)
    turns = {name: own(lambda s, n: own_side.sft(folder, rows[:n], s, clock), s) for name, s in sections.items()}
    for name in ("TRL, defaults", "TRL, no gradient checkpointing", "TRL, + group_by_length"):
        told = accumulating(chosen.rows, "sft") | trl_side.SFT[name]
        turns[name] = lambda n, told=told: timed(
            trl_side.sft(folder, ids[:n], PER_DEVICE["sft"], True, told).train, clock
        )
    some = ids[:COMPARED]
    plain = trl_side.sft(folder, some, COMPARED, False, {})
    losses = {"ours": own_side.sft_loss(folder, rows[:COMPARED], recipe)}
    losses["TRL"] = trl_side.sft_loss(plain, sum(len(c) for _, c in some))
    del plain
    learnt, tokens = sum(len(c) for _, c in ids), sum(len(p) + len(c) for p, c in ids)
    counted = Tokens(len(ids), tokens, learnt, "the rows")
    took = measured(turns, chosen.repeat, PER_DEVICE["sft"])
    speeds = {name: tokens / seconds for name, (seconds, _) in took.items()}
    return {
        "rows": {"examples": len(ids), "tokens": tokens, "learnt share": round(learnt / tokens, 3)},
        "losses": losses,
        "unit": "tokens/s",
    } | figures(shape, sections, counted, took, speeds)


def dpo(chosen: argparse.Namespace, shape: Shape, folder: Path, texts: list[Any], ids: list[Any]) -> dict[str, Any]:
    """Pairs per second over two epochs, the reference's log-probabilities included, each setting; one pass is timed."""
    rows = own_side.dpo_rows(ids)
    recipe = DPOSection(**common(chosen.pairs, chosen.dpo_tokens), learning_rate=5e-6, gradient_checkpointing=True)
    sections = settings(recipe, chosen.sft_tokens)
    pairs = columns(texts, ids)

    def both_epochs(section: DPOSection, count: int) -> float:
        reference, once = own_side.dpo(folder, rows[:count], section, clock)
        return reference + EPOCHS * once

    turns = {name: own(both_epochs, s) for name, s in sections.items()}

    def rival(told: dict[str, Any]) -> Callable[[int], float]:
        def turn(count: int) -> float:
            trainer = trl_side.dpo(folder, pairs[:count], PER_DEVICE["dpo"], True, told, clock)
            return EPOCHS * timed(trainer.train, clock) + trainer.reference

        return turn

    for name in ("TRL, defaults", "TRL, no gradient checkpointing", "TRL, + precompute_ref_log_probs"):
        turns[name] = rival(accumulating(chosen.pairs, "dpo") | trl_side.DPO[name])
    losses = {"ours": own_side.dpo_loss(folder, rows[:COMPARED], recipe)}
    losses["TRL"] = trl_side.dpo_loss(trl_side.dpo(folder, pairs[:COMPARED], 1, False, {}, clock))
    learnt, read = sum(len(row.learnt) for row in rows), sum(len(row.ids) for row in rows)
    counted = Tokens(len(ids), read, learnt, "the rows")
    took = measured(turns, chosen.repeat, PER_DEVICE["dpo"])
    speeds = {name: EPOCHS * len(ids) / seconds for name, (seconds, _) in took.items()}
    both = sum(2 * len(p) + len(c) + len(r) for p, c, r in ids)
    return {
        "rows": {"pairs": len(ids), "tokens of both texts": both, "tokens with prompts once": read},
        "losses": losses,
        "unit": "pairs/s",
    } | figures(shape, sections, counted, took, speeds, EPOCHS + 1 / 3)


def settings(recipe: Any, wide: int) -> dict[str, Any]:
    """What of ours is measured: the recipe's section, and what more memory buys."""
    whole = recipe.model_copy(update={"gradient_checkpointing": False})
    return {
        "ours, the recipe's settings": recipe,
        "ours, no gradient checkpointing": whole,
        f"ours, + {wide:,} tokens at once": whole.model_copy(update={"batch_tokens": wide}),
    }


def common(batch: int, tokens: int) -> dict[str, Any]:
    """What both of our sections are told."""
    return {
        "batch_size": batch,
        "batch_tokens": tokens,
        "save_steps": 10**9,
        "betas": (0.9, 0.999),
        "weight_decay": 0.0,
        "epochs": 1.0,
    }


def accumulating(batch: int, stage: str) -> dict[str, Any]:
    """One optimizer step of `batch` rows in TRL's words."""
    return {"gradient_accumulation_steps": max(1, batch // PER_DEVICE[stage])}


def own(run: Callable[[Any, int], float], section: Any) -> Callable[[int], float]:
    """A turn over the first rows of ours."""
    return lambda count: run(section, count)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:  # whatever the sides write goes with it
        os.environ["TMPDIR"] = tempfile.tempdir = scratch
        main()
