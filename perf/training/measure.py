"""How fast R-SFT and HS-DPO train, beside TRL and LLaMA-Factory: same model, rows, batch and precision, in one run.

    python perf/training/measure.py [--repeat 3] [--rows 32] [--pairs 16] [--layers 4 --hidden 256] [--only sft]
        [--llama-factory PYTHON]

Every setting's loss before training is compared first, in float32. Then all settings take turns, `--repeat` times; the
figures are medians of CPU seconds of `--threads` threads, because a shared machine's clock says little. Tokens are
those of the examples, without padding; a shared beginning counts as often as it stands in an example. HS-DPO is
measured over the paper's two epochs, the reference log-probabilities included.

LLaMA-Factory 0.9.5 needs older packages than ours, hence an environment and a process of its own:

    python -m venv LF && LF/bin/pip install llamafactory==0.9.5 torch==2.13.0

PyPI's torchvision and torchaudio want a GPU's libraries. Where torch is for the CPU, training text does without:
`LF/bin/pip uninstall torchvision`, `rm LF/lib/python3.11/site-packages/torchaudio/lib/*.so`.
"""

# ruff: noqa: T201
from __future__ import annotations

import argparse
import json
import os
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

from llama_factory import LlamaFactory
from turns import Turn, check, clock, in_precision, ratios, take_turns, timed

EPOCHS = 2
PLACES = {"llama_factory": "PYTHON", "out": "FOLDER"}
"""Of this machine: what is kept says this in their place."""


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
    parser.add_argument("--llama-factory", type=Path, metavar="PYTHON", help="an interpreter that has LLaMA-Factory")
    parser.add_argument("--hardware", default="cpu", help="a word for the name of the files")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    chosen = parser.parse_args()
    changed = {name: value for name, value in vars(chosen).items() if value != parser.get_default(name)}
    said = {name.replace("_", "-"): PLACES.get(name, value) for name, value in changed.items()}
    chosen.flags = "".join(f" --{name} {value}" for name, value in said.items())
    return chosen


def main() -> None:
    """Measure, write both files, print the page."""
    chosen = options()
    os.environ["OMP_NUM_THREADS"] = str(chosen.threads)
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # seconds are the processor's
    import torch
    from page import machine, markdown
    from rows import llama, make_rows, make_tokenizer
    from transformers import LlamaForCausalLM

    torch.set_num_threads(chosen.threads)
    rows = make_rows(max(chosen.rows, chosen.pairs), chosen.seed)
    folder = Path(tempfile.mkdtemp()) / "model"
    tokenizer = make_tokenizer(rows, folder, chosen.vocabulary)
    torch.manual_seed(chosen.seed)
    LlamaForCausalLM(llama(chosen, tokenizer, chosen.heads)).save_pretrained(folder)
    ids = [tuple(tokenizer.encode(text).ids for text in (row.prompt, row.chosen, row.rejected)) for row in rows]
    settings = {name: value for name, value in vars(chosen).items() if name not in PLACES}
    other = LlamaFactory(chosen.llama_factory)
    where = machine() | other.versions()
    found: dict[str, Any] = {"settings": settings, "machine": where}
    if chosen.only != "dpo":
        found["R-SFT"] = sft(chosen, folder, [(p, c) for p, c, _ in ids[: chosen.rows]], other)
    if chosen.only != "sft":
        found["HS-DPO"] = dpo(chosen, folder, rows[: chosen.pairs], ids[: chosen.pairs], other)
    name = f"{chosen.hardware}-{date.today()}"
    (chosen.out / f"{name}.json").write_text(json.dumps(found, indent=2) + "\n")
    (chosen.out / f"{name}.md").write_text(markdown(found))
    print(markdown(found))


def sft(chosen: argparse.Namespace, folder: Path, ids: list[Any], other: LlamaFactory) -> dict[str, Any]:
    """Real tokens per second, each setting."""
    import own_side
    import trl_side

    from guardreasoner.recipe import SFTSection

    rows = own_side.sft_rows(ids, chosen.row_tokens)
    learnt, tokens = sum(len(c) for _, c in ids), sum(len(p) + len(c) for p, c in ids)
    section = SFTSection(**common(chosen), learning_rate=2e-5)
    job = {"stage": "sft", "model": str(folder), "ids": ids, "batch": chosen.batch, "threads": chosen.threads}

    def own(bf16: bool) -> Turn:
        return lambda: {"pass": own_side.sft(folder, rows, section.model_copy(update={"bf16": bf16}), clock)}

    def rival(bf16: bool, settings: dict[str, Any]) -> Turn:
        trainer = lambda: trl_side.sft(folder, ids, chosen.batch, bf16, settings)  # noqa: E731
        return lambda: {"pass": timed(trainer().train)}

    losses = {"ours": own_side.sft_loss(folder, rows, section)}
    turns: dict[str, Turn] = {}
    for bf16 in (True, False):
        turns["ours, bfloat16" if bf16 else "ours, float32"] = own(bf16)
        some = in_precision(trl_side.SFT, trl_side.WIDE, bf16)
        turns |= {name: rival(bf16, settings) for name, settings in some.items()}
        turns |= other.turns(job, bf16)
    for name, settings in trl_side.SFT.items():
        losses[name] = trl_side.sft_loss(trl_side.sft(folder, ids, chosen.batch, False, settings), learnt)
    losses |= other.losses(job)
    check(losses)
    seconds = {name: each["pass"] for name, each in take_turns(turns, chosen.repeat).items()}
    speeds = {name: tokens / value for name, value in seconds.items()}
    rows_note = {"examples": len(ids), "tokens": tokens, "prompt share": round(1 - learnt / tokens, 3)}
    return {"rows": rows_note, "losses": losses, "unit": "tokens/s", "speeds": speeds, "ratios": ratios(speeds)}


def dpo(
    chosen: argparse.Namespace, folder: Path, texts: list[Any], ids: list[Any], other: LlamaFactory
) -> dict[str, Any]:
    """Pairs per second over two epochs, each setting."""
    import own_side
    import trl_side
    from rows import columns

    from guardreasoner.recipe import DPOSection

    rows = own_side.dpo_rows(ids)
    section = DPOSection(**common(chosen), learning_rate=1e-6)
    job = {"stage": "dpo", "model": str(folder), "ids": ids, "batch": chosen.batch, "threads": chosen.threads}
    pairs = columns(texts, ids)

    def own(bf16: bool) -> Turn:
        def turn() -> dict[str, float]:
            reference, once = own_side.dpo(folder, rows, section.model_copy(update={"bf16": bf16}), clock)
            return {"reference": reference, "pass": once}

        return turn

    def rival(bf16: bool, settings: dict[str, Any]) -> Turn:
        def turn() -> dict[str, float]:
            trainer = trl_side.dpo(folder, pairs, chosen.batch, bf16, settings, clock)
            return {"pass": timed(trainer.train), "reference": trainer.reference}

        return turn

    losses = {"ours": own_side.dpo_loss(folder, rows, section)}
    turns: dict[str, Turn] = {}
    for bf16 in (True, False):
        turns["ours, bfloat16" if bf16 else "ours, float32"] = own(bf16)
        some = in_precision(trl_side.DPO, trl_side.WIDE, bf16)
        turns |= {name: rival(bf16, settings) for name, settings in some.items()}
        turns |= other.turns(job, bf16)
    for name, settings in trl_side.DPO.items():
        losses[name] = trl_side.dpo_loss(trl_side.dpo(folder, pairs, chosen.batch, False, settings, clock))
    losses |= other.losses(job)
    check(losses)
    seconds = take_turns(turns, chosen.repeat)
    speeds = {  # LLaMA-Factory's reference runs within each pass
        name: EPOCHS * len(ids) / (each.get("reference", 0.0) + EPOCHS * each["pass"]) for name, each in seconds.items()
    }
    rows_note = {"pairs": len(ids), "tokens of both texts": sum(2 * len(p) + len(c) + len(r) for p, c, r in ids)}
    return {
        "rows": rows_note,
        "losses": losses,
        "unit": "pairs/s",
        "speeds": speeds,
        "seconds": seconds,
        "ratios": ratios(speeds),
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


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:  # whatever the sides write, in their processes too, goes with it
        os.environ["TMPDIR"] = tempfile.tempdir = scratch
        main()
