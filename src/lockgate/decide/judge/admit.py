"""What may be evidence: calls checked by name before any of them counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lockgate.decide import assign
from lockgate.errors import SpecError
from lockgate.records.policy import Policy
from lockgate.stats.label_bet import PAIRED

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Unit = str | int | None

NOBODY = -1
_SHARE_CURE = 'Give the share in force when the call was routed; calls both versions scored go to kind="paired".'


class Rows(NamedTuple):
    """Calls as a judge folds them. label: 1 where the bad call is the canary's, NOBODY where a pair agrees; value: 1.0 bad
    and 0.0 good, or milliseconds; bad: shape (n, 2), champion first; unit: who called, where any is named; at_s: event time.
    """

    arm: Ints
    label: Ints
    value: Floats
    share: Floats
    bad: NDArray[np.bool_]
    unit: list[Unit] | None
    at_s: Floats | None

    def part(self, start: int, stop: int) -> Rows:
        unit = None if self.unit is None else self.unit[start:stop]
        at_s = None if self.at_s is None else self.at_s[start:stop]
        pick = slice(start, stop)
        return Rows(self.arm[pick], self.label[pick], self.value[pick], self.share[pick], self.bad[pick], unit, at_s)


class One(NamedTuple):
    """One call, as `Rows` holds many."""

    label: int
    value: float
    share: float
    bad: tuple[bool, bool]


def one(policy: Policy, arm: int, value: float, share: float | None, shadow: float | None) -> One:
    """Raises SpecError naming what cannot be."""
    if arm not in (0, 1):
        raise SpecError(f"There is no arm {arm!r}.", cure="0 is the champion, 1 the canary.")
    if policy.kind == "latency":
        if not 0 <= value < math.inf:
            raise SpecError(f"A latency of {value!r} cannot be.", cure="Give milliseconds, finite and not negative.")
        _no_shadow(shadow)
        return One(int(arm), float(value), _share(share), (False, False))
    failed = _failed(value, "value")
    if policy.kind == "paired":
        if shadow is None:
            raise SpecError("A paired policy needs what both versions did.", cure="Give `shadow`, the other's value.")
        other = _failed(shadow, "shadow")
        bad = (other, failed) if arm else (failed, other)
        label = NOBODY if bad[0] == bad[1] else int(bad[1])
        return One(label, float(label != NOBODY), PAIRED, bad)
    _no_shadow(shadow)
    return One(int(arm), float(failed), _share(share), (failed and not arm, failed and bool(arm)))


def many(
    policy: Policy,
    arm: ArrayLike,
    value: ArrayLike,
    share: ArrayLike | None,
    unit: Sequence[Unit] | NDArray[np.generic] | None,
    shadow: ArrayLike | None,
    at_s: ArrayLike | None,
) -> Rows:
    """The rows, all of them checked. Raises SpecError naming the first that cannot be."""
    arms = np.atleast_1d(np.asarray(arm))
    _each(arms, (arms == 0) | (arms == 1), "There is no arm {value!r}", "0 is the champion, 1 the canary.")
    label = arms.astype(np.int64)
    values = _column(value, label.size, "value")
    times = None if at_s is None else _column(at_s, label.size, "at_s")
    units = None if unit is None else _units(unit, label.size)
    if policy.kind == "latency":
        is_time = (values >= 0) & np.isfinite(values)
        _each(values, is_time, "A latency of {value!r} cannot be", "Give milliseconds, finite and not negative.")
        _no_shadow(shadow)
        shares = _shares(share, label.size)
        return Rows(label, label, values, shares, np.zeros((label.size, 2), dtype=bool), units, times)
    _binary(values, "value")
    if policy.kind == "paired":
        return _pairs(label, values, shadow, units, times)
    _no_shadow(shadow)
    failed = values > 0
    bad = np.column_stack([failed & (label == 0), failed & (label == 1)])
    return Rows(label, label, values, _shares(share, label.size), bad, units, times)


def _pairs(arm: Ints, values: Floats, shadow: ArrayLike | None, unit: list[Unit] | None, at_s: Floats | None) -> Rows:
    if shadow is None:
        raise SpecError("A paired policy needs what both versions did.", cure="Give `shadow`, the other's value.")
    others = _column(shadow, arm.size, "shadow")
    _binary(others, "shadow")
    champion, canary = np.where(arm == 1, others, values) > 0, np.where(arm == 1, values, others) > 0
    label = np.where(champion == canary, NOBODY, canary.astype(np.int64))
    value = (label != NOBODY).astype(np.float64)
    return Rows(arm, label, value, np.full(arm.size, PAIRED), np.column_stack([champion, canary]), unit, at_s)


def hashed(policy: Policy, unit: str | int, arm: int, share: float) -> tuple[int, int]:
    """63 bits of a unit, the last left for its arm, and that arm; a pair has both arms, and counts as 1.

    Raises SpecError where a policy with a salt sees a unit in another arm than its assignment.
    """
    bits = assign.bits(policy.salt or "", str(unit))
    if policy.kind == "paired":
        return bits & ~1, 1
    if policy.salt is not None and (assign.place(bits) < share) != bool(arm):
        raise SpecError(
            f"Unit {unit!r} came to arm {arm}, and at a share of {share:g} it is assigned to the other.",
            cure="The share, the salt or the routing is not what this judge was told.",
        )
    return bits & ~1, int(arm)


def _units(unit: Sequence[Unit] | NDArray[np.generic], size: int) -> list[Unit]:
    units: list[Unit] = unit.tolist() if isinstance(unit, np.ndarray) else list(unit)
    if len(units) != size:
        raise SpecError(
            f"{len(units)} units came with {size} calls.", cure="Give one per call, None where there is none."
        )
    return units


def _share(share: float | None) -> float:
    if share is None:
        raise SpecError("The canary's share is missing.", cure=_SHARE_CURE)
    if not 0 < share < 1:
        raise SpecError(f"A share of {share!r} carries no evidence: it must lie between 0 and 1.", cure=_SHARE_CURE)
    return float(share)


def _shares(share: ArrayLike | None, size: int) -> Floats:
    if share is None:
        raise SpecError("The canary's share is missing.", cure=_SHARE_CURE)
    found = np.asarray(share, dtype=np.float64)
    found = np.full(size, float(found)) if found.ndim == 0 else _column(found, size, "canary_share")
    _each(
        found,
        (found > 0) & (found < 1),
        "A share of {value!r} carries no evidence: it must lie between 0 and 1",
        _SHARE_CURE,
    )
    return found


def _failed(value: float, name: str) -> bool:
    if value in (0, 1):
        return bool(value)
    raise SpecError(f"A {name} of {value!r} is neither 1.0, failed, nor 0.0, not failed.", cure="Give one of the two.")


def _binary(values: Floats, name: str) -> None:
    sentence = f"A {name} of {{value!r}} is neither 1.0, failed, nor 0.0, not failed"
    _each(values, (values == 0) | (values == 1), sentence, "Give one of the two.")


def _no_shadow(shadow: object) -> None:
    if shadow is not None:
        raise SpecError("Only a paired policy takes a shadow's value.", cure='Make it Policy(kind="paired", ...).')


def _column(values: ArrayLike, size: int, name: str) -> Floats:
    found = np.asarray(values, dtype=np.float64)
    if found.shape != (size,):
        raise SpecError(f"{name} has the shape {found.shape}; {size} calls need ({size},).")
    return np.ascontiguousarray(found)


def _each(values: NDArray[np.generic], is_fine: NDArray[np.bool_], sentence: str, cure: str) -> None:
    if is_fine.all():
        return
    row = int(np.flatnonzero(~is_fine)[0])
    raise SpecError(f"{sentence.format(value=values[row].item())} (row {row}).", cure=cure, place=f"row {row}")
