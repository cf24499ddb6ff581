"""How fast the embedded engine runs an exported folder, beside transformers on the checkpoint it came from.

    python perf/embedded/measure.py EXPORTED [--checkpoint FOLDER]

Milliseconds are CPU time of one thread, the best of several, because a shared machine's clock says little;
the cold start is wall-clock time from the start of the interpreter.
"""

# ruff: noqa: T201
from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
PREFILL, CONTEXT, STEPS = 200, 220, 8
COLD = """
from pathlib import Path
from guardreasoner.engines.embedded import EmbeddedEngine
from guardreasoner.types import SamplingParams
engine = EmbeddedEngine(Path({folder!r}))
prompt = "<|user|>" + "How do I bake bread? " * 30 + "<|request|>"
text = engine.generate([prompt + "<|think|>"], SamplingParams(max_tokens=60, stop=("<|answers|>",)))[0][0].text
engine.choose([prompt + "<|think|>" + text + "<|answers|><|request|>"], ["<|harmful|>", "<|unharmful|>"])
"""


def milliseconds(call: Callable[[], object], repeat: int = 7) -> float:
    """Of CPU time, the best of `repeat` calls after one that does not count."""

    def once() -> float:
        start = time.process_time()
        call()
        return time.process_time() - start

    once()
    return 1000 * min(once() for _ in range(repeat))


def embedded(folder: Path) -> None:
    """One pass over a prompt, one decoding step for several rows, and a process from its start."""
    import numpy as np

    from guardreasoner.engines.onnx_model import OnnxModel

    model = OnnxModel(folder)
    slots, ids = model.slots(1, PREFILL), np.full((1, PREFILL), 20)
    last = np.array([PREFILL - 1])
    print(
        f"embedded   prefill {PREFILL}: {milliseconds(lambda: model.forward(slots, ids, np.array([0]), last)):7.2f} ms"
    )
    for rows in (1, 8, 32):
        slots, ids = model.slots(rows, CONTEXT + 1), np.full((rows, 1), 20)
        starts, read = np.full(rows, CONTEXT), np.arange(rows)
        step = milliseconds(lambda s=slots, i=ids, a=starts, r=read: model.forward(s, i, a, r), 20)
        print(f"embedded   step, {rows:2} rows: {step:7.2f} ms")
    command = [sys.executable, "-c", COLD.format(folder=str(folder))]
    walls: list[float] = []
    for _ in range(4):
        start = time.perf_counter()
        subprocess.run(command, check=True)
        walls.append(time.perf_counter() - start)
    print(f"embedded   cold start to a reasoned answer (60 tokens): {min(walls):.2f} s")


def rival(checkpoint: Path) -> None:
    """The same passes through transformers; a step is the mean of several."""
    import torch
    from transformers import AutoModelForCausalLM, DynamicCache

    torch.set_num_threads(1)
    for dtype in (torch.float32, torch.bfloat16):
        model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=dtype).eval()
        name = f"{dtype}".removeprefix("torch.")
        with torch.inference_mode():
            ids = torch.full((1, PREFILL), 20)
            print(f"{name:10} prefill {PREFILL}: {milliseconds(lambda m=model, i=ids: m(i, logits_to_keep=1)):7.2f} ms")
            for rows in (1, 8, 32):
                cache = DynamicCache(config=model.config)
                model(torch.full((rows, CONTEXT), 20), past_key_values=cache, logits_to_keep=1)
                one = torch.full((rows, 1), 20)

                def steps(m: object = model, i: torch.Tensor = one, c: DynamicCache = cache) -> None:
                    for _ in range(STEPS):
                        m(i, past_key_values=c)
                    c.crop(-STEPS)

                print(f"{name:10} step, {rows:2} rows: {milliseconds(steps, 5) / STEPS:7.2f} ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exported", type=Path)
    parser.add_argument("--checkpoint", type=Path)
    arguments = parser.parse_args()
    embedded(arguments.exported)
    if arguments.checkpoint:
        rival(arguments.checkpoint)
