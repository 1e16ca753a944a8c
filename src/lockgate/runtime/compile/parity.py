"""Whether a compiled engine answers as its native one: what is compared, and what passes.

The rule: the compiled path may serve where, on every row tried, it gives the native answer within the tolerance, decides as
it does, and refuses what it refuses. Rows at split boundaries count as held-out rows do: a graph that computes in float64
agrees on them too, so there is nothing to forgive.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.features.pipeline import Floats
from lockgate.records import Parity
from lockgate.records.spec import Task
from lockgate.runtime.compile.rows import Tried, count, taken
from lockgate.runtime.predictor import Engine, Inputs

TOLERANCE = 1e-5
TIE = 1e-6  # a native answer so close to the line depends on the order in which the native model adds
MOST_CALLS = 2000
_BIGGEST = float(np.finfo(np.float64).max)  # JSON has no word for infinity


class Answers(NamedTuple):
    """values: NaN where there is none. is_given: by row, whether the engine answered it with finite numbers."""

    values: Floats
    is_given: NDArray[np.bool_]


class Compared(NamedTuple):
    """One kind of rows. apart: by row, how far apart the answers are; flips: rows that are decided otherwise;
    answered: rows that the compiled engine answers and the native one refuses.
    """

    kind: str
    apart: Floats
    flips: int
    answered: int


def answers(engine: Engine, inputs: Inputs) -> Answers:
    """Every row's answer; a batch that raises is halved until the rows that raise stand alone."""
    rows = count(inputs)
    parts: dict[int, Floats] = {}
    stack, calls = [np.arange(rows)], 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rows are odd on purpose here
        while stack and calls < MOST_CALLS:
            here = stack.pop()
            calls += 1
            try:
                found = np.asarray(engine(taken(inputs, here)), dtype=np.float64)
            except Exception:  # noqa: BLE001 - models raise anything at all: such rows are left to the native one
                if len(here) > 1:
                    stack += [here[: len(here) // 2], here[len(here) // 2 :]]
                continue
            parts |= dict(zip(here.tolist(), found, strict=True))
    return _in_rows(parts, rows)


def _in_rows(parts: dict[int, Floats], rows: int) -> Answers:
    shape = np.shape(next(iter(parts.values()), np.float64(0)))
    values = np.full((rows, *shape), np.nan)
    for row, value in parts.items():
        values[row] = value
    flat = values.reshape(rows, values.size // rows if rows else 1)
    return Answers(values, np.array(np.isfinite(flat).all(axis=1), dtype=np.bool_))


def parity(
    native: Engine, compiled: Engine, inputs: Inputs, *, tolerance: float = TOLERANCE, task: Task = "binary"
) -> Parity:
    """Compare two engines on the same rows."""
    rows = Tried("held out", inputs, np.full(count(inputs), -1, dtype=np.int64))
    expected = answers(native, inputs)
    return verdict([compared(rows, expected, compiled, task, unit(expected, task))], tolerance)


def unit(expected: Answers, task: Task) -> float:
    """What a difference is measured by: 1 for chances; for values the spread of the native answers, their size if none."""
    if task != "regression":
        return 1.0
    values = expected.values[expected.is_given]
    spread = float(values.std()) if len(values) else 0.0
    return spread or float(np.abs(values).max(initial=0.0)) or 1.0


def compared(rows: Tried, expected: Answers, compiled: Engine, task: Task, unit: float) -> Compared:
    """Differences in `unit`, of answers larger than it in their own size. Rows that the native engine does not answer are
    left out, but for those that the compiled one does.
    """
    given = answers(compiled, rows.inputs)
    both = expected.is_given
    if given.values[both].shape != expected.values[both].shape:
        return Compared(rows.kind, np.full(int(both.sum()), np.inf), 0, 0)
    ours, theirs = given.values[both], expected.values[both]
    apart = np.abs(ours - theirs) / np.maximum(unit, np.abs(theirs))
    apart = np.where(np.isnan(apart), np.inf, apart)
    if apart.ndim > 1:
        apart = apart.max(axis=1)
    flips = 0 if task == "regression" else int(_flipped(ours, theirs).sum())
    return Compared(rows.kind, apart, flips, int((given.is_given & ~both).sum()))


def _flipped(ours: Floats, theirs: Floats) -> NDArray[np.bool_]:
    """Shape (n,): another side of one half, or another most likely class; not where the native answer is a tie."""
    if theirs.ndim == 1:
        is_other, margin = (ours >= 0.5) != (theirs >= 0.5), np.abs(theirs - 0.5)
    else:
        best = np.sort(theirs, axis=1)
        is_other, margin = ours.argmax(axis=1) != theirs.argmax(axis=1), best[:, -1] - best[:, -2]
    return np.array(is_other & (margin > TIE), dtype=np.bool_)


def verdict(found: Sequence[Compared], tolerance: float = TOLERANCE) -> Parity:
    """All kinds together; the reason tells of the kind that differs most."""
    apart = np.concatenate([np.zeros(0), *(kind.apart for kind in found)])
    is_over = apart > tolerance
    flips, answered = (sum(getattr(kind, name) for kind in found) for name in ("flips", "answered"))
    is_passed = len(apart) > 0 and not is_over.any() and flips == 0 and answered == 0
    return Parity(
        is_passed=is_passed,
        rows=len(apart),
        over_tolerance=float(is_over.mean()) if len(apart) else 0.0,
        worst=min(float(apart.max(initial=0.0)), _BIGGEST),
        flips=flips,
        tolerance=tolerance,
        reason=_reason(found, apart, flips, answered, tolerance, is_passed),
    )


def failed(reason: str) -> Parity:
    """No comparison was made."""
    return Parity(is_passed=False, rows=0, over_tolerance=1.0, worst=0.0, flips=0, tolerance=TOLERANCE, reason=reason)


_IN_WORDS = {
    "held out": "held-out rows",
    "boundary": "rows at split boundaries",
    "missing": "rows with a missing value",
    "far": "rows far outside the training ranges",
    "beyond": "rows with numbers beyond float32",
    "level": "rows of each known level",
    "unseen": "rows with a level never seen",
}


def _rows(found: Sequence[Compared]) -> str:
    """How many rows were tried: those that came, and those that were made of them."""
    came = sum(len(kind.apart) for kind in found if kind.kind == "held out")
    made = {kind.kind: len(kind.apart) for kind in found if kind.kind != "held out" and len(kind.apart)}
    if not made:
        return f"all {came:,} rows"
    at_splits = made.pop("boundary", 0)
    total = at_splits + sum(made.values())
    parts = [f"{at_splits:,} at its split boundaries"] if at_splits else []
    parts += [f"{sum(made.values()):,} with values missing, never seen or far off"] if made else []
    return f"all {came:,} rows, and on {total:,} made of them ({', '.join(parts)})"


def _reason(
    found: Sequence[Compared], apart: Floats, flips: int, answered: int, tolerance: float, is_passed: bool
) -> str:
    if len(apart) == 0:
        return "There were no rows to compare on."
    worst = float(apart.max(initial=0.0))
    if is_passed:
        return f"The compiled model agrees with the native one on {_rows(found)}; the worst difference is {worst:.1e}."
    if not (apart > tolerance).any() and flips == 0:
        kind = max(found, key=lambda one: one.answered)
        return f"The compiled model answers {answered:,} {_IN_WORDS[kind.kind]} that the native one refuses."
    kind = max(found, key=lambda one: float((one.apart > tolerance).mean()) if len(one.apart) else 0.0)
    over = float((kind.apart > tolerance).mean()) if len(kind.apart) else 0.0
    said = f"by up to {worst:.2g}" if worst < _BIGGEST else "and answers no number on some"
    return (
        f"The compiled model differs by more than {tolerance:g} on {over:.2%} of {len(kind.apart):,} {_IN_WORDS[kind.kind]}, "
        f"{said}, and {flips} decisions flip."
    )
