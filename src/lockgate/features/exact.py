"""Sums as real numbers have them, rounded once: whatever the order, and however far apart the summands are.

For many windows over the same values: the difference of two running sums, kept in fixed point so that nothing is lost in
them. For one window after another see `lockgate.features.running`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
LIMB = 30  # bits: running sums of 2**31 summands still fit into 64
STRETCH = 1 << 18  # values at once, so that what is made of them stays in the cache
_MASK = (1 << LIMB) - 1
_MOST = 2**62


def between(added: Floats, upto: Ints, taken: Floats, less: Ints) -> Floats:
    """For each row the sum of the first `upto` of `added`, less the first `less` of `taken`; correctly rounded, NaN where it
    is beyond float64.

    added, taken: shape (n,), finite, the same numbers in two orders; upto, less: shape (rows,), 0 to n.
    """
    if not added.size:
        return np.zeros(upto.size)
    if np.abs(added).max() < _MOST / added.size and bool((added == np.trunc(added)).all()):
        whole = _running(added.astype(np.int64))[upto] - _running(taken.astype(np.int64))[less]
        return whole.astype(np.float64)
    lowest, limbs = _lowest(added)
    came, left = _picked(added, upto, lowest, limbs), _picked(taken, less, lowest, limbs)
    return _rounded(came - left, lowest)


def _running(values: Ints) -> Ints:
    found = np.zeros(values.size + 1, dtype=np.int64)
    np.cumsum(values, out=found[1:])
    return found


def _split(values: Floats) -> tuple[Ints, NDArray[np.int32]]:
    """Each number as a whole one of 53 bits times a power of two."""
    fraction, exponent = np.frexp(values)
    return (fraction * 2.0**53).astype(np.int64), np.where(values == 0, 0, exponent - 53).astype(np.int32)


def _lowest(values: Floats) -> tuple[int, int]:
    """The exponent of the lowest bit that any of them may have, and how many limbs reach from it to the highest."""
    exponents = _split(values[values != 0])[1]
    if not exponents.size:
        return 0, 1
    lowest, highest = int(exponents.min()), int(exponents.max())
    return lowest, (highest - lowest) // LIMB + 3


def _picked(values: Floats, counts: Ints, lowest: int, limbs: int) -> Ints:
    """The sum of the first so many values, for each count: shape (limbs, counts), a limb each, from the lowest on.

    Stretch by stretch, so that neither time nor memory is spent on the running sums of all limbs at once.
    """
    order = np.argsort(counts)
    wanted = counts[order]
    found = np.zeros((limbs, counts.size), dtype=np.int64)
    total = np.zeros(limbs, dtype=np.int64)
    for start in range(0, values.size, STRETCH):
        own = values[start : start + STRETCH]
        first, last = np.searchsorted(wanted, (start, start + own.size))
        rows, places = order[first:last], wanted[first:last] - start
        for limb, part in enumerate(_limbs(own, lowest, limbs)):
            running = _running(part)
            found[limb, rows] = total[limb] + running[places]
            total[limb] += running[-1]
    found[:, order[np.searchsorted(wanted, values.size) :]] = total[:, np.newaxis]
    return found


def _limbs(values: Floats, lowest: int, limbs: int) -> Iterator[Ints]:
    """Every number's part of each limb, from the lowest on; a number of 53 bits lies in three limbs at most."""
    whole, exponents = _split(values)
    sign = np.sign(whole)
    size = np.abs(whole)
    offset = np.where(whole == 0, 0, exponents - lowest)
    first, shift = offset // LIMB, (offset % LIMB).astype(np.int64)
    low, high = (size & _MASK) << shift, (size >> LIMB) << shift
    parts = (sign * (low & _MASK), sign * ((low >> LIMB) + (high & _MASK)), sign * (high >> LIMB))
    for limb in range(limbs):
        found = np.zeros(values.size, dtype=np.int64)
        for number, part in enumerate(parts):
            np.copyto(found, part, where=first + number == limb)
        yield found


def _rounded(sums: Ints, lowest: int) -> Floats:
    """The sums that limbs say, each to the nearest float64. sums: shape (limbs, rows)."""
    digits = _carried(sums)
    is_negative = digits[-1] < 0
    sign = np.where(is_negative, -1, 1)
    digits = _carried(sign * sums)
    with np.errstate(over="ignore"):
        scaled = [np.ldexp(digit.astype(np.float64), lowest + LIMB * place) for place, digit in enumerate(digits)]
    columns = [own.tolist() for own in scaled if own.any()]
    if not columns:
        return np.zeros(sign.size)
    found = np.fromiter((_finite(row) for row in zip(*columns, strict=True)), dtype=np.float64, count=sign.size)
    return np.where(found == 0, 0.0, sign * found)


def _carried(sums: Ints) -> list[Ints]:
    """The same number in digits of one limb each, all but the last from 0 up; the last is negative where the number is."""
    found: list[Ints] = []
    beyond: Ints = np.zeros((2, sums.shape[1]), dtype=np.int64)
    carry: Ints = beyond[0]
    limbs: list[Ints] = [*sums, *beyond]
    for limb in limbs:
        own: Ints = limb + carry
        found.append(own & _MASK)
        carry = own >> LIMB
    found[-1] = found[-1] + (carry << LIMB)
    return found


def _finite(digits: Sequence[float]) -> float:
    """Digits of one sign, so that their sum leaves float64 only where the number does."""
    try:
        found = math.fsum(digits)
    except OverflowError:
        return math.nan
    return found if math.isfinite(found) else math.nan
