"""From figures to drawings one line high, for a table cell: positions are percentages, so any width will do."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from guardreasoner.metrics import Interval
from guardreasoner.report.page.html import Node, e

_HEIGHT = 26
_MIDDLE = _HEIGHT / 2
MARKS = {"1B": "M0,-5 L5,4 L-5,4 Z", "3B": "M-4,-4 H4 V4 H-4 Z", "8B": "M0,-6 L6,0 L0,6 L-6,0 Z"}
"""The sizes of GuardReasoner: triangle, square, diamond."""


def forest(
    f1: float | None,
    bounds: Interval | None,
    *,
    mode: str,
    base: float | None,
    others: Sequence[tuple[str, float]],
    sizes: Sequence[tuple[str, float]],
) -> Element:
    """F1 with its interval on 0 to 100; `others` and `sizes` are published figures with their names."""
    drawn: list[Node] = [e("line", x1="0", x2="100%", y1=_MIDDLE, y2=_MIDDLE, class_="axis"), *_grid()]
    drawn += [_tick(name, value) for name, value in others]
    if base is not None:
        title = e("title", f"flags everything {_percent(base)}")
        drawn.append(e("line", title, x1=_at(base), x2=_at(base), y1=2.0, y2=_HEIGHT - 2.0, class_="base"))
    drawn += [mark(name, value) for name, value in sizes]
    if bounds is not None:
        drawn.append(e("line", x1=_at(bounds.low), x2=_at(bounds.high), y1=_MIDDLE, y2=_MIDDLE, class_=f"bar {mode}"))
    if f1 is not None:
        drawn.append(
            e("circle", e("title", f"this guard {_percent(f1)}"), cx=_at(f1), cy=_MIDDLE, r="5", class_=f"dot {mode}")
        )
    words = [f"F1 {_percent(f1)}", *(f"{name} {_percent(value)}" for name, value in sizes)]
    return _strip(drawn, ", ".join(words))


def scale() -> Element:
    """The numbers above a column of `forest`."""
    numbers = [
        e("text", str(at), x=f"{at}%", y="12", class_=f"tick {'first' if at == 0 else 'last' if at == 100 else ''}")
        for at in (0, 25, 50, 75, 100)
    ]
    return e("svg", *numbers, class_="strip scale", height="16", aria_hidden="true")


def mark(name: str, value: float) -> Element:
    """The sign of one size of GuardReasoner at its figure."""
    path = e("path", e("title", f"GuardReasoner {name} {_percent(value)}"), d=MARKS[name], class_="size")
    return e("svg", path, x=_at(value), y=_MIDDLE, overflow="visible", class_="at")


def legend_mark(name: str) -> Element:
    """The same sign for a legend."""
    path = e("path", d=MARKS[name], class_="size")
    return e("svg", path, viewBox="-7 -7 14 14", width="14", height="14", class_="key", aria_hidden="true")


def shares(parts: Sequence[tuple[str, str, int]]) -> Element:
    """Counts as shares of a line: (class, name, count)."""
    whole = sum(count for _, _, count in parts)
    drawn: list[Node] = []
    start = 0.0
    for kind, name, count in parts:
        width = 100 * count / whole if whole else 0.0
        title = e("title", f"{name}: {count:,}")
        drawn.append(e("rect", title, x=f"{start:.3f}%", y="7", width=f"{width:.3f}%", height="12", class_=kind))
        start += width
    return _strip(drawn, ", ".join(f"{name} {count:,}" for _, name, count in parts))


def _strip(drawn: Sequence[Node], words: str) -> Element:
    return e("svg", *drawn, class_="strip", height=str(_HEIGHT), role="img", aria_label=words)


def _grid() -> list[Node]:
    return [
        e("line", x1=f"{at}%", x2=f"{at}%", y1=0.0, y2=float(_HEIGHT), class_="grid") for at in (0, 25, 50, 75, 100)
    ]


def _tick(name: str, value: float) -> Element:
    title = e("title", f"{name} {_percent(value)}")
    return e("line", title, x1=_at(value), x2=_at(value), y1=_MIDDLE - 5, y2=_MIDDLE + 5, class_="other")


def _at(value: float) -> str:
    return f"{100 * value:.2f}%"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"
