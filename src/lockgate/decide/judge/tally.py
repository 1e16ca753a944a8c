"""Counts of what a judge has seen: exact, and with a fingerprint of the calls in their order."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from lockgate.decide.judge.admit import One, Rows

CHUNK = 8192
MOST_SHARES = 64
OTHER_SHARES = -1.0
_AS_FLOATS, _AS_WHOLE = struct.Struct("<dd"), struct.Struct("<QQ")
_PRIME, _MASK = 0x9E3779B97F4A7C15, (1 << 64) - 1
_POWERS = np.multiply.accumulate(np.array([1] + [_PRIME] * CHUNK, dtype=np.uint64))


class Tally:
    """calls, bad: by arm, champion first; a pair is a call of each. shares: calls under each of the first 64 shares, later
    ones lumped.
    """

    def __init__(self) -> None:
        self.pairs = 0
        self.calls, self.bad, self.repeated = [0, 0], [0, 0], 0
        self.shares: dict[float, int] = {}
        self.fingerprint = 0

    @property
    def total(self) -> int:
        """Calls answered: a pair is one."""
        return self.calls[0] + self.calls[1] - self.pairs

    def one(self, arm: int, call: One) -> None:
        if call.is_pair:
            self.calls = [self.calls[0] + 1, self.calls[1] + 1]
            self.pairs += 1
        else:
            self.calls[arm] += 1
            self._share(call.share, 1)
        self.bad[0] += call.bad[0]
        self.bad[1] += call.bad[1]
        value, share = _AS_WHOLE.unpack(_AS_FLOATS.pack(call.value, call.share))
        self.fingerprint = (self.fingerprint * _PRIME + arm + 2 * (call.label + 1) + 3 * value + 5 * share) & _MASK

    def many(self, rows: Rows) -> None:
        """At most 8,192 rows."""
        size = rows.arm.size
        pairs = _count(rows.is_pair)
        canary = _count(rows.arm[~rows.is_pair] if pairs else rows.arm)
        self.calls = [self.calls[0] + size - canary, self.calls[1] + pairs + canary]
        self.pairs += pairs
        if pairs < size:
            self._count_shares(rows.share[~rows.is_pair] if pairs else rows.share)
        self.bad = [before + _count(rows.bad[:, arm]) for arm, before in enumerate(self.bad)]
        # A polynomial in a prime, modulo 2^64: whole numbers, so that batches and single calls agree.
        mark = (rows.arm + 2 * (rows.label + 1)).astype(np.uint64)
        mark += 3 * rows.value.view(np.uint64) + 5 * rows.share.view(np.uint64)
        now = int((mark * _POWERS[:size][::-1]).sum(dtype=np.uint64))
        self.fingerprint = (self.fingerprint * int(_POWERS[size]) + now) & _MASK

    def _count_shares(self, share: NDArray[np.float64]) -> None:
        if share[0] == share[-1] and (share == share[0]).all():
            self._share(float(share[0]), share.size)
            return
        names, first, calls = np.unique(share, return_index=True, return_counts=True)
        for place in np.argsort(first):
            self._share(float(names[place]), int(calls[place]))

    def _share(self, share: float, calls: int) -> None:
        name = share if share in self.shares or len(self.shares) < MOST_SHARES else OTHER_SHARES
        self.shares[name] = self.shares.get(name, 0) + calls


def _count(which: NDArray[np.generic]) -> int:
    return int(np.count_nonzero(which))
