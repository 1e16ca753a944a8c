"""Two small pictures of a report: the model against each baseline, and what was predicted against what was observed.

Plain SVG that takes its colours from the piece of page it stands in, so that it follows a light and a dark screen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from lockgate.records import Bin, Report
from lockgate.report.checked import told
from lockgate.report.checked.figures import named, number

_Place = Callable[[float], float]

# About as wide as a narrow screen leaves: words keep their size there.
WIDTH = 360
_ROW, _EDGE = 40, 8
_LEFT, _RIGHT, _TOP, _BOTTOM, _SIDE = 46, 10, 10, 38, 250
_MOST_NAME = 18


def intervals(report: Report) -> str:
    """The model minus each baseline with its interval, the best baseline first; empty where there is none."""
    differences = told.apart(report)
    if not differences:
        return ""
    low, high = told.reach(differences)
    places = told.difference_places(differences)

    def at(value: float) -> float:
        inside = max(low, min(high, value))
        return _EDGE + (inside - low) / (high - low) * (WIDTH - 2 * _EDGE)

    rows = "".join(_lying(item, n * _ROW + 30, at, (low, high), places) for n, item in enumerate(differences))
    height = len(differences) * _ROW + 32
    # In pieces, so that it crosses no word.
    nought = "".join(
        f'<line class="ink" x1="{at(0):.1f}" x2="{at(0):.1f}" y1="{n * _ROW + 36}" y2="{n * _ROW + 52}"/>'
        for n in range(len(differences))
    )
    nought += _text(at(0), height - 4, "0", "soft", "middle")
    left, right = ("better", "worse") if told.direction(report) == "down" else ("worse", "better")
    ends = _text(_EDGE, 12, f"← {left}", "soft") + _text(WIDTH - _EDGE, 12, f"{right} →", "soft", "end")
    title = f"{named(report.proposal.metric)}, model minus each baseline, with 95 % intervals"
    return _svg(height, title, nought + ends + rows)


def _lying(item: told.Apart, y: float, at: _Place, ends: tuple[float, float], places: int) -> str:
    """A name and its figures over a line with the estimate on it; the line goes to the edge where the interval goes on."""
    tone = "orange" if item.said == "worse" else "blue" if item.said == "better" else "soft"
    name = item.name if len(item.name) <= _MOST_NAME else item.name[: _MOST_NAME - 1] + "…"
    said = f"{told.difference_words(item, places)} {item.said}"
    bar = y + 14
    one, two = at(item.low), at(item.high)
    drawn = f'<line class="{tone} thick" x1="{one:.1f}" x2="{max(two, one + 1):.1f}" y1="{bar}" y2="{bar}"/>'
    if item.low < ends[0]:
        drawn += f'<path class="{tone} fill" d="M{one - 6:.1f} {bar} l8 -5 v10 z"/>'
    if item.high > ends[1]:
        drawn += f'<path class="{tone} fill" d="M{two + 6:.1f} {bar} l-8 -5 v10 z"/>'
    if ends[0] <= item.estimate <= ends[1]:
        drawn += f'<circle class="{tone} fill" cx="{at(item.estimate):.1f}" cy="{bar}" r="4.5"/>'
    return _text(_EDGE, y, name, "ink") + _text(WIDTH - _EDGE, y, said, "soft", "end") + drawn


def calibration(report: Report) -> str:
    """Observed over predicted, bin by bin, beside the line where both are alike; empty for fewer than two bins."""
    bins = report.calibration
    if len(bins) < 2:
        return ""
    low, high = (0.0, 1.0) if report.task != "regression" else _ends(bins)
    wide = WIDTH - _LEFT - _RIGHT

    def x(value: float) -> float:
        return _LEFT + (value - low) / (high - low) * wide

    def y(value: float) -> float:
        return _TOP + _SIDE - (max(low, min(high, value)) - low) / (high - low) * _SIDE

    floor, places = _TOP + _SIDE, told.bin_places(bins) if report.task == "regression" else 1
    drawn = [
        f'<line class="soft thin" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{floor}" y2="{floor}"/>',
        f'<line class="soft dash" x1="{x(low):.1f}" x2="{x(high):.1f}" y1="{y(low):.1f}" y2="{y(high):.1f}"/>',
    ]
    for part in (0.0, 0.5, 1.0):
        value = low + part * (high - low)
        anchor = ("start", "middle", "end")[int(part * 2)]
        drawn.append(_text(x(value), floor + 15, number(value, places), "soft", anchor))
        drawn.append(_text(_LEFT - 6, y(value) + 4, number(value, places), "soft", "end"))
    spots = [(x(item.predicted), y(item.observed), y(item.low), y(item.high)) for item in bins]
    drawn += [f'<line class="blue thin" x1="{a:.1f}" x2="{a:.1f}" y1="{c:.1f}" y2="{d:.1f}"/>' for a, _, c, d in spots]
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b, _, _ in spots)
    drawn.append(f'<polyline class="blue thin" points="{path}"/>')
    drawn += [f'<circle class="blue fill" cx="{a:.1f}" cy="{b:.1f}" r="4"/>' for a, b, _, _ in spots]
    drawn.append(_text(_LEFT + wide / 2, floor + 32, _short(told.answers(report)), "soft", "middle"))
    drawn.append(_text(_LEFT + 6, _TOP + 8, "observed", "soft"))
    return _svg(
        floor + _BOTTOM, f"{told.answers(report)}: observed over predicted, in {len(bins)} bins", "".join(drawn)
    )


def _ends(bins: Sequence[Bin]) -> tuple[float, float]:
    values = [value for item in bins for value in (item.predicted, item.low, item.high)]
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _short(said: str) -> str:
    return said if len(said) <= 40 else said[:39] + "…"


def _text(x: float, y: float, said: str, tone: str, anchor: str = "start") -> str:
    return f'<text class="{tone} fill" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(said)}</text>'


def _svg(height: float, title: str, drawn: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" role="img">'
        f"<title>{escape(title)}</title>{drawn}</svg>"
    )
