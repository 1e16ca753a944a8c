"""Figures as people read them."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import numpy as np

from lockgate.errors import SpecError
from lockgate.records import Evidence, Gate, Ruling, Verdict
from lockgate.records.duration import minute
from lockgate.report.confidence import (
    Closing,
    Gauge,
    Strength,
    bound_of,
    closing,
    domain,
    gauge,
    is_over_a_bar,
    strength,
)

NARROWEST = 40
_LABEL, _TAIL = 10, 9
NOTHING = "holds no evidence that could be drawn."
NOTHING_CURE = "Its sentence says what is missing; ask again once calls or days have come in."

# Where a line crosses a panel, its words, and whether it is the one to be cleared.
Line = tuple[float, str, bool]

BARS = "▁▂▃▄▅▆▇█"
UNITS = {
    "log_loss": "log loss, nats per call",
    "brier": "Brier score per call",
    "zero_one": "share of wrong decisions",
    "absolute_error": "absolute error, in the target's units",
    "squared_error": "squared error, in the target's units squared",
    "roc_auc": "area under the ROC curve",
    "quality": "loss per call",
    "skill": "loss per call",
}


def age(seconds: float | None) -> str:
    """A stretch of time in its largest unit: 40 s, 5 min, 3 h, 12 d; "-" where there is none."""
    if seconds is None:
        return "-"
    for size, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def when(seconds: float) -> str:
    """An instant: 2013-04-01 10:00 UTC."""
    return minute(seconds)


def day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%-d %B")


def thinned(values: Sequence[float], width: int, pick: Callable[[Sequence[float]], float] = max) -> list[float]:
    """At most `width` values, each picked from a stretch of neighbours; the largest, unless told."""
    step = max(1, -(-len(values) // width))
    return [pick(values[i : i + step]) for i in range(0, len(values), step)]


def sparkline(values: Sequence[float], width: int = 60, *, low: float | None = None, high: float | None = None) -> str:
    """The values as bars, thinned to `width`; empty where there are none.

    low, high: the scale, that of the values unless told; only what reaches `high` is a full bar then.
    """
    if not values:
        return ""
    found = thinned(values, width)
    low = min(found) if low is None else low
    levels = 8 if high is None else 7
    reach = ((max(found) if high is None else high) - low) or 1.0
    return "".join(BARS[max(0, min(7, int((value - low) / reach * levels)))] for value in found)


def figure(value: float) -> str:
    """Three figures, and never an e+05: 0.0123, 4.56, 1,230; a million and more as a power of ten."""
    if not math.isfinite(value):
        return "no limit"
    if abs(value) >= 1e6:
        return f"{'-' if value < 0 else ''}10^{math.log10(abs(value)):.0f}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def e_value(log_e: float) -> str:
    """An e-value of that natural log; beyond reading, as a power of ten."""
    return f"10^{log_e / math.log(10):.0f}" if abs(log_e) > math.log(1e6) else figure(math.exp(log_e))


def counted(seen: Evidence, number: float | None = None) -> str:
    """What the evidence grows by: "days", "3 calls"."""
    known = {"1d": "day", "1h": "hour", "7d": "week"}
    one = "call" if seen.looks else known.get(seen.block, seen.block or "block")
    many = f"{one}s" if one.isalpha() else f"blocks of {one}"
    if number is None:
        return many
    return f"1 {one if one.isalpha() else f'block of {one}'}" if number == 1 else f"{number:,.0f} {many}"


def units(gate: Gate) -> str:
    """The measure with its unit."""
    return UNITS.get(gate.measure, gate.measure.replace("_", " "))


def claims(gate: Gate) -> tuple[str, str]:
    """What the evidence of a gate is for, and the opposite: "the challenger is better", "the challenger is worse"."""
    margin = gate.margin
    if gate.method.startswith("label bet"):
        less = f"the canary fails less than {margin:g} times as often"
        return ("the canary is worse", less) if gate.claim == "harmful" else (less, "the canary is worse")
    harms = {
        "quality": f"is at least {margin:.0%} worse",
        "contract_breaks": f"breaks its contract on over {margin:.0%} of calls",
    }
    words = {
        "better": (f"is better by {margin:g}", f"is not better by {margin:g}") if margin else ("is better", "is worse"),
        "not worse": (f"is not worse by {margin:g}", f"is worse by {margin:g}"),
        "harmful": (harms.get(gate.measure, "is worse"), "is no worse"),
        "safe": (f"fails on under {margin:.1%} of calls", f"fails on over {margin:.1%} of calls"),
        "degraded": (f"has lost over {margin:g} of skill", "is as skilful as it was"),
        "drifted": ("has drifted", "is as it was"),
        "skewed": ("is another in a table than in a call", "is the same in a table and in a call"),
        "broken": ("is broken", "is as it was"),
    }
    who = {"degraded": "champion", "drifted": "column", "skewed": "value", "broken": "column"}.get(
        gate.claim, "challenger"
    )
    found, other = words[gate.claim]
    return f"the {who} {found}", f"the {who} {other}"


def subtitle(verdict: Verdict) -> str:
    """The ruling, and how often its method is wrong."""
    gate = verdict.gate
    rate = "error rate not measured"
    if gate.alpha is not None:
        rate = f"wrong at most {100 * gate.alpha:.2g} % of the time ({gate.guarantee})"
    return f"{verdict.ruling.upper()}  ·  {gate.name}  ·  {gate.method}  ·  {rate}"


def interval_words(gate: Gate, seen: Evidence, found: Closing) -> str:
    """Where the interval stands in the end."""
    low, high, estimate = (float(end[-1]) for end in (found.low, found.high, found.estimate))
    if found.alike == 1:
        reach = f"{figure(low)} or more" if math.isinf(high) else f"between {figure(low)} and {figure(high)}"
        best = "" if math.isnan(estimate) else f"{figure(estimate)} times, "
        return f"The canary's {gate.measure} against the champion's: {best}{reach}"
    what = "Difference" if found.alike == 0 else f"Loss over the bar of {bar(gate)}"
    if math.isinf(low) and math.isinf(high):
        reach = "no limit yet"
    elif math.isinf(low) or math.isinf(high):
        reach = f"above {low:+.3g}" if math.isinf(high) else f"below {high:+.3g}"
    else:
        reach = f"between {low:+.3g} and {high:+.3g}"
    good = " (below 0 is better)" if found.alike == 0 else ""
    return f"{what} after {counted(seen, found.at[-1])}: {estimate:+.3g}, {reach}{good}"


def interval_lines(gate: Gate, found: Closing) -> list[Line]:
    if found.alike is None:
        return [(found.bound, bar(gate), True)]
    alike: Line = (found.alike, f"{found.alike:g}: alike", found.alike == found.bound)
    return [alike] if found.alike == found.bound else [alike, (found.bound, f"{found.bound:g}: margin", True)]


def bar(gate: Gate) -> str:
    """What stands at 0 where a margin is subtracted already."""
    return f"{gate.margin:.0%} worse" if gate.claim == "harmful" else f"{gate.margin:g} of skill lost"


def zero_lines(gate: Gate, alike: str) -> list[Line]:
    """Lines across differences: 0, and the margin where it is another."""
    if is_over_a_bar(gate):
        return [(0.0, bar(gate), True)]
    bound = bound_of(gate)
    return [(0.0, alike, False), *([(bound, f"{bound:.3g}: margin", True)] if bound else [])]


def difference(gate: Gate) -> str:
    """What a block's value is, with its unit."""
    return f"loss over the bar of {bar(gate)}, per call" if is_over_a_bar(gate) else f"difference in {units(gate)}"


def blocks_words(verdict: Verdict) -> str:
    """How many blocks went which way."""
    seen, total = verdict.evidence, len(verdict.evidence.values)
    under = sum(value < 0 for value in seen.values)
    low, high = ("under the bar", "over it") if is_over_a_bar(verdict.gate) else ("below 0 (better)", "above")
    return f"{counted(seen).capitalize()} one by one: {under:,} {low}, {total - under:,} {high}"


def strength_words(verdict: Verdict, found: Strength) -> str:
    """What the evidence is for, and how near it came."""
    ruled, other = claims(verdict.gate)[:: -1 if found.is_other else 1]
    said = f"Evidence that {ruled}: {e_value(found.ruled[-1])} of the {e_value(found.line)} that decide"
    said = f"Not used: e{said[1:]}" if verdict.ruling is Ruling.VOID else said
    if found.beside is None:
        return said
    return f"{said}\n(dashed: that {other}, {e_value(found.beside[-1])})"


def gauge_words(verdict: Verdict, found: Gauge) -> str:
    if found.kind == "moved":
        return f"Distance times importance: {found.value:.2g}, and {found.line:g} tells a person"
    what, does = claims(verdict.gate)[0], "decide"
    if found.kind == "mismatch":
        what, does = "calls are routed or lost by arm", "void the rest"
    return f"Evidence that {what}: {e_value(found.value)} of the {e_value(found.line)} that {does}"


def line_words(found: Gauge) -> str:
    if found.kind == "moved":
        return f"{found.line:g} tells"
    return f"{e_value(found.line)} {'voids' if found.kind == 'mismatch' else 'decides'}"


def text(verdict: Verdict, width: int = 72) -> tuple[str, ...]:
    """The evidence for a terminal, in lines of at most `width` characters.

    Raises SpecError for a width under 40, and where the evidence holds nothing that could be drawn.
    """
    if width < NARROWEST:
        raise SpecError(f"{width} columns hold no drawing.", cure=f"Give {NARROWEST} or more.")
    bars = width - _LABEL - _TAIL
    makers = (_gauge_rows, _strength_rows, _closing_rows, _estimate_rows, _block_rows)
    parts = [part for part in (maker(verdict, bars) for maker in makers) if part]
    if not parts:
        raise SpecError(f"The verdict {verdict.id} of {verdict.gate.name!r} {NOTHING}", cure=NOTHING_CURE)
    return tuple(line.rstrip() for part in parts for line in (part if part is parts[0] else ["", *part]))


def _row(label: str, drawn: str, tail: str) -> str:
    return f"{label:<{_LABEL}}{drawn} {tail}"


def _note(said: str, width: int) -> list[str]:
    indent = " " * _LABEL
    return textwrap.wrap(said, _LABEL + width + _TAIL, initial_indent=indent, subsequent_indent=indent)


def _gauge_rows(verdict: Verdict, width: int) -> list[str]:
    """A bar with the line at four fifths of it."""
    found = gauge(verdict)
    if found is None:
        return []
    line = 4 * width // 5
    filled = max(0, min(width, round(found.value / found.line * line)))
    drawn = "█" * filled + "·" * (width - filled)
    drawn = drawn[:line] + "│" + drawn[line + 1 :]
    tail = figure(found.value) if found.kind == "moved" else e_value(found.value)
    return [_row("evidence", drawn, tail), *_note(gauge_words(verdict, found), width)]


def _strength_rows(verdict: Verdict, width: int) -> list[str]:
    found = strength(verdict)
    if found is None:
        return []
    first, *rest = strength_words(verdict, found).replace("dashed: ", "opposite: ").split("\n")
    rows = [
        _row("evidence", sparkline(found.ruled.tolist(), width, low=0.0, high=found.line), e_value(found.ruled[-1]))
    ]
    if found.beside is not None:
        drawn = sparkline(found.beside.tolist(), width, low=0.0, high=found.line)
        rows.append(_row("opposite", drawn, e_value(found.beside[-1])))
    seen = verdict.evidence
    reached = "not reached" if found.reached is None else f"reached after {counted(seen, found.at[found.reached])}"
    return [*rows, *_note(" ".join((f"{first}. A full bar is the line: {reached}", *rest)), width)]


def _closing_rows(verdict: Verdict, width: int) -> list[str]:
    """Both ends on one scale: they close in on each other."""
    found = closing(verdict)
    if found is None or not found.is_any:
        return []
    ends = found.low[-1], found.high[-1]
    low, high = domain(found)
    rows: list[str] = []
    for label, part, end in (("at most", found.high, ends[1]), ("at least", found.low, ends[0])):
        inside = np.clip(part, low, high)
        on_scale = np.log(inside / low) / math.log(high / low) if found.alike == 1 else (inside - low) / (high - low)
        drawn = sparkline(thinned(on_scale.tolist(), width, lambda values: values[-1]), width, low=0.0, high=1.0)
        rows.append(_row(label, drawn, figure(end)))
    marks = ", ".join(said for _, said, _ in interval_lines(verdict.gate, found))
    return [*rows, *_note(f"{interval_words(verdict.gate, verdict.evidence, found)}; {marks}", width)]


def _estimate_rows(verdict: Verdict, width: int) -> list[str]:
    """An interval lying down, with 0 and the margin as upright strokes."""
    gate, seen = verdict.gate, verdict.evidence
    if seen.estimate is None or seen.low is None or seen.high is None or seen.path:
        return []
    lines = zero_lines(gate, "0: alike")
    marks = [at for at, _, _ in lines]
    low, high = min(seen.low, *marks), max(seen.high, *marks)
    reach = (high - low) or 1.0

    def place(value: float) -> int:
        return round((value - low) / reach * (width - 1))

    drawn = ["·"] * width
    drawn[place(seen.low) : place(seen.high) + 1] = "━" * (place(seen.high) - place(seen.low) + 1)
    for at in marks:
        drawn[place(at)] = "│"
    drawn[place(seen.estimate)] = "●"
    said = f"between {seen.low:+.3g} and {seen.high:+.3g}; strokes at {' and '.join(said for _, said, _ in lines)}"
    return [_row("interval", "".join(drawn), f"{seen.estimate:+.3g}"), *_note(said, width)]


def _block_rows(verdict: Verdict, width: int) -> list[str]:
    """What lies above 0 in one row, what lies below in another; a dot is nothing on that side."""
    gate, values = verdict.gate, verdict.evidence.values
    if not values:
        return []
    found = thinned(values, width, lambda part: sum(part) / len(part))
    top = max(abs(value) for value in found) or 1.0
    over, under = ("over", "under") if is_over_a_bar(gate) else ("worse", "better")
    rows = [
        _row(label, "".join("·" if v * way <= 0 else BARS[min(7, int(v * way / top * 8))] for v in found), "")
        for label, way in ((over, 1), (under, -1))
    ]
    return [*rows, *_note(f"{blocks_words(verdict)}; {difference(gate)}", width)]
