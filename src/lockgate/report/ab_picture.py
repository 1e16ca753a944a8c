"""An A/B's intervals over time, as one inline picture: a band for each challenger, closing in on its difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

from lockgate.records.ab import AbLook
from lockgate.report.words import when

WIDTH, HEIGHT = 860, 260
LEFT, RIGHT, TOP, BOTTOM = 64, 150, 14, 30
COLOURS = ("#0072b2", "#c25e00", "#2f6f4f", "#8a4f9e", "#7a6a00")
"""Blue and orange first: they are told apart by everybody (Okabe, Ito 2008)."""
SHOWN = 1.5
"""The first looks, wide as they are, would hide the rest: the scale is that of the later half, so many times."""


class Scale(NamedTuple):
    since_s: float
    until_s: float
    low: float
    high: float

    def x(self, at_s: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (at_s - self.since_s) / ((self.until_s - self.since_s) or 1.0)

    def y(self, value: float) -> float:
        held = min(max(value, self.low), self.high)
        return TOP + (HEIGHT - TOP - BOTTOM) * (self.high - held) / ((self.high - self.low) or 1.0)


def picture(looks: Sequence[AbLook], names: Mapping[str, str], *, metric: str) -> str:
    """SVG; empty before the first looks. names: versions' short names by id."""
    versions = list(dict.fromkeys(look.version for look in looks))
    if len({look.until_s for look in looks}) < 2:
        return ""
    scale = _scale(looks)
    bands = [
        _band([look for look in looks if look.version == v], scale, COLOURS[n % 5]) for n, v in enumerate(versions)
    ]
    ends = [next(look for look in reversed(looks) if look.version == v) for v in versions]
    label = f"difference of {metric} from the champion, with its interval, over time"
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img" aria-label="{escape(label)}" font-size="11" '
        f'fill="currentColor">{_axes(scale)}{"".join(bands)}{_names(ends, names, scale)}</svg>'
    )


def _scale(looks: Sequence[AbLook]) -> Scale:
    times = sorted(look.until_s for look in looks)
    late = [look for look in looks if look.until_s >= times[len(times) // 2]]
    low, high = min(0.0, *(look.low for look in late)), max(0.0, *(look.high for look in late))
    return Scale(times[0], times[-1], SHOWN * low, SHOWN * high)


def _band(looks: Sequence[AbLook], scale: Scale, colour: str) -> str:
    top = [f"{scale.x(look.until_s):.1f},{scale.y(look.high):.1f}" for look in looks]
    foot = [f"{scale.x(look.until_s):.1f},{scale.y(look.low):.1f}" for look in reversed(looks)]
    middle = " ".join(f"{scale.x(look.until_s):.1f},{scale.y(look.estimate):.1f}" for look in looks)
    return (
        f'<polygon points="{" ".join(top + foot)}" fill="{colour}" fill-opacity=".16"/>'
        f'<polyline points="{middle}" fill="none" stroke="{colour}" stroke-width="1.8"/>'
    )


def _axes(scale: Scale) -> str:
    right, zero = WIDTH - RIGHT, scale.y(0.0)
    found = [
        f'<line x1="{LEFT}" x2="{right}" y1="{zero:.1f}" y2="{zero:.1f}" stroke="currentColor" stroke-dasharray="3 3"/>',
        f'<text x="{right + 8}" y="{zero + 4:.1f}" opacity=".7">the champion</text>',
    ]
    found += [
        f'<text x="{LEFT - 8}" y="{scale.y(value) + 4:.1f}" text-anchor="end">{value:+.2g}</text>'
        for value in (scale.low / SHOWN, scale.high / SHOWN, 0.0)
    ]
    for at_s, anchor in ((scale.since_s, "start"), (scale.until_s, "end")):
        x, y = scale.x(at_s), HEIGHT - 8
        found.append(f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}" opacity=".7">{when(at_s)}</text>')
    return "".join(found)


def _names(ends: Sequence[AbLook], names: Mapping[str, str], scale: Scale) -> str:
    """Each band's name behind its end, apart from the others and from the champion's."""
    found: list[str] = []
    taken = [scale.y(0.0)]
    for number, look in enumerate(ends):
        y = scale.y(look.estimate)
        while any(abs(y - other) < 13 for other in taken):
            y -= 13 if look.estimate >= 0 else -13
        taken.append(y)
        name = escape(names.get(look.version, look.version[:6]))
        x = WIDTH - RIGHT + 8
        found.append(f'<text x="{x}" y="{y + 4:.1f}" fill="{COLOURS[number % 5]}" font-weight="600">{name}</text>')
    return "".join(found)
