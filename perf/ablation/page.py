"""From the judged rows of `measure.py` to a table and a plot: F1 of every guard, the mean of its seeds.

    python perf/ablation/page.py FOLDER [--plot docs/ablation.svg]

Intervals: 2,000 draws of the rows with replacement, the same draws for all guards and seeds, so that a difference is
between answers to the same rows. They say how far other rows could move a figure; what other seeds do is shown beside.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from guardreasoner.metrics.counts import f1_of, interval, outcomes
from guardreasoner.report.judged import Judged, predictions_of
from guardreasoner.report.kept import in_question, read_asked, read_judged
from guardreasoner.types import Mode, Task

RESAMPLES = 2000
HEADS, LABELS, REASONED = "encoder", "labels", "r-sft"
PLAIN, OWN, BALANCED, ALL = "dpo-plain", "hs-dpo-self", "hs-dpo-balanced", "hs-dpo-ensemble"
System = tuple[str, Mode]
REFERENCE: System = (REASONED, "reason")
SYSTEMS: Mapping[System, str] = {
    (HEADS, "fast"): "encoder, a head per task",
    (LABELS, "fast"): "labels only",
    (REASONED, "fast"): "R-SFT, `fast`",
    (REASONED, "reason"): "R-SFT, `reason`",
    (PLAIN, "reason"): "+ plain DPO",
    (OWN, "reason"): "+ HS-DPO, own pairs",
    (BALANCED, "reason"): "+ HS-DPO, own pairs, balanced",
    (ALL, "reason"): "+ HS-DPO, ensemble",
}
SETS = {
    ("dev", Task.PROMPT_HARMFULNESS): "dev, prompt",
    ("dev", Task.RESPONSE_REFUSAL): "dev, refusal",
    ("dev", Task.RESPONSE_HARMFULNESS): "dev, response",
    ("ToxicChat", Task.PROMPT_HARMFULNESS): "ToxicChat",
    ("BeaverTails", Task.RESPONSE_HARMFULNESS): "BeaverTails",
    ("XSTest", Task.RESPONSE_HARMFULNESS): "XSTest response",
    ("XSTest", Task.RESPONSE_REFUSAL): "XSTest refusal",
}


class Figure(NamedTuple):
    """F1 of one guard on one set. `seeds`: of each seed; `drawn`: the mean of the seeds in each draw of the rows."""

    rows: int
    seeds: NDArray[np.float64]
    drawn: NDArray[np.float64]

    @property
    def mean(self) -> float:
        return float(self.seeds.mean())


Found = dict[tuple[str, Task], dict[System, Figure]]
"""Benchmark and task -> arm and mode -> its figure."""


def kept(folder: Path, arm: str, seed: int, stem: str, mode: Mode) -> Path:
    """Where the judged rows of one guard and set are."""
    return folder / "judged" / f"{arm}-{seed}" / f"{stem}.{mode}.jsonl"


def rows_of(path: Path, wanted: int, task: Task) -> list[Judged] | None:
    """The annotated rows in a fixed order; None where fewer than `wanted` rows are judged yet."""
    if not path.is_file():
        return None
    rows = in_question(read_judged(path), tuple(Task), read_asked(path))
    if len(rows) < wanted:
        return None
    annotated = [row for row in rows if row.gold.get(task) is not None]
    return sorted(annotated, key=lambda row: (row.source, row.id))


def figures_of(folder: Path, rows: Mapping[str, int], stems: Mapping[str, str]) -> Found:
    """Of every set and guard that is judged with every seed of R-SFT.

    `rows`: of each file; `stems`: what the files of a benchmark and task are called.
    """
    seeds = sorted(int(place.name.rpartition("-")[2]) for place in (folder / "judged").glob(f"{REASONED}-*"))
    found: Found = {}
    for name, task in SETS:
        stem = stems.get(f"{name} {task.value}", name)
        places: list[tuple[str, str]] | None = None
        for arm, mode in SYSTEMS:
            files = [kept(folder, arm, seed, stem, mode) for seed in seeds]
            whole = [judged for path in files if (judged := rows_of(path, rows.get(stem, 0), task))]
            if not whole or len(whole) < len(files):
                continue
            for judged in whole:
                here = [(row.source, row.id) for row in judged]
                places = here if places is None else places
                if here != places:
                    raise SystemExit(f"{arm}, {stem}, {mode}: other rows than the guards before it, expected the same")
            outcome = np.stack([outcomes(predictions_of(judged, task), task) for judged in whole])
            found.setdefault((name, task), {})[arm, mode] = figure_of(outcome)
    return found


def figure_of(found: NDArray[np.int64]) -> Figure:
    """From outcomes [seeds, rows, 4]. The draws depend on the number of rows alone: all guards get the same."""
    count = found.shape[1]
    times = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    return Figure(count, f1_of(found.sum(axis=1)), np.mean([f1_of(times @ rows) for rows in found], axis=0))


def span(samples: NDArray[np.float64], sign: str = "") -> str:
    """An interval in percent."""
    bounds = interval(samples)
    return "-" if bounds is None else f"{100 * bounds.low:{sign}.1f} to {100 * bounds.high:{sign}.1f}"


def tables(found: Found) -> Iterator[str]:
    """F1 with its interval and its seeds, then what each guard has more than R-SFT in `reason`."""
    yield "| F1, mean of seeds (95 %; seeds) | " + " | ".join(SETS[place] for place in found) + " |"
    yield "|---|" + "---:|" * len(found)
    yield "| rows | " + " | ".join(str(next(iter(cells.values())).rows) for cells in found.values()) + " |"
    for system, name in SYSTEMS.items():
        yield f"| {name} | " + " | ".join(_cell(cells.get(system)) for cells in found.values()) + " |"
    yield ""
    yield "| F1 more than R-SFT in `reason` | " + " | ".join(SETS[place] for place in found) + " |"
    yield "|---|" + "---:|" * len(found)
    for system, name in SYSTEMS.items():
        if system != REFERENCE:
            cells = [_difference(each.get(system), each.get(REFERENCE)) for each in found.values()]
            yield f"| {name} | " + " | ".join(cells) + " |"


def _cell(figure: Figure | None) -> str:
    if figure is None or np.isnan(figure.mean):
        return "-"
    return f"{100 * figure.mean:.1f} ({span(figure.drawn)}; {', '.join(f'{100 * f1:.1f}' for f1 in figure.seeds)})"


def _difference(figure: Figure | None, reference: Figure | None) -> str:
    if figure is None or reference is None or np.isnan(figure.mean - reference.mean):
        return "-"
    more = 100 * (figure.mean - reference.mean)
    return f"{more:+.1f} ({span(figure.drawn - reference.drawn, '+')})"


def plot(found: Found, path: Path) -> None:
    """A panel per set: bars of means, lines of intervals, dots of seeds."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "ablation"
    from matplotlib import pyplot

    panels, axes = pyplot.subplots(2, 4, figsize=(13, 6), sharey=True, layout="constrained")
    names = list(SYSTEMS.values())
    for axis, (place, cells) in zip(axes.flat, found.items(), strict=False):
        for at, system in enumerate(SYSTEMS):
            if (figure := cells.get(system)) is None:
                continue
            bounds = interval(figure.drawn)
            axis.barh(at, 100 * figure.mean, color="#4477aa" if system[1] == "reason" else "#bbbbbb")
            if bounds is not None:
                axis.plot([100 * bounds.low, 100 * bounds.high], [at, at], color="black", linewidth=1)
            axis.scatter(100 * figure.seeds, [at] * len(figure.seeds), color="#cc3311", s=9, zorder=3)
        axis.set_title(SETS[place], fontsize=10)
        axis.set_yticks(range(len(names)), [name.replace("`", "") for name in names], fontsize=8)
        axis.set_xlim(0, 100)
    axes.flat[0].invert_yaxis()  # shared by all
    for axis in axes.flat[len(found) :]:
        axis.axis("off")
    panels.supxlabel("F1: mean of seeds (bar), 95 % over rows (line), seeds (dots); blue: with reasoning", fontsize=9)
    panels.savefig(path, metadata={"Date": None})


def main() -> None:
    """Print the tables; draw the plot where asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--plot", type=Path)
    asked = parser.parse_args()
    settings = json.loads((asked.folder / "settings.json").read_text(encoding="utf-8"))
    found = figures_of(asked.folder, settings["rows"], settings["stems"])
    if not found:
        raise SystemExit(f"{asked.folder}: no guard is judged with every seed yet")
    for line in tables(found):
        sys.stdout.write(line + "\n")
    if asked.plot is not None:
        plot(found, asked.plot)


if __name__ == "__main__":
    main()
