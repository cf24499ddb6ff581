"""How fast R-SFT and HS-DPO train, beside TRL: same model, rows, batch and precision, in one run.

    python perf/training/measure.py [--repeat 3] [--rows 32] [--pairs 16] [--layers 4 --hidden 256] [--only sft]

Every setting's loss before training is compared first, in float32. Then all settings take turns, `--repeat` times; the
figures are medians of CPU seconds of `--threads` threads, because a shared machine's clock says little. Tokens are
those of the examples, without padding; a shared beginning counts as often as it stands in an example. HS-DPO is
measured over the paper's two epochs, the reference log-probabilities included.
"""

# ruff: noqa: T201
from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

EPOCHS = 2
Turn = Callable[[], dict[str, float]]


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in {
        "rows": 32,
        "pairs": 16,
        "batch": 8,
        "batch-tokens": 2048,
        "row-tokens": 0,
        "repeat": 3,
    }.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    for name, value in {"hidden": 256, "layers": 4, "mlp": 768, "heads": 4, "vocabulary": 8192}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=["sft", "dpo"])
    parser.add_argument("--hardware", default="cpu", help="a word for the name of the files")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    return parser.parse_args()


def main() -> None:
    """Measure, write both files, print the page."""
    chosen = options()
    os.environ["OMP_NUM_THREADS"] = str(chosen.threads)
    import torch
    from page import machine, markdown
    from rows import make_rows, make_tokenizer
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.set_num_threads(chosen.threads)
    rows = make_rows(max(chosen.rows, chosen.pairs), chosen.seed)
    folder = Path(tempfile.mkdtemp()) / "model"
    tokenizer = make_tokenizer(rows, folder, chosen.vocabulary)
    torch.manual_seed(chosen.seed)
    config = LlamaConfig(
        vocab_size=chosen.vocabulary,
        hidden_size=chosen.hidden,
        num_hidden_layers=chosen.layers,
        intermediate_size=chosen.mlp,
        num_attention_heads=chosen.heads,
        num_key_value_heads=chosen.heads,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.token_to_id("<|end|>"),
        pad_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    ids = [tuple(tokenizer.encode(text).ids for text in (row.prompt, row.chosen, row.rejected)) for row in rows]
    found: dict[str, Any] = {"settings": vars(chosen) | {"out": str(chosen.out.name)}, "machine": machine()}
    if chosen.only != "dpo":
        found["R-SFT"] = sft(chosen, folder, [(p, c) for p, c, _ in ids[: chosen.rows]])
    if chosen.only != "sft":
        found["HS-DPO"] = dpo(chosen, folder, rows[: chosen.pairs], ids[: chosen.pairs])
    name = f"{chosen.hardware}-{date.today()}"
    (chosen.out / f"{name}.json").write_text(json.dumps(found, indent=2) + "\n")
    (chosen.out / f"{name}.md").write_text(markdown(found))
    print(markdown(found))


def sft(chosen: argparse.Namespace, folder: Path, ids: list[Any]) -> dict[str, Any]:
    """Real tokens per second, each setting."""
    import own_side
    import trl_side

    from guardreasoner.recipe import SFTSection

    rows = own_side.sft_rows(ids, chosen.row_tokens)
    learnt, tokens = sum(len(c) for _, c in ids), sum(len(p) + len(c) for p, c in ids)
    section = SFTSection(**common(chosen), learning_rate=2e-5)

    def own(bf16: bool) -> Turn:
        return lambda: {"pass": own_side.sft(folder, rows, section.model_copy(update={"bf16": bf16}), clock)}

    def rival(bf16: bool, settings: dict[str, Any]) -> Turn:
        trainer = lambda: trl_side.sft(folder, ids, chosen.batch, bf16, settings)  # noqa: E731
        return lambda: {"pass": timed(trainer().train)}

    losses = {"ours": own_side.sft_loss(folder, rows, section)}
    turns: dict[str, Turn] = {}
    for bf16 in (True, False):
        mark = "bfloat16" if bf16 else "float32"
        turns[f"ours, {mark}"] = own(bf16)
        some = {name: settings for name, settings in trl_side.SFT.items() if bf16 or name in trl_side.WIDE}
        turns |= {f"{name}, {mark}": rival(bf16, settings) for name, settings in some.items()}
    for name, settings in trl_side.SFT.items():
        losses[name] = trl_side.sft_loss(trl_side.sft(folder, ids, chosen.batch, False, settings), learnt)
    check(losses)
    seconds = {name: each["pass"] for name, each in take_turns(turns, chosen.repeat).items()}
    speeds = {name: tokens / value for name, value in seconds.items()}
    rows_note = {"examples": len(ids), "tokens": tokens, "prompt share": round(1 - learnt / tokens, 3)}
    return {"rows": rows_note, "losses": losses, "unit": "tokens/s", "speeds": speeds, **ratios(speeds)}


def dpo(chosen: argparse.Namespace, folder: Path, texts: list[Any], ids: list[Any]) -> dict[str, Any]:
    """Pairs per second over two epochs, each setting."""
    import own_side
    import trl_side

    from guardreasoner.recipe import DPOSection

    rows = own_side.dpo_rows(ids)
    section = DPOSection(**common(chosen), learning_rate=1e-6)
    columns = [
        {
            "prompt": text.prompt,
            "chosen": text.chosen,
            "rejected": text.rejected,
            "length": len(p) + max(len(c), len(r)),
        }
        for text, (p, c, r) in zip(texts, ids, strict=True)
    ]

    def own(bf16: bool) -> Turn:
        def turn() -> dict[str, float]:
            reference, once = own_side.dpo(folder, rows, section.model_copy(update={"bf16": bf16}), clock)
            return {"reference": reference, "pass": once}

        return turn

    def rival(bf16: bool, settings: dict[str, Any]) -> Turn:
        def turn() -> dict[str, float]:
            trainer = trl_side.dpo(folder, columns, chosen.batch, bf16, settings, clock)
            return {"pass": timed(trainer.train), "reference": trainer.reference}

        return turn

    losses = {"ours": own_side.dpo_loss(folder, rows, section)}
    turns: dict[str, Turn] = {}
    for bf16 in (True, False):
        mark = "bfloat16" if bf16 else "float32"
        turns[f"ours, {mark}"] = own(bf16)
        some = {name: settings for name, settings in trl_side.DPO.items() if bf16 or name in trl_side.WIDE}
        turns |= {f"{name}, {mark}": rival(bf16, settings) for name, settings in some.items()}
    for name, settings in trl_side.DPO.items():
        losses[name] = trl_side.dpo_loss(trl_side.dpo(folder, columns, chosen.batch, False, settings, clock))
    check(losses)
    seconds = take_turns(turns, chosen.repeat)
    speeds = {name: EPOCHS * len(ids) / (each["reference"] + EPOCHS * each["pass"]) for name, each in seconds.items()}
    rows_note = {"pairs": len(ids), "tokens of both texts": sum(2 * len(p) + len(c) + len(r) for p, c, r in ids)}
    return {
        "rows": rows_note,
        "losses": losses,
        "unit": "pairs/s",
        "speeds": speeds,
        "seconds": seconds,
        **ratios(speeds),
    }


def common(chosen: argparse.Namespace) -> dict[str, Any]:
    """What both of our sections are told."""
    return {
        "batch_size": chosen.batch,
        "batch_tokens": chosen.batch_tokens,
        "threads": chosen.threads,
        "save_steps": 10**9,
        "betas": (0.9, 0.999),
        "weight_decay": 0.0,
    }


def take_turns(turns: dict[str, Turn], repeat: int) -> dict[str, dict[str, float]]:
    """Medians of each setting's seconds, the settings one after another, `repeat` times."""
    seconds: dict[str, list[dict[str, float]]] = {name: [] for name in turns}
    for number in range(repeat):
        for name, turn in turns.items():
            seconds[name].append(turn())
            print(f"{number + 1}/{repeat} {name}: {seconds[name][-1]}", file=sys.stderr)
    return {name: {key: statistics.median(e[key] for e in each) for key in each[0]} for name, each in seconds.items()}


def check(losses: dict[str, float]) -> None:
    """Stop where a setting's loss is another one."""
    for name, loss in losses.items():
        if not math.isclose(loss, losses["ours"], rel_tol=1e-5):
            raise SystemExit(f"{name}: the loss before training is {loss}, expected ours, {losses['ours']}")


def ratios(speeds: dict[str, float]) -> dict[str, Any]:
    """Ours in bfloat16 over TRL's defaults, and over the best TRL setting in any precision."""
    ours = speeds["ours, bfloat16"]
    best = max((name for name in speeds if name.startswith("TRL")), key=speeds.__getitem__)
    return {
        "ratio to defaults": ours / speeds["TRL, defaults, bfloat16"],
        "ratio to best": ours / speeds[best],
        "best": best,
    }


clock = time.process_time


def timed(call: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = clock()
    call()
    return clock() - start


if __name__ == "__main__":
    main()
