"""Capital: what a judge's bets have won so far, and the looks it keeps for a drawing."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.decide.judge.bets import Bets
from lockgate.decide.judge.likelihood import Likelihood
from lockgate.records.evidence import Ruling
from lockgate.records.policy import Look, Policy
from lockgate.stats import label_bet

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_LOOKS = 32
NEVER = int(np.iinfo(np.int64).max)
_SLACK = 1e-6  # a look is computed in full when its largest bet comes this near the line: the mixture is never above it
_LOG_LESS = np.log(label_bet.NO_WORSE_PRIOR)
_NOBODY = np.empty(0, dtype=np.int64)
_LESS = -1  # in place of a class: the ratios that promote


class Calls(NamedTuple):
    """Calls that bet, shape (n,): the class of each, its share and label, whether it was bad, and its row in the batch."""

    row: Ints
    share: Floats
    label: Ints
    is_bad: NDArray[np.bool_]
    place: Ints


class Path(NamedTuple):
    """Capital after each of a batch's bets. harm: shape (bets, n + 1), column i after i calls; less: shape (6, bad + 1),
    of which column `bad_by[i]` stands after i calls.
    """

    calls: Calls
    harm: Floats
    less: Floats
    bad: Ints
    bad_by: Ints

    def at(self, bets: int) -> tuple[Floats, Floats]:
        return self.harm[:, bets].copy(), self.less[:, self.bad_by[bets]].copy()


class Capital:
    """harm: log capital of each bet that the canary is worse; less: log likelihood, by failures alone, of each ratio that
    promotes, and last of the margin; ratio: that of the grid which the interval is read from.
    """

    def __init__(self, policy: Policy, bets: Bets) -> None:
        self._policy, self._bets = policy, bets
        self._line = math.log(1 / policy.alpha)
        # A latency has ranks and no rate: no ratio to promote by, nor to put an interval on.
        less = np.append(label_bet.NO_WORSE, policy.margin_ratio) if bets.has_rate else np.empty(0)
        self._less, self._log_less = less, np.log(less)
        self.harm, self.less, self.ratio = np.zeros(bets.log_prior.size), np.zeros(less.size), Likelihood()
        self._gains: dict[tuple[int, int], Floats] = {}
        self._gains_at: float = math.nan
        self._gains_of: Floats = bets.score
        self.placed, self.stride = 0, 1
        self.looks: list[Look] = []

    def place(self, row: int, share: float, label: int, *, is_bad: bool, calls: int) -> None:
        """One call's bets. row: its class; calls: answered so far, this one among them."""
        self.harm += self._gain(row, share, label)
        if is_bad and self._less.size:
            self.less += self._gain(_LESS, share, label)
            self.ratio.one(share, label)
        self.placed += 1
        if self.placed % self.stride == 0:
            self.looks.append(self._look(self.harm, self.less, calls))
            if len(self.looks) == MOST_LOOKS:
                self._thin()

    def _gain(self, row: int, share: float, label: int) -> Floats:
        """What a call gains each bet; kept for the next call of its class, under the same share and the same scores."""
        bets = self._bets
        if share != self._gains_at or bets.score is not self._gains_of:
            self._gains, self._gains_at, self._gains_of = {}, share, bets.score
        found = self._gains.get((row, label))
        if found is None:
            score, log_score = (
                (self._less, self._log_less) if row == _LESS else (bets.score[:, row], bets.log_score[:, row])
            )
            found = self._gains[row, label] = label_bet.log_gain(share, score, log_score, label)
        return found

    def path(self, calls: Calls) -> Path:
        """The bets of many calls, added one by one: the same bits as `place`."""
        share, label, bets = calls.share, calls.label, self._bets
        harm = _paths(self.harm, bets.score, bets.log_score, calls.row, share, label)
        bad = np.flatnonzero(calls.is_bad) if self._less.size else _NOBODY
        only = np.zeros(bad.size, dtype=np.int64)
        less = _paths(self.less, self._less[:, None], self._log_less[:, None], only, share[bad], label[bad])
        return Path(calls, harm, less, bad, np.searchsorted(bad, np.arange(share.size + 1)))

    def first_ruling(self, path: Path, *, harm_alone: bool = False) -> int:
        """The row of the first bet that decides, or shows harm where that alone may; NEVER where none does."""
        near = self._line - _SLACK
        is_near = np.zeros(path.calls.place.size, dtype=bool)
        for bet in path.harm:
            if bet[1:].max(initial=-math.inf) >= near:
                is_near |= bet[1:] >= near
        if self._policy.promote and not harm_alone:
            gained = path.less[:-1].max(axis=0) - path.less[-1]
            is_near |= gained[path.bad_by[1:]] >= near
        for look in np.flatnonzero(is_near):
            found = self.ruling(*path.at(int(look) + 1))
            if found is Ruling.FAIL or (found is not None and not harm_alone):
                return int(path.calls.place[look])
        return NEVER

    def take(self, path: Path, bets: int, *, calls: int) -> None:
        """The first `bets` of a path. calls: answered before the batch."""
        end = self.placed + bets
        while end // self.stride >= MOST_LOOKS:
            self._thin()
        done = 0
        for count in range((self.placed // self.stride + 1) * self.stride, end + 1, self.stride):
            now = count - self.placed
            self._count(path, done, now)
            self.looks.append(self._look(*path.at(now), calls + int(path.calls.place[now - 1]) + 1))
            done = now
        self._count(path, done, bets)
        self.placed = end
        self.harm, self.less = path.at(bets)

    def may_rule(self) -> bool:
        """Whether the last bets come near enough to a line for `ruling` to be worth asking."""
        if max(self.harm.tolist()) >= self._line - _SLACK:
            return True
        return self._policy.promote and bool(self.less[:-1].max() - self.less[-1] >= self._line - _SLACK)

    def ruling(self, harm: Floats, less: Floats) -> Ruling | None:
        """FAIL where the canary is shown worse, PASS where a policy that may promote sees it shown no worse."""
        if label_bet.log_mixture(harm, self._bets.log_prior) >= self._line:
            return Ruling.FAIL
        if self._policy.promote and label_bet.log_mixture(less[:-1] - less[-1], _LOG_LESS) >= self._line:
            return Ruling.PASS
        return None

    def last(self, calls: int) -> Look:
        """The evidence as it stands."""
        return self._look(self.harm, self.less, calls)

    def _count(self, path: Path, start: int, stop: int) -> None:
        bad = path.bad[path.bad_by[start] : path.bad_by[stop]]
        self.ratio.many(path.calls.share[bad], path.calls.label[bad])

    def _look(self, harm: Floats, less: Floats, calls: int) -> Look:
        log_e = label_bet.log_mixture(harm, self._bets.log_prior)
        if not less.size:
            return Look(calls=calls, log_e=log_e)
        log_e_no_worse = label_bet.log_mixture(less[:-1] - less[-1], _LOG_LESS)
        low, high = label_bet.ratio_interval(self.ratio.total(), self._policy.alpha)
        # A claim that is proved excludes its opposite from the interval too, whatever the grid's own bets have won.
        low = max(low, 1.0) if log_e >= self._line else low
        high = min(high, self._policy.margin_ratio) if log_e_no_worse >= self._line else high
        return Look(
            calls=calls,
            log_e=log_e,
            log_e_no_worse=log_e_no_worse,
            low=low,
            high=None if math.isinf(high) else high,
        )

    def _thin(self) -> None:
        self.looks, self.stride = self.looks[1::2], self.stride * 2


def _paths(start: Floats, score: Floats, log_score: Floats, row: Ints, share: Floats, label: Ints) -> Floats:
    """What stands after each call, shape (bets, calls + 1): running sums from `start`, one addition after the other.

    score, log_score: shape (bets, classes); row: each call's class.
    """
    found = np.empty((start.size, share.size + 1))
    found[:, 0] = start
    classes = score.shape[1]
    if share.size > classes and (share == share[0]).all():
        # One share: what each class gains either way is worked out once, and only picked for each call.
        either = [label_bet.log_gain(float(share[0]), score, log_score, which) for which in (0, 1)]
        gains, place = np.concatenate(either, axis=1), row + label * classes
        for bet in range(start.size):
            np.take(gains[bet], place, out=found[bet, 1:], mode="clip")
    else:
        for bet in range(start.size):
            found[bet, 1:] = label_bet.log_gain(share, score[bet][row], log_score[bet][row], label)
    np.add.accumulate(found, axis=1, out=found)
    return found
