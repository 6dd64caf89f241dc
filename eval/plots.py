"""Plots as inline SVG: strings that need no library and no network to be looked at.

All are 360 units wide, so that their letters stay legible on a phone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

WIDTH = 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 38, 12, 10, 34
Point = tuple[float, float]


def bars(figures: Sequence[tuple[str, Mapping[str, Any], str]]) -> str:
    """One bar from 0 to 1 a figure, (title, estimate, direction), with its interval."""
    parts = []
    for row, (title, found, better) in enumerate(figures):
        top, value = row * 38, found["value"]
        shown = "not measured" if value is None else _interval(found)
        parts.append(f'<text x="0" y="{top + 12}">{escape(title)}{_arrow(better)}</text>')
        parts.append(f'<text x="{WIDTH}" y="{top + 12}" class="end">{shown}</text>')
        parts.append(_rect(0, top + 18, WIDTH, 10, "track"))
        if value is not None:
            parts.append(_rect(0, top + 18, WIDTH * value, 10, f"bar {better}"))
            parts.append(_whisker(WIDTH * found["low"], WIDTH * found["high"], top + 23))
    return _svg(parts, 38 * max(len(figures), 1), "Figures with 95% intervals")


def line(points: Sequence[Point], x: str, y: str, title: str) -> str:
    """A line through points of the unit square, with axes named `x` and `y`."""
    height = 230
    place = _placer(height)
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in map(place, points))
    parts = [*_axes(height, x, y), f'<polyline class="line" points="{path}"/>']
    return _svg(parts, height, title)


def reliability(bins: Sequence[tuple[float, float, int]], title: str) -> str:
    """Said against come true: a circle a bin, larger where it holds more; on the line is good."""
    height = 230
    place = _placer(height)
    most = max((n for _, _, n in bins), default=1)
    (x0, y0), (x1, y1) = place((0, 0)), place((1, 1))
    parts = [*_axes(height, "confidence said", "share that came true")]
    parts.append(f'<line class="ideal" x1="{x0}" y1="{y0}" x2="{x1}" y2="{y1}"/>')
    for said, true, n in bins:
        a, b = place((said, true))
        note = f"<title>said {said:.2f}, came true {true:.2f}, {n} questions</title>"
        size = 3 + 9 * (n / most) ** 0.5
        spot = f'cx="{a:.1f}" cy="{b:.1f}" r="{size:.1f}"'
        parts.append(f'<circle class="dot" {spot}>{note}</circle>')
    return _svg(parts, height, title)


def histogram(values: Sequence[float], title: str, unit: str = "seconds", bins: int = 24) -> str:
    """How many values fall where, from 0 to the largest."""
    height = 230
    top = max(values, default=0.0) or 1.0
    counts = [0] * bins
    for value in values:
        counts[min(int(value / top * bins), bins - 1)] += 1
    most = max(counts) or 1
    wide, tall = WIDTH - _LEFT - _RIGHT, height - _TOP - _BOTTOM
    parts = [*_axes(height, unit, "questions", top, most)]
    for i, n in enumerate(counts):
        high = tall * n / most
        parts.append(
            _rect(_LEFT + wide * i / bins, _TOP + tall - high, wide / bins - 1, high, "bar")
        )
    return _svg(parts, height, title)


def heat(value: float | None, better: str) -> str:
    """Style of a cell of the heat map: from red over white to blue, bad to good."""
    if value is None or better == "neither":
        return ""
    good = value if better == "higher" else 1.0 - value
    hue, strength = (215, good - 0.5) if good >= 0.5 else (12, 0.5 - good)
    return f"background:hsl({hue} 70% 50% / {0.75 * strength / 0.5:.2f})"


def _axes(height: int, x: str, y: str, x_top: float = 1.0, y_top: float = 1.0) -> Iterable[str]:
    bottom, right = height - _BOTTOM, WIDTH - _RIGHT
    for share in (0.0, 0.5, 1.0):
        a = _LEFT + share * (right - _LEFT)
        b = bottom - share * (bottom - _TOP)
        yield f'<line class="grid" x1="{_LEFT}" y1="{b}" x2="{right}" y2="{b}"/>'
        yield f'<text class="mid" x="{a}" y="{bottom + 14}">{_number(share * x_top)}</text>'
        yield f'<text class="end" x="{_LEFT - 5}" y="{b + 4}">{_number(share * y_top)}</text>'
    yield f'<text class="mid" x="{(_LEFT + right) / 2}" y="{height - 4}">{escape(x)}</text>'
    middle = (_TOP + bottom) / 2
    turned = f'transform="rotate(-90 9 {middle})" x="9" y="{middle}"'
    yield f'<text class="mid" {turned}>{escape(y)}</text>'


def _placer(height: int) -> Any:
    bottom, right = height - _BOTTOM, WIDTH - _RIGHT
    return lambda p: (_LEFT + p[0] * (right - _LEFT), bottom - p[1] * (bottom - _TOP))


def _number(value: float) -> str:
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


def _interval(found: Mapping[str, Any]) -> str:
    return f"{found['value']:.2f} [{found['low']:.2f}, {found['high']:.2f}] n={found['n']}"


def _arrow(better: str) -> str:
    return " ↓" if better == "lower" else ""


def _rect(x: float, y: float, width: float, height: float, css: str) -> str:
    size = f'width="{max(width, 0):.1f}" height="{max(height, 0):.1f}"'
    return f'<rect class="{css}" x="{x:.1f}" y="{y:.1f}" {size}/>'


def _whisker(low: float, high: float, y: float) -> str:
    path = f"M{low:.1f} {y - 5}V{y + 5}M{high:.1f} {y - 5}V{y + 5}M{low:.1f} {y}H{high:.1f}"
    return f'<path class="whisker" d="{path}"/>'


def _svg(parts: Iterable[str], height: float, title: str) -> str:
    label = escape(title, quote=True)
    return (
        f'<svg viewBox="-2 0 {WIDTH + 4} {height}" role="img" aria-label="{label}">'
        f"{''.join(parts)}</svg>"
    )
