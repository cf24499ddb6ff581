"""From the Trainer's events to a bar on the terminal and lines of `metrics.jsonl`, on the first process alone."""

# transformers types these members only in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from guardreasoner.errors import InputError
from guardreasoner.jsonl import reason
from guardreasoner.processes import is_first
from guardreasoner.run import write_whole


class Progressing(TrainerCallback):
    """Loss, tokens per second over all processes and time left. `tokens[step]`: real tokens of each optimizer step."""

    def __init__(self, folder: Path, tokens: list[int]) -> None:
        self._metrics = folder / "metrics.jsonl"
        self._tokens = tokens
        self._started = (0.0, 0)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not is_first(),
        )
        self._line = self._bar.add_task(folder.name, total=len(tokens), figures="")

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if is_first():
            self._metrics.parent.mkdir(parents=True, exist_ok=True)
            self._forget_after(state.global_step)
        self._started = (time.monotonic(), state.global_step)
        self._bar.update(self._line, completed=state.global_step)
        self._bar.start()

    def _forget_after(self, step: int) -> None:
        """Drop lines of steps that are trained again, so that a stopped run leaves the curve of an undisturbed one."""
        if not self._metrics.is_file():
            return
        lines = self._metrics.read_text(encoding="utf-8").splitlines(keepends=True)
        write_whole(self._metrics, "".join(line for line in lines if _step(line) <= step))

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
        if logs is None or "loss" not in logs or not is_first():
            return
        now, (then, step) = time.monotonic(), self._started
        speed = sum(self._tokens[step : state.global_step]) / max(now - then, 1e-9)
        self._started = (now, state.global_step)
        self._bar.update(self._line, figures=f"loss {logs['loss']:.3f}  {speed:,.0f} tokens/s")
        record = {"step": state.global_step, "steps": len(self._tokens), "tokens_per_second": round(speed), **logs}
        if torch.cuda.is_available():
            record["peak_memory_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
        try:
            with self._metrics.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(record) + "\n")
        except OSError as error:
            raise InputError(f"cannot write {self._metrics}: {reason(error)}") from error

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.close()

    def close(self) -> None:
        self._bar.stop()


def _step(line: str) -> float:
    """The step that a line of metrics is about; a torn line is about none that is kept."""
    try:
        return int(json.loads(line)["step"]) if line.endswith("}\n") else float("inf")
    except (ValueError, KeyError, TypeError):
        return float("inf")
