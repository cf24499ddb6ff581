"""From gold and scores to two small plots: precision over recall, and observed share over score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from guardreasoner.metrics.calibration import reliability
from guardreasoner.metrics.curves import precision_recall
from guardreasoner.report.page.html import Node, e

_SIDE, _LEFT, _TOP, _BOTTOM = 200, 40, 10, 38
MOST_POINTS = 200


@dataclass(frozen=True)
class Line:
    """One curve: the class that colours it, and the rows behind it."""

    kind: str
    gold: NDArray[np.bool_]
    scores: NDArray[np.float64]


def precision_recall_plot(lines: Sequence[Line], title: str) -> Element:
    """Stairs down from the left; the dotted line is the share of positives, what guessing gives."""
    drawn: list[Node] = []
    if len(lines) > 0:
        share = float(np.mean(lines[0].gold))
        drawn.append(e("line", x1=_x(0), x2=_x(1), y1=_y(share), y2=_y(share), class_="guess"))
    for line in lines:
        curve = precision_recall(line.gold, line.scores)
        points = list(zip(curve.recall.tolist(), curve.precision.tolist(), strict=True))
        drawn.append(e("path", d=_stairs(thinned(points)), class_=f"curve {line.kind}"))
    return _plot(drawn, title, "recall", "precision")


def reliability_plot(lines: Sequence[Line], title: str) -> Element:
    """A dot per tenth of the score, its area by the rows in it; on the diagonal the score says what is so."""
    drawn: list[Node] = [e("line", x1=_x(0), x2=_x(1), y1=_y(0), y2=_y(1), class_="guess")]
    for line in lines:
        bins = reliability(line.gold, line.scores)
        most = max((each.count for each in bins), default=1)
        points = [(each.mean_score, each.share_positive) for each in bins]
        drawn.append(e("path", d=_through(points), class_=f"curve thin {line.kind}"))
        for each in bins:
            name = f"{each.count:,} rows, mean score {each.mean_score:.2f}, {each.share_positive:.2f} positive"
            radius = f"{2 + 5 * (each.count / most) ** 0.5:.2f}"
            place = {"cx": _x(each.mean_score), "cy": _y(each.share_positive)}
            drawn.append(e("circle", e("title", name), r=radius, class_=f"dot {line.kind}", **place))
    return _plot(drawn, title, "mean score", "share positive")


def thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most 200 of the points, evenly over their order, the first and the last among them."""
    if len(points) <= MOST_POINTS:
        return list(points)
    picked = np.unique(np.linspace(0, len(points) - 1, MOST_POINTS).round().astype(int))
    return [points[each] for each in picked.tolist()]


def _plot(drawn: Sequence[Node], title: str, across: str, up: str) -> Element:
    width, height = _LEFT + _SIDE + 12, _TOP + _SIDE + _BOTTOM
    ticks: list[Node] = []
    for at in (0, 0.5, 1):
        ticks += [
            e("line", x1=_x(at), x2=_x(at), y1=_y(0), y2=_y(1), class_="grid"),
            e("line", x1=_x(0), x2=_x(1), y1=_y(at), y2=_y(at), class_="grid"),
            e("text", f"{at:g}", x=_x(at), y=f"{_TOP + _SIDE + 15}", class_="tick"),
            e("text", f"{at:g}", x=f"{_LEFT - 6}", y=f"{float(_y(at)) + 4:.1f}", class_="tick last"),
        ]
    middle = _TOP + _SIDE / 2
    names = [
        e("text", across, x=_x(0.5), y=f"{height - 6}", class_="tick"),
        e("text", up, x="12", y=f"{middle:g}", transform=f"rotate(-90 12 {middle:g})", class_="tick"),
    ]
    return e(
        "svg", *ticks, *names, *drawn, viewBox=f"0 0 {width} {height}", class_="plot", role="img", aria_label=title
    )


def _stairs(points: Sequence[tuple[float, float]]) -> str:
    """Precision holds until recall rises: no line is drawn through values that no threshold has."""
    if not points:
        return ""
    steps = [f"M{_x(0)},{_y(points[0][1])}"]
    for recall, precision in points:
        steps.append(f"V{_y(precision)}H{_x(recall)}")
    return "".join(steps)


def _through(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{_x(across)},{_y(up)}" for across, up in points) if points else ""


def _x(value: float) -> str:
    return f"{_LEFT + _SIDE * value:.1f}"


def _y(value: float) -> str:
    return f"{_TOP + _SIDE * (1 - value):.1f}"
