"""What was predicted against what was observed, bin by bin."""

from __future__ import annotations

from collections.abc import Sequence

from lockgate.metrics.figures import number
from lockgate.records import Bin

WIDTH, SIDE, LEFT, TOP = 360, 240, 46, 10


def calibration(bins: Sequence[Bin]) -> str:
    """Observed over predicted with intervals, beside the line where both are alike; empty for fewer than two bins."""
    if len(bins) < 2:
        return ""
    ends = [value for one in bins for value in (one.predicted, one.low, one.high)]
    low, high = min(ends), max(ends)
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    wide = (high - low) or 1.0

    def x(value: float) -> float:
        return LEFT + (value - low) / wide * (WIDTH - LEFT - 14)

    def y(value: float) -> float:
        return TOP + SIDE * (1 - (min(max(value, low), high) - low) / wide)

    drawn = [f'<line class="soft dash" x1="{x(low):.1f}" x2="{x(high):.1f}" y1="{y(low):.1f}" y2="{y(high):.1f}"/>']
    for at, anchor in ((low, "start"), ((low + high) / 2, "middle"), (high, "end")):
        label = number(at, 1 if wide <= 10 else 0)
        drawn.append(_text(x(at), TOP + SIDE + 16, label, anchor) + _text(LEFT - 6, y(at) + 4, label, "end"))
    for one in bins:
        said = f"predicted {one.predicted:.3g}, observed {one.observed:.3g}, {one.rows:,} rows"
        at, top, foot = x(one.predicted), y(one.high), y(one.low)
        bar = f'<line class="blue" x1="{at:.1f}" x2="{at:.1f}" y1="{foot:.1f}" y2="{top:.1f}"/>'
        dot = f'<circle class="blue fill" cx="{at:.1f}" cy="{y(one.observed):.1f}" r="3.6"/>'
        drawn.append(f"<g><title>{said}</title>{bar}{dot}</g>")
    drawn.append(_text(LEFT + 6, TOP + 10, "observed", "start") + _text(WIDTH - 14, TOP + SIDE - 8, "predicted", "end"))
    head = f'<svg viewBox="0 0 {WIDTH} {TOP + SIDE + 24}" role="img" aria-label="observed over predicted">'
    return f"{head}{''.join(drawn)}</svg>"


def _text(x: float, y: float, said: str, anchor: str) -> str:
    return f'<text class="soft fill" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{said}</text>'
