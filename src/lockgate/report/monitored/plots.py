"""Small pictures over time, as SVG that takes its colours from the page it stands in. No script: a figure under the pointer
is the browser's own tooltip.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from itertools import pairwise

import numpy as np

from lockgate.metrics.figures import number
from lockgate.report.monitored.told import Course, Point, Stretch
from lockgate.report.words import when

WIDTH, HEIGHT = 420, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 12, 16, 26
_SPARK = '<svg class="spark" viewBox="0 0 100 22" preserveAspectRatio="none" aria-hidden="true">'
_Place = Callable[[float], float]
Span = tuple[float, float]


def traffic(stretches: Sequence[Stretch], span: Span) -> str:
    """Calls as bars; of each the part that has an outcome is filled."""
    most = max((one.rows for one in stretches), default=0)
    if not most:
        return ""
    x, y = _over(span), _up((0.0, float(most)))
    drawn = [_grid((0.0, float(most)), y, 0), _days(span)]
    for one in stretches:
        left, wide = x(one.since_s), max(1.0, x(one.until_s) - x(one.since_s) - 1)
        said = f"{when(one.since_s)}: {one.rows:,} calls, {one.labelled:,} with an outcome"
        said += "" if one.is_mature else "; not judged yet"
        bars = _bar(left, y(one.rows), wide, y(0) - y(one.rows), "soft faint")
        bars += _bar(left, y(one.labelled), wide, y(0) - y(one.labelled), "blue")
        drawn.append(f"<g><title>{escape(said)}</title>{bars}</g>")
    return _svg("Calls over time, and how many of them have an outcome", "".join(drawn))


def course(found: Course, span: Span, takeovers: Sequence[tuple[float, str]] = ()) -> str:
    """A figure over time: realised as points with their intervals, estimated as a dashed line in a band, the reference as a
    level line. Empty where there is nothing.
    """
    if not found.is_any:
        return ""
    low, high = _ends(found)
    x, y = _over(span), _up((low, high))
    places = _places(low, high)
    drawn = [_grid((low, high), y, places), _days(span)]
    if found.before is not None:
        at = y(found.before)
        drawn.append(f'<line class="ink dash" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        drawn.append(_text(WIDTH - _RIGHT, at - 4, "reference", "soft", "end"))
    drawn += [_takeover(x(at_s), name) for at_s, name in takeovers]
    drawn += [_band(found.estimated, x, y), _line(found.estimated, x, y, "orange dash")]
    drawn += [_line(found.realised, x, y, "blue"), _dots(found.estimated, x, y, "orange", places)]
    drawn.append(_dots(found.realised, x, y, "blue", places))
    return _svg(f"{found.name} over time", "".join(drawn))


def _takeover(x: float, name: str) -> str:
    """Where another version became champion; its name is under the pointer."""
    line = f'<line class="ink dots" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}"/>'
    return f"<g><title>{escape(name)} became champion</title>{line}{_text(x + 3, _TOP + 8, name[:12], 'soft')}</g>"


def spark(values: Sequence[float], top: float) -> str:
    """A row's own course, small, from 0 to `top`; empty for fewer than two."""
    if len(values) < 2 or top <= 0:
        return ""
    step = 96 / (len(values) - 1)
    spots = " ".join(f"{2 + n * step:.1f},{20 - 18 * min(1.0, v / top):.1f}" for n, v in enumerate(values))
    return f'{_SPARK}<polyline class="blue" points="{spots}"/></svg>'


def share(value: float, top: float, tone: str) -> str:
    """A bar of one share of `top`, for a table's cell."""
    wide = 100 * min(1.0, value / top) if top > 0 else 0.0
    return f"{_SPARK}{_bar(0, 6, max(1.0, wide), 10, tone)}</svg>"


def _ends(found: Course) -> Span:
    """All values and the reference; intervals as far as they leave the values readable."""
    points = [*found.realised, *found.estimated]
    values = [point.value for point in points] + ([] if found.before is None else [found.before])
    low, high = min(values), max(values)
    reach = max(high - low, 1e-9 + 0.02 * abs(high))
    ends = [end for point in points for end in (point.low, point.high) if end is not None]
    low = max(min([low, *ends]), low - 1.5 * reach)
    high = min(max([high, *ends]), high + 1.5 * reach)
    room = 0.06 * (high - low) or 1.0
    return low - room, high + room


def _band(points: Sequence[Point], x: _Place, y: _Place) -> str:
    known = [(p.middle_s, p.low, p.high) for p in points if p.low is not None and p.high is not None]
    if len(known) < 2:
        return ""
    top = [f"{x(at):.1f},{y(high):.1f}" for at, _, high in known]
    foot = [f"{x(at):.1f},{y(low):.1f}" for at, low, _ in reversed(known)]
    return f'<polygon class="orange fill band" points="{" ".join(top + foot)}"/>'


def _line(points: Sequence[Point], x: _Place, y: _Place, tone: str) -> str:
    """Broken where a stretch is missing between two others."""
    parts: list[list[Point]] = [[]]
    for point in points[:1]:
        parts[-1].append(point)
    for before, point in pairwise(points):
        if point.since_s - before.until_s > 0.5 * (point.until_s - point.since_s):
            parts.append([])
        parts[-1].append(point)
    return "".join(
        f'<polyline class="{tone}" points="{" ".join(f"{x(p.middle_s):.1f},{y(p.value):.1f}" for p in part)}"/>'
        for part in parts
        if len(part) > 1
    )


def _dots(points: Sequence[Point], x: _Place, y: _Place, tone: str, places: int) -> str:
    drawn: list[str] = []
    size = 3.2 if len(points) <= 40 else 1.8
    for point in points:
        at = x(point.middle_s)
        said = f"{when(point.since_s)} to {when(point.until_s)}: {number(point.value, places)}"
        bar = ""
        if point.low is not None and point.high is not None:
            said += f", between {number(point.low, places)} and {number(point.high, places)}"
            bar = f'<line class="{tone}" x1="{at:.1f}" x2="{at:.1f}" y1="{y(point.low):.1f}" y2="{y(point.high):.1f}"/>'
        dot = f'<circle class="{tone} fill" cx="{at:.1f}" cy="{y(point.value):.1f}" r="{size}"/>'
        drawn.append(f"<g><title>{escape(said)}</title>{'' if tone == 'orange' else bar}{dot}</g>")
    return "".join(drawn)


def _over(span: Span) -> _Place:
    since_s, until_s = span
    wide = (until_s - since_s) or 1.0
    return lambda at_s: _LEFT + (WIDTH - _LEFT - _RIGHT) * (at_s - since_s) / wide


def _up(ends: Span) -> _Place:
    low, high = ends
    tall = (high - low) or 1.0
    return lambda value: _TOP + (HEIGHT - _TOP - _BOTTOM) * (1 - (min(max(value, low), high) - low) / tall)


def _places(low: float, high: float) -> int:
    return int(max(0, min(5, 1 - np.floor(np.log10(max(high - low, 1e-9))))))


def _grid(ends: Span, y: _Place, places: int) -> str:
    low, high = ends
    return "".join(
        f'<line class="soft thin" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y(at):.1f}" y2="{y(at):.1f}"/>'
        + _text(_LEFT - 6, y(at) + 4, number(at, places), "soft", "end")
        for at in (low, (low + high) / 2, high)
    )


def _days(span: Span) -> str:
    """Both ends, and the middle where there is room."""
    ends = ((span[0], "start"), ((span[0] + span[1]) / 2, "middle"), (span[1], "end"))
    x = _over(span)
    return "".join(_text(x(at), HEIGHT - 8, when(at)[:10], "soft", anchor) for at, anchor in ends)


def _bar(x: float, y: float, wide: float, tall: float, tone: str) -> str:
    return f'<rect class="{tone} fill flat" x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{max(0.0, tall):.1f}"/>'


def _text(x: float, y: float, said: str, tone: str, anchor: str = "start") -> str:
    return f'<text class="{tone} fill" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(said)}</text>'


def _svg(title: str, drawn: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">{drawn}</svg>'
    )
