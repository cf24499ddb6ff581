"""From sifted answers to the files of a finished synthesis: examples, rejections, statistics, pictures, card."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path

from guardreasoner.jsonl import write_atomically
from guardreasoner.recipe import Recipe
from guardreasoner.report.card import card
from guardreasoner.report.histograms import draw, require_matplotlib
from guardreasoner.report.synthesis import Statistics, markdown
from guardreasoner.run import RunFolder, write_whole
from guardreasoner.types import Rejected, SFTExample

Outcomes = Iterable[tuple[SFTExample | None, Rejected | None]]


def write_files(
    recipe: Recipe, folder: RunFolder, outcomes: Outcomes, licences: Mapping[str, str] | None = None
) -> Statistics:
    """Write everything, reasoning.jsonl last: once it is there, all is.

    Rows are written as they come; a file takes its name when it is whole. What an earlier run left half done is
    written anew.
    """
    require_matplotlib()
    statistics = Statistics()
    with ExitStack() as files:
        # Left in reverse: rejected.jsonl takes its name first, then reasoning.jsonl, after all else is written.
        reasoning = files.enter_context(write_atomically(folder.reasoning))
        rejected = files.enter_context(write_atomically(folder.rejected))
        with reasoning.open("wb") as kept_lines, rejected.open("wb") as rejected_lines:
            for example, rejection in outcomes:
                if example is not None:
                    kept_lines.write(example.model_dump_json().encode() + b"\n")
                    statistics.keep(example)
                if rejection is not None:
                    statistics.find(rejection.reason, rejection.source)
                    if example is None:
                        statistics.left_out += 1
                        rejected_lines.write(rejection.model_dump_json().encode() + b"\n")
        write_whole(folder.root / "statistics.md", markdown(statistics, f"{recipe.name}: statistics"))
        _draw(statistics, folder.root / "histograms")
        write_whole(folder.root / "README.md", card(recipe, statistics, licences, pictures=statistics.kept > 0))
    return statistics


def _draw(statistics: Statistics, folder: Path) -> None:
    beside = folder.with_name(folder.name + ".partial")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    draw(statistics, beside)
    shutil.rmtree(folder, ignore_errors=True)
    beside.rename(folder)
