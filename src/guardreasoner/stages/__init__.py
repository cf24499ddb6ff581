"""The stages in the order a recipe runs them. Each reads a file of the run folder and writes the next."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

from guardreasoner.recipe import Recipe
from guardreasoner.run import RunFolder


class Stage(NamedTuple):
    """One row: the stage's name, what it makes of what, and the extra it needs (None: the base install).

    `spread`: under torchrun all processes run it together; the others are run by the first process alone.
    """

    name: str
    does: str
    extra: str | None = None
    spread: bool = False

    def run(self, recipe: Recipe, folder: RunFolder) -> None:
        """Import the stage and run it; what is finished already is left as it is."""
        stage: Callable[[Recipe, RunFolder], None] = import_module(f"guardreasoner.stages.{self.name}").run
        stage(recipe, folder)


STAGES = (
    Stage("data", "sources -> samples.jsonl and dev.jsonl"),
    Stage("synthesize", "samples -> reasoning.jsonl, by the teacher"),
    Stage("pretrain", "text -> tokenizer/ and a language model, pretrain/model/", "train", spread=True),
    Stage("sft", "reasoning.jsonl -> a reasoning guard, sft/model/ (R-SFT)", "train", spread=True),
    Stage("ensemble", "reasoning.jsonl, some sources left out -> ensemble/*/model/", "train", spread=True),
    Stage("mine", "samples, these guards -> pairs.jsonl, a right and a wrong answer to each hard sample", "train"),
    Stage("dpo", "pairs.jsonl -> that guard preferring right answers, dpo/model/ (HS-DPO)", "train", spread=True),
    Stage(
        "soup", "the last model/, reasoning.jsonl -> its mean with further guards', soup/model/", "train", spread=True
    ),
    Stage("quantize", "the last model/ -> quantize/, what the embedded engine opens", "train"),
    Stage("evaluate", "quantize/ and dev.jsonl -> evaluate/"),
)
