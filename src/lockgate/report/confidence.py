"""How sure the evidence was as it grew: the interval closing, and the e-value on its way to the line."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import SpecError, unknown
from lockgate.records import Evidence, Gate, Ruling, Verdict
from lockgate.records.spec import Memory

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

MOST_ENDS = 40
_BY_BLOCKS = ("GLS-t by ", "E+ by ")
_HARMS = ("harmful", "degraded")  # by blocks these come with the bound subtracted already
# How far from the mean an end is looked for, in standard deviations; ten thousands out the test's sums lose their digits.
_NEAR, _FAR = math.log(0.01), math.log(50.0)
_ROWS = 16


class Closing(NamedTuple):
    """The interval after `at` blocks, or calls: shape (n,). Ends are -inf (0 for a ratio) or inf where nothing is excluded.

    estimate: NaN where none was kept. bound: what the claim is about, on the scale of the ends; alike: where the arms are
    alike, 0 for differences and 1 for ratios, and None where the bound is subtracted already.
    """

    at: Floats
    estimate: Floats
    low: Floats
    high: Floats
    bound: float
    alike: float | None

    @property
    def is_any(self) -> bool:
        """Whether anything was ever excluded."""
        nothing = 0.0 if self.alike == 1 else -math.inf
        return bool((self.low > nothing).any() or np.isfinite(self.high).any())


class Gauge(NamedTuple):
    """One figure against the line that it is held to. kind: "e", an e-value without a path; "mismatch", the one that voids;
    "moved", a column's distance times its importance, of ledgers from before drift had evidence. value, line: natural logs
    but for "moved".
    """

    kind: Literal["e", "mismatch", "moved"]
    value: float
    line: float


class Strength(NamedTuple):
    """Natural log of e-values after `at` blocks, or calls: shape (n,). other: for the opposite, where it could rule too.

    line: log e that decides. is_other: the opposite is what was ruled.
    """

    at: Floats
    log_e: Floats
    other: Floats | None
    line: float
    is_other: bool

    @property
    def ruled(self) -> Floats:
        """The path of what was ruled; of the claim while nothing is."""
        return self.other if self.is_other and self.other is not None else self.log_e

    @property
    def beside(self) -> Floats | None:
        """The path of what was not ruled."""
        return self.log_e if self.is_other else self.other

    @property
    def reached(self) -> int | None:
        """Place of the first value at the line, or over it."""
        over = np.flatnonzero(self.ruled >= self.line)
        return int(over[0]) if over.size else None


def block_ends(
    differences: Floats, *, memory: Memory, history: Floats | None, line: float, at: Counts
) -> tuple[Floats, Floats]:
    """Low and high end of the mean difference after each of `at` blocks: `glst.log_e` inverted over the margin.

    differences: shape (n,), oldest first, no margin subtracted; history: as in `glst.log_e`; at: ascending, in 1 to n.
    A mean of `m` or more is excluded once the evidence for "the mean is under m" stands at `line`; each end at the chance
    exp(-line). Found to a thousandth of its distance from the mean, and open beyond 50 standard deviations. An end is its
    block's own: later blocks do not change it, and it may open again. Leans on what `glst.log_e` leans on, and on evidence
    that grows with the margin (tests/unit/report/test_confidence_paths.py).
    Source: inversion of a family of tests, Howard et al. (2021), Time-uniform confidence sequences.
    """
    high = _end(differences, memory, None if history is None else -history, line, at)
    low = -_end(-differences, memory, history, line, at)
    return low, high


def closing(verdict: Verdict) -> Closing | None:
    """The interval as it closed; None where the evidence keeps none, or too little to make it again."""
    gate, seen = verdict.gate, verdict.evidence
    if any(look.low is not None for look in seen.looks):
        return _ratio_closing(gate, seen)
    if gate.method.startswith(_BY_BLOCKS) and seen.values:
        return _block_closing(gate, seen)
    return None


def domain(found: Closing) -> tuple[float, float]:
    """What is worth drawing of the scale: the interval in the end, the marks, and room around; an early one may reach out."""
    marks = [found.bound, found.bound if found.alike is None else found.alike]
    is_open = not (math.isfinite(found.low[-1]) and math.isfinite(found.high[-1]))
    kept = np.array([found.low[-1], found.high[-1], *marks, *(found.estimate if is_open else found.estimate[-1:])])
    is_ratio = found.alike == 1
    kept = kept[np.isfinite(kept) & ((kept > 0) | (not is_ratio))]
    kept = np.log(kept) if is_ratio else kept
    low, high = float(kept.min()), float(kept.max())
    room = max(0.4 * (high - low), math.log(1.6) if is_ratio else 1e-9)
    return (math.exp(low - room), math.exp(high + room)) if is_ratio else (low - room, high + room)


def strength(verdict: Verdict) -> Strength | None:
    """The e-value as it grew, and the opposite's where the same gate could have ruled by it; None without a path."""
    gate, seen = verdict.gate, verdict.evidence
    if not seen.path:
        return None
    line, log_e = _line(gate, seen), np.array(seen.path)
    if seen.looks:
        at = np.array([look.calls for look in seen.looks], dtype=np.float64)
        harm = np.array([look.log_e for look in seen.looks]) if verdict.ruling is Ruling.PASS else None
        return Strength(at, log_e, harm, line, is_other=False)
    at = np.arange(1.0, log_e.size + 1)
    if is_over_a_bar(gate) or not gate.method.startswith(_BY_BLOCKS):
        return Strength(at, log_e, None, line, is_other=False)
    memory, past = _memory(gate, seen)
    harm = _log_e(np.array(seen.values) - bound_of(gate), memory, past)
    return Strength(at, log_e, harm, line, is_other=verdict.ruling is Ruling.FAIL)


def gauge(verdict: Verdict) -> Gauge | None:
    """The figure of a verdict that kept no path, or that voids the one it kept; None where there is none."""
    gate, seen = verdict.gate, verdict.evidence
    detail = seen.detail
    if verdict.ruling is Ruling.VOID and "mismatch_e" in detail and gate.alpha is not None:
        return Gauge("mismatch", math.log(max(detail["mismatch_e"], 1e-300)), -math.log(gate.alpha))
    if seen.log_e is not None and any(seen.n) and not seen.path and "line" in detail:
        return Gauge("e", seen.log_e, detail["line"])
    return Gauge("moved", detail["weight"], detail["bar"]) if {"weight", "bar"} <= detail.keys() else None


def bound_of(gate: Gate) -> float:
    """The margin on the scale of the estimate: a gain is a difference below 0; harms by block have it subtracted already."""
    if gate.claim == "better":
        return -gate.margin or 0.0
    return 0.0 if is_over_a_bar(gate) else gate.margin


def is_over_a_bar(gate: Gate) -> bool:
    """Whether a block's value is the loss over what is put up with, the margin subtracted already."""
    return gate.claim in _HARMS and gate.method.startswith(_BY_BLOCKS)


def _ratio_closing(gate: Gate, seen: Evidence) -> Closing:
    looks = seen.looks
    estimate = np.full(len(looks), np.nan)
    estimate[-1] = math.nan if seen.estimate is None else seen.estimate
    return Closing(
        at=np.array([look.calls for look in looks], dtype=np.float64),
        estimate=estimate,
        low=np.array([look.low or 0.0 for look in looks]),
        high=np.array([math.inf if look.high is None else look.high for look in looks]),
        bound=gate.margin,
        alike=1.0,
    )


def _block_closing(gate: Gate, seen: Evidence) -> Closing:
    values, line, bound = np.array(seen.values), _line(gate, seen), bound_of(gate)
    memory, past = _memory(gate, seen)
    at = np.unique(np.linspace(1, values.size, min(values.size, MOST_ENDS)).round().astype(np.int64))
    low, high = block_ends(values, memory=memory, history=past, line=line, at=at)
    # The search stops a little short; at the bound itself the test is asked, so that the drawing never denies a ruling.
    under = _log_e(bound - values, memory, None if past is None else -past)[at - 1] >= line
    over = _log_e(values - bound, memory, past)[at - 1] >= line
    high = np.where(under, np.minimum(high, bound), np.maximum(high, np.nextafter(bound, np.inf)))
    low = np.where(over, np.maximum(low, bound), np.minimum(low, np.nextafter(bound, -np.inf)))
    estimate = np.cumsum(values)[at - 1] / at
    return Closing(at.astype(np.float64), estimate, low, high, bound, None if gate.claim in _HARMS else 0.0)


def _line(gate: Gate, seen: Evidence) -> float:
    line = seen.detail.get("line")
    if line is None and gate.alpha is None:
        raise SpecError(
            f"The gate {gate.name!r} has neither a line nor an alpha, so nothing says when its evidence decides.",
            cure="Give the gate an alpha, or the evidence detail['line'].",
        )
    return math.log(1 / (gate.alpha or 1.0)) if line is None else line


def _memory(gate: Gate, seen: Evidence) -> tuple[Memory, Floats | None]:
    """What the gate's method says it was judged by, and the history that goes with it."""
    name = gate.method.rpartition("memory ")[2]
    memory: Memory | None = next((known for known in get_args(Memory) if known == name), None)
    if memory is None:
        raise SpecError(unknown("memory", name, get_args(Memory)))
    from lockgate.stats.glst import HISTORY_MAX

    needs_history = memory in ("short", "long")
    return memory, np.array(seen.history[-HISTORY_MAX:]) if needs_history else None


def _log_e(differences: Floats, memory: Memory, past: Floats | None) -> Floats:
    # scipy loads where an interval is made again, not with every page that has words to say.
    from lockgate.stats import glst

    return glst.log_e(differences, memory=memory, history=past)


def _end(d: Floats, memory: Memory, past: Floats | None, line: float, at: Counts) -> Floats:
    """Shape (len(at),): the smallest margin that the mean is shown to be under; inf where none is."""
    from scipy.optimize import elementwise

    means = np.cumsum(d)[at - 1] / at
    # Running spread around the running mean, taken about the whole mean first: squares of large numbers would cancel.
    off = d - d.mean()
    squares = np.cumsum(off * off)[at - 1] / at - (np.cumsum(off)[at - 1] / at) ** 2
    spread = np.sqrt(np.maximum(squares, 0.0))
    spread = np.maximum(spread, 1e-9 * np.abs(means) + 1e-300)

    def over(log_reach: Floats, place: Floats) -> Floats:
        which = place.astype(np.int64)
        margins = means[which] + np.exp(log_reach) * spread[which]
        return _log_e_at(margins, d, memory, past, at[which]) - line

    places = np.arange(at.size, dtype=np.float64)
    near, far = np.full(at.size, _NEAR), np.full(at.size, _FAR)
    is_closed, is_there = over(far, places) >= 0, over(near, places) >= 0
    found = np.where(is_there, means, np.inf)
    rows = np.flatnonzero(is_closed & ~is_there)
    if rows.size:
        root = elementwise.find_root(over, (near[rows], far[rows]), args=(places[rows],), tolerances={"xatol": 1e-3})
        found[rows] = means[rows] + np.exp(root.x) * spread[rows]
    return found


def _log_e_at(margins: Floats, d: Floats, memory: Memory, past: Floats | None, at: Counts) -> Floats:
    """Log e for "the mean is under its margin", each margin after its own number of blocks; a few rows at once, as short as
    the last of them needs.
    """
    found = np.empty(margins.size)
    for start in range(0, margins.size, _ROWS):
        part = slice(start, start + _ROWS)
        rows = margins[part, None] - d[: int(at[part].max())]
        found[part] = _log_e(rows, memory, past)[np.arange(rows.shape[0]), at[part] - 1]
    return found
