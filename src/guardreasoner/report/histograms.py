"""From the statistics of a synthesis to pictures: steps per sample and characters per step, a panel per source."""

from __future__ import annotations

from collections import Counter
from importlib import import_module  # matplotlib has few types, and loads only where pictures are drawn
from pathlib import Path
from typing import Any, Literal, NamedTuple

from guardreasoner.errors import MissingExtra
from guardreasoner.report.synthesis import SourceStatistics, Statistics

MOST_PANELS = 12
_BLUE, _ORANGE, _GREY = "#0072B2", "#D55E00", "#555555"  # Okabe and Ito's palette: told apart by colour-blind eyes


class Picture(NamedTuple):
    """One file: what is counted, and how its axis is cut."""

    file: str
    title: str
    axis: str
    counted: Literal["steps", "lengths"]
    step: int

    def counts(self, source: SourceStatistics) -> Counter[int]:
        return source.steps if self.counted == "steps" else source.lengths


PICTURES = (
    Picture("steps.png", "Steps per sample", "steps", "steps", 1),
    Picture("lengths.png", "Length of a step", "characters", "lengths", 20),
)


def require_matplotlib() -> None:
    """MissingExtra now, rather than after the work whose result it draws."""
    try:
        import_module("matplotlib.figure")
    except ImportError:
        raise MissingExtra("drawing histograms", "synthesis") from None


def draw(statistics: Statistics, folder: Path) -> None:
    """Write every picture into `folder`, which is there."""
    require_matplotlib()
    for picture in PICTURES:
        _draw(picture, _panels(statistics), folder / picture.file)


def _panels(statistics: Statistics) -> list[tuple[str, SourceStatistics]]:
    """The largest sources, what remains of them, and the total where there are several."""
    largest = sorted(statistics.sources.items(), key=lambda item: -item[1].samples)
    if len(largest) < 2:
        return largest
    shown, rest = largest, largest[:0]
    if len(largest) > MOST_PANELS - 1:
        shown, rest = largest[: MOST_PANELS - 2], largest[MOST_PANELS - 2 :]
    others = sum((source for _, source in rest), SourceStatistics())
    return [*shown, *([(f"{len(rest)} other sources", others)] if rest else []), ("All sources", statistics.total)]


def _draw(picture: Picture, panels: list[tuple[str, SourceStatistics]], path: Path) -> None:
    every = sum((picture.counts(source) for _, source in panels), Counter[int]())
    end = _end(every, picture.step)
    columns = min(3, max(1, len(panels)))
    rows = -(-max(1, len(panels)) // columns)
    # The figure is made without pyplot: no window system is asked, no global state is left.
    figure: Any = import_module("matplotlib.figure").Figure(
        figsize=(4.2 * columns, 2.7 * rows + 0.7), dpi=130, facecolor="white", layout="constrained"
    )
    figure.suptitle(f"{picture.title}, share of {'samples' if picture.step == 1 else 'steps'} per source", fontsize=12)
    axes: list[Any] = list(figure.subplots(rows, columns, squeeze=False, sharey=True).flat)
    for number, (axis, (name, source)) in enumerate(zip(axes, panels, strict=False)):
        _panel(axis, picture, name, picture.counts(source), end)
        axis.set_ylabel("" if number % columns else "%", fontsize=9)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    figure.savefig(path, format="png")


def _panel(axis: Any, picture: Picture, name: str, counts: Counter[int], end: int) -> None:
    """Bars in percent, the mean as a dashed line. What lies beyond the axis is one bar at its end, in orange."""
    total = counts.total()
    bars = Counter[int]()
    for value, count in counts.items():
        bars[min(value, end) // picture.step * picture.step] += count
    places = sorted(bars)
    last = end // picture.step * picture.step
    beyond = any(value >= last + picture.step for value in counts)
    colours = [_ORANGE if beyond and place == last else _BLUE for place in places]
    width = picture.step * 0.9
    middle = 0.0 if picture.step == 1 else picture.step / 2
    heights = [100 * bars[place] / total for place in places]
    axis.bar([place + middle for place in places], heights, width=width, color=colours, linewidth=0)
    if total:
        mean = sum(value * count for value, count in counts.items()) / total
        axis.axvline(mean, color=_GREY, linestyle="--", linewidth=1.2)
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 2}
        where = {"transform": axis.transAxes, "ha": "right", "va": "top"}
        axis.text(0.98, 0.96, f"mean {mean:.1f}\nn = {total:,}", fontsize=9, bbox=box, **where)
    axis.margins(y=0.3)  # room for the two lines of text
    axis.set_title(_short(name), fontsize=10, loc="left", parse_math=False)
    axis.set_xlabel(picture.axis + (f" (orange: {last:,} and more)" if beyond else ""), fontsize=9)
    axis.set_xlim(-picture.step * 0.6, last + picture.step * 1.6)
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.tick_params(labelsize=8)
    axis.grid(axis="y", color="#DDDDDD", linewidth=0.6)
    axis.set_axisbelow(True)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def _end(counts: Counter[int], step: int) -> int:
    """Where the axis ends: at the value that 99.5 % do not pass, so that a few outliers do not flatten the rest."""
    total, seen = counts.total(), 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= 0.995 * total:
            return max(value, step)
    return step


def _short(name: str) -> str:
    return name if len(name) <= 40 else f"{name[:37]}..."
