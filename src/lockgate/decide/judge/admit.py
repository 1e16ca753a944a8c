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
Bools = NDArray[np.bool_]
Unit = str | int | None

NOBODY = -1
_SHARE_CURE = (
    "Give the share in force when the call was routed; a call that both versions scored needs `shadow` instead."
)


class Rows(NamedTuple):
    """Calls as a judge folds them, shape (n,).

    is_pair: both versions scored the call; label: 1 where the bad call is the canary's, NOBODY where a pair agrees; value:
    1.0 bad and 0.0 good, or milliseconds; bad: shape (n, 2), champion first; unit: who called; at_s: event time.
    """

    arm: Ints
    is_pair: Bools
    label: Ints
    value: Floats
    share: Floats
    bad: Bools
    unit: list[Unit] | None
    at_s: Floats | None

    def part(self, start: int, stop: int) -> Rows:
        pick = slice(start, stop)
        return Rows(
            arm=self.arm[pick],
            is_pair=self.is_pair[pick],
            label=self.label[pick],
            value=self.value[pick],
            share=self.share[pick],
            bad=self.bad[pick],
            unit=None if self.unit is None else self.unit[pick],
            at_s=None if self.at_s is None else self.at_s[pick],
        )


class One(NamedTuple):
    """One call, as `Rows` holds many."""

    is_pair: bool
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
        _no_shadow(policy, shadow)
        return One(False, int(arm), float(value), _share(share), (False, False))
    failed = _failed(value, "value")
    if policy.kind == "accuracy":
        _no_shadow(policy, shadow)
    if shadow is None:
        _may_be_alone(policy)
        return One(False, int(arm), float(failed), _share(share), (failed and not arm, failed and bool(arm)))
    other = _failed(shadow, "shadow")
    bad = (other, failed) if arm else (failed, other)
    label = NOBODY if bad[0] == bad[1] else int(bad[1])
    return One(True, label, float(label != NOBODY), PAIRED, bad)


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
    if policy.kind != "latency":
        return _rates(policy, label, values, share, shadow, units, times)
    is_time = (values >= 0) & np.isfinite(values)
    _each(values, is_time, "A latency of {value!r} cannot be", "Give milliseconds, finite and not negative.")
    _no_shadow(policy, shadow)
    nobody = np.zeros(label.size, dtype=bool)
    shares = _shares(share, label.size, nobody)
    return Rows(label, nobody, label, values, shares, np.zeros((label.size, 2), dtype=bool), units, times)


def _rates(
    policy: Policy,
    arm: Ints,
    values: Floats,
    share: ArrayLike | None,
    shadow: ArrayLike | None,
    unit: list[Unit] | None,
    at_s: Floats | None,
) -> Rows:
    """Failed or not: pairs where the other version's value is known, calls drawn by lot where it is not."""
    _binary(values, "value")
    failed = values > 0
    bad = np.column_stack([failed & (arm == 0), failed & (arm == 1)])
    if policy.kind == "accuracy":
        _no_shadow(policy, shadow)
    if shadow is None:
        _may_be_alone(policy)
        nobody = np.zeros(arm.size, dtype=bool)
        return Rows(arm, nobody, arm, values, _shares(share, arm.size, nobody), bad, unit, at_s)
    others = _column(shadow, arm.size, "shadow")
    is_pair = ~np.isnan(others)
    if not is_pair.all():
        _may_be_alone(policy)
    _binary(np.where(is_pair, others, 0.0), "shadow")
    bad |= np.column_stack([(others > 0) & (arm == 1), (others > 0) & (arm == 0)])
    is_one_bad = bad[:, 0] != bad[:, 1]
    label = np.where(is_pair, np.where(is_one_bad, bad[:, 1], NOBODY), arm)
    value = np.where(is_pair, is_one_bad, failed).astype(np.float64)
    shares = np.where(is_pair, PAIRED, _shares(share, arm.size, is_pair))
    return Rows(arm, is_pair, label, value, shares, bad, unit, at_s)


def hashed(policy: Policy, unit: str | int, arm: int, share: float, *, is_pair: bool) -> tuple[int, int]:
    """63 bits of a unit, the last left for its arm, and that arm.

    Raises SpecError where a policy with a salt sees a unit in another arm than its assignment.
    """
    bits = assign.bits(policy.salt or "", str(unit))
    if is_pair:
        # A pair has both arms: it never goes back, and it bets once beside any other call of its unit.
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


def _shares(share: ArrayLike | None, size: int, is_pair: Bools) -> Floats:
    """Shares of the calls drawn by lot; those of pairs are not looked at."""
    if size and is_pair.all():
        return np.full(size, PAIRED)
    if share is None:
        raise SpecError("The canary's share is missing.", cure=_SHARE_CURE)
    found = np.asarray(share, dtype=np.float64)
    found = np.full(size, float(found)) if found.ndim == 0 else _column(found, size, "canary_share")
    is_fine = ((found > 0) & (found < 1)) | is_pair
    _each(found, is_fine, "A share of {value!r} carries no evidence: it must lie between 0 and 1", _SHARE_CURE)
    return found


def _failed(value: float, name: str) -> bool:
    if value in (0, 1):
        return bool(value)
    raise SpecError(f"A {name} of {value!r} is neither 1.0, failed, nor 0.0, not failed.", cure="Give one of the two.")


def _binary(values: Floats, name: str) -> None:
    sentence = f"A {name} of {{value!r}} is neither 1.0, failed, nor 0.0, not failed"
    _each(values, (values == 0) | (values == 1), sentence, "Give one of the two.")


def _no_shadow(policy: Policy, shadow: object) -> None:
    if shadow is not None:
        cure = "Leave it out: nobody waited for it." if policy.kind == "latency" else 'Judge pairs by kind="paired".'
        raise SpecError(f"A judge of {policy.kind} takes no shadow.", cure=cure)


def _may_be_alone(policy: Policy) -> None:
    if policy.kind == "paired":
        raise SpecError("A paired policy needs what both versions did.", cure="Give `shadow`, the other's value.")


def _column(values: ArrayLike, size: int, name: str) -> Floats:
    found = np.asarray(values, dtype=np.float64)
    if found.shape != (size,):
        raise SpecError(f"{name} has the shape {found.shape}; {size} calls need ({size},).")
    return np.ascontiguousarray(found)


def _each(values: NDArray[np.generic], is_fine: Bools, sentence: str, cure: str) -> None:
    if is_fine.all():
        return
    row = int(np.flatnonzero(~is_fine)[0])
    raise SpecError(f"{sentence.format(value=values[row].item())} (row {row}).", cure=cure, place=f"row {row}")
