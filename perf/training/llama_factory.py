"""LLaMA-Factory's trainers on the same rows, in their own interpreter: what each setting is, what is asked of them."""

from __future__ import annotations

import json
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from turns import Settings, Turn, in_precision

NO_RECOMPUTING: Settings = {"disable_gradient_checkpointing": True}
GROUPED: Settings = NO_RECOMPUTING | {"train_sampling_strategy": "group_by_length"}
DPO: dict[str, Settings] = {
    "LLaMA-Factory, defaults": {},
    "LLaMA-Factory, no gradient checkpointing": NO_RECOMPUTING,
    "LLaMA-Factory, + group_by_length": GROUPED,
}
# packing without neat_packing lets examples see one another: another loss
SFT = DPO | {"LLaMA-Factory, neat_packing": NO_RECOMPUTING | {"neat_packing": True}}
SETTINGS = {"sft": SFT, "dpo": DPO}
WIDE = ("LLaMA-Factory, + group_by_length",)
"""Measured in float32 too."""


class LlamaFactory:
    """One process for all jobs, as all turns of the others are in one; without an interpreter it has no settings."""

    def __init__(self, python: Path | None) -> None:
        script = Path(__file__).with_name("llama_factory_side.py")
        piped = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen([python, script], **piped) if python else None

    def versions(self) -> dict[str, Any]:
        """The packages that it runs on."""
        return {"LLaMA-Factory": self.ask({"ask": "versions"})} if self.process else {}

    def turns(self, job: Settings, bf16: bool) -> dict[str, Turn]:
        """One pass of each setting."""

        def turn(settings: Settings) -> Turn:
            return lambda: {"pass": self.ask(job | {"ask": "seconds", "bf16": bf16, "settings": settings})}

        return {name: turn(settings) for name, settings in in_precision(self.settings(job), WIDE, bf16).items()}

    def losses(self, job: Settings) -> dict[str, float]:
        """Each setting's loss before training, in float32."""
        asked = job | {"ask": "loss", "bf16": False}
        return {name: self.ask(asked | {"settings": settings}) for name, settings in self.settings(job).items()}

    def settings(self, job: Settings) -> dict[str, Settings]:
        """Those of the job's stage."""
        return SETTINGS[job["stage"]] if self.process else {}

    def ask(self, job: Settings) -> Any:
        """The answer to one job."""
        with suppress(BrokenPipeError):  # it has ended, and answers nothing
            print(json.dumps(job), file=self.process.stdin, flush=True)
        if answer := self.process.stdout.readline():
            return json.loads(answer)
        raise SystemExit("LLaMA-Factory's process ended without an answer; what it said stands above")
