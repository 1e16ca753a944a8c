"""The judge itself: a look after every call, and at most one ruling.

Calls come in one canonical order. One at a time or in batches of any size they give the same bits: a batch adds up the
same numbers in the same order with the same functions, and stops at the first call that decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lockgate.decide.judge import admit, ruled
from lockgate.decide.judge.bets import BETS
from lockgate.decide.judge.capital import Calls, Capital
from lockgate.decide.judge.tally import CHUNK, Tally
from lockgate.decide.judge.units import Units
from lockgate.errors import SpecError
from lockgate.records.evidence import ENGINE, Ruling, Verdict
from lockgate.records.judge_state import JudgeState
from lockgate.records.policy import Policy
from lockgate.records.record import decode, encode
from lockgate.stats import mismatch

Ints = NDArray[np.int64]

WATCHED = 4096
NOBODY_NEW: dict[int, int] = {}


class Firsts(NamedTuple):
    """Rows that come first for their unit, ascending, and the units they bring: hashed with the arm -> row."""

    places: Ints
    units: dict[int, int]

    def within(self, start: int, stop: int) -> Ints:
        return self.places[np.searchsorted(self.places, start) : np.searchsorted(self.places, stop)]


class Segment(NamedTuple):
    """Rows [start, stop) of a batch, which one set of scores holds for."""

    rows: admit.Rows
    row: Ints
    drawn: Firsts
    placed: Firsts
    start: int
    stop: int


class Judge:
    """Evidence on two arms as it comes. `clock` dates a verdict whose calls carry no time of their own."""

    def __init__(self, policy: Policy, *, model: str = "-", clock: Callable[[], float]) -> None:
        self.policy, self.model, self._clock = policy, model, clock
        self._bets = BETS[policy.kind](policy)
        self._capital = Capital(policy, self._bets)
        self._tally = Tally()
        self._reference = np.zeros((2, self._bets.cells), dtype=np.int64)
        self._frozen = self._reference[0].copy()
        self._mismatch = mismatch.Mismatch()
        self._bettors, self._watched = Units(), Units(WATCHED)
        self._verdict: Verdict | None = None
        self._void: Verdict | None = None

    @property
    def verdict(self) -> Verdict | None:
        """The last ruling, once there is one."""
        return self._verdict or self._void

    @property
    def void(self) -> Verdict | None:
        """That the evidence is unsound, once it was shown: nothing passes any more, and harm is still looked for."""
        return self._void

    @property
    def is_over(self) -> bool:
        """A judge that has ruled takes no more evidence. One whose evidence is void may still find harm: whatever is wrong
        with the arms, callers of a canary that fails are to be spared, and to stop it costs little.
        """
        return self._verdict is not None

    def observe(
        self,
        arm: int,
        value: float,
        canary_share: float | None = None,
        unit: str | int | None = None,
        shadow: float | None = None,
        at_s: float | None = None,
    ) -> Verdict | None:
        """One call's outcome; the verdict when this call decides, else None. VOID may come first, and FAIL after it.

        arm: 0 champion, 1 canary. value: 1.0 = failed and 0.0 = not, or milliseconds. canary_share: the share in force when
        the call was routed, the same number for both arms, in (0, 1). unit: who called; bets once. shadow: the other
        version's value on the same call, if it scored it too; then no share is needed. at_s: event time.
        Raises SpecError for what cannot be; the call then counts for nothing.
        """
        if self.is_over:
            return None
        call = admit.one(self.policy, arm, value, canary_share, shadow)
        arm = int(arm)
        row = self._bets.class_of(call.value) if call.label >= 0 else -1
        is_drawn, may_bet = self._admit_unit(unit, arm, call, would_bet=row >= 0)
        self._tally.one(arm, call)
        if is_drawn and self._void is None:  # a mismatch that was shown stands as it was
            self._mismatch = mismatch.after(self._mismatch, arm, call.share)
        if row >= 0:
            is_bad = call.value > 0
            if may_bet:
                self._capital.place(row, call.share, call.label, is_bad=is_bad, calls=self._tally.total)
            else:
                self._tally.repeated += is_bad
            if self._frozen.size:
                self._reference[arm, row] += 1
                self._refresh()
        if (row >= 0 and self._capital.may_rule()) or self._is_void_now():
            return self._rule(at_s)
        return None

    def observe_batch(
        self,
        arm: ArrayLike,
        value: ArrayLike,
        canary_share: ArrayLike | None = None,
        unit: Sequence[str | int | None] | NDArray[np.generic] | None = None,
        shadow: ArrayLike | None = None,
        at_s: ArrayLike | None = None,
    ) -> Verdict | None:
        """Many calls in canonical order, as `observe` takes them one by one; the calls behind one that decides are left. The
        last verdict of theirs; `void` holds the one that another came after.

        arm, value, unit, shadow, at_s: shape (n,), NaN where a call has no shadow; canary_share: shape (n,), or one number.
        Raises SpecError naming the first row that cannot be; then none of the batch counts.
        """
        if self.is_over:
            return None
        before = self.verdict
        rows = admit.many(self.policy, arm, value, canary_share, unit, shadow, at_s)
        row = np.where(rows.label >= 0, self._bets.classes(rows.value), -1)
        drawn = self._firsts(self._watched, rows, np.flatnonzero(~rows.is_pair))
        placed = self._firsts(self._bettors, rows, np.flatnonzero(row >= 0))
        start = 0
        while start < rows.arm.size and not self.is_over:
            stop = self._until_refresh(rows.arm[start : start + CHUNK])
            start = self._segment(Segment(rows, row, drawn, placed, start, start + stop))
        return None if self.verdict is before else self.verdict

    def told_since(self, void: Verdict | None) -> list[Verdict]:
        """What a judge that was not over has ruled since, in order. void: as it stood then."""
        return [one for one in (self._void if self._void is not void else None, self._verdict) if one is not None]

    def state(self) -> str:
        """All of it as JSON text, to be kept anywhere and handed to `resume`: under 100 kB but for the units."""
        tally, capital = self._tally, self._capital
        return encode(
            JudgeState(
                policy=self.policy,
                engine=ENGINE,
                model=self.model,
                calls=(tally.calls[0], tally.calls[1]),
                pairs=tally.pairs,
                events=(tally.bad[0], tally.bad[1]),
                repeated=tally.repeated,
                shares=tuple(tally.shares.items()),
                fingerprint=tally.fingerprint,
                harm=tuple(capital.harm.tolist()),
                less=tuple(capital.less.tolist()),
                ratio_cells=tuple(
                    (share, champion, canary) for share, (champion, canary) in capital.ratio.cells.items()
                ),
                ratio_rest=tuple(capital.ratio.rest.tolist()),
                placed=capital.placed,
                stride=capital.stride,
                looks=tuple(capital.looks),
                reference=tuple(tuple(counts.tolist()) for counts in self._reference),
                frozen=tuple(self._frozen.tolist()),
                mismatch=(self._mismatch.units, self._mismatch.excess, self._mismatch.e),
                bettors=self._bettors.packed(),
                watched=self._watched.packed(),
                verdict=self._verdict,
                void=self._void,
            )
        ).decode()

    def load(self, state: str | bytes) -> None:
        """Go on where `state` was written. Raises SpecError for another engine's, StoreError for a damaged one."""
        held = decode(JudgeState, state)
        if held.engine != ENGINE:
            raise SpecError(
                f"This judge's state was written by engine {held.engine}; this is engine {ENGINE}.",
                cure="Let the release that wrote it finish, or begin a new judge.",
            )
        tally, capital = self._tally, self._capital
        tally.calls, tally.bad, tally.repeated = list(held.calls), list(held.events), held.repeated
        tally.shares, tally.fingerprint, tally.pairs = dict(held.shares), held.fingerprint, held.pairs
        capital.harm, capital.less = np.array(held.harm), np.array(held.less)
        capital.ratio.cells = {share: [champion, canary] for share, champion, canary in held.ratio_cells}
        capital.ratio.rest = np.array(held.ratio_rest)
        capital.placed, capital.stride, capital.looks = held.placed, held.stride, list(held.looks)
        self._reference = np.array(held.reference, dtype=np.int64).reshape(2, -1)
        self._frozen = np.array(held.frozen, dtype=np.int64)
        self._bets.refresh(self._frozen)
        self._mismatch = mismatch.Mismatch(*held.mismatch)
        self._bettors.unpack(held.bettors)
        self._watched.unpack(held.watched)
        # A judge whose evidence is void used to be over: its state has that in the verdict's place.
        was_over = held.verdict is not None and held.verdict.ruling is Ruling.VOID
        self._verdict, self._void = (None, held.verdict) if was_over else (held.verdict, held.void)

    def _admit_unit(self, unit: str | int | None, arm: int, call: admit.One, *, would_bet: bool) -> tuple[bool, bool]:
        """Whether the call counts for the sample ratio, and whether its unit has not bet yet."""
        if unit is None:
            return not call.is_pair, True
        is_watched = not call.is_pair and not self._watched.is_full
        if not (is_watched or would_bet):
            return False, False
        hashed, arm = admit.hashed(self.policy, unit, arm, call.share, is_pair=call.is_pair)
        is_drawn = is_watched and self._watched.is_first(hashed, arm, NOBODY_NEW)
        may_bet = would_bet and self._bettors.is_first(hashed, arm, NOBODY_NEW)
        if is_drawn:
            self._watched.add(hashed, arm)
        if may_bet:
            self._bettors.add(hashed, arm)
        return is_drawn, may_bet

    def _firsts(self, units: Units, rows: admit.Rows, places: Ints) -> Firsts:
        """Those of the places whose unit comes for the first time."""
        if rows.unit is None:
            return Firsts(places, {})
        found: list[int] = []
        fresh: dict[int, int] = {}
        every: list[int] = places.tolist()
        for place in every:
            unit = rows.unit[place]
            if unit is None:
                found.append(place)
            if unit is None or units.is_full:
                continue
            hashed, arm = admit.hashed(
                self.policy, unit, int(rows.arm[place]), float(rows.share[place]), is_pair=bool(rows.is_pair[place])
            )
            if units.is_first(hashed, arm, fresh):
                fresh[hashed | arm] = place
                found.append(place)
        return Firsts(np.array(found, dtype=np.int64), fresh)

    def _segment(self, now: Segment) -> int:
        """Fold a stretch under one set of scores, up to the call that decides. Returns the first row not taken."""
        rows, start = now.rows, now.start
        drawn, placed = now.drawn.within(start, now.stop), now.placed.within(start, now.stop)
        is_bad = rows.value > 0
        excess, e = mismatch.path(self._mismatch, rows.arm[drawn], rows.share[drawn])
        path = self._capital.path(
            Calls(now.row[placed], rows.share[placed], rows.label[placed], is_bad[placed], placed - start)
        )
        void = np.flatnonzero(e >= mismatch.VOID_AT)
        first_void = int(drawn[void[0]]) if void.size and self._void is None else now.stop
        last = min(
            now.stop - 1, first_void, start + self._capital.first_ruling(path, harm_alone=self._void is not None)
        )
        n, m = (int(np.searchsorted(places, last, side="right")) for places in (drawn, placed))
        if n and self._void is None:
            self._mismatch = mismatch.Mismatch(self._mismatch.units + n, float(excess[n - 1]), float(e[n - 1]))
        self._capital.take(path, m, calls=self._tally.total)
        self._watched.take(now.drawn.units, start, last)
        self._bettors.take(now.placed.units, start, last)
        taken = slice(start, last + 1)
        if rows.unit is not None:
            would_bet = is_bad[taken] & (now.row[taken] >= 0)
            self._tally.repeated += int(np.count_nonzero(would_bet) - np.count_nonzero(is_bad[placed[:m]]))
        self._tally.many(rows.part(start, last + 1))
        self._learn(rows.arm[taken], now.row[taken])
        if self._capital.may_rule() or self._is_void_now():
            self._rule(None if rows.at_s is None else float(rows.at_s[last]))
        return last + 1

    def _until_refresh(self, arm: Ints) -> int:
        if not self._frozen.size:
            return int(arm.size)
        seen = self._tally.calls[0] + np.cumsum(arm == 0)
        return min(int(np.searchsorted(seen, self._bets.refresh_at)) + 1, int(arm.size))

    def _learn(self, arm: Ints, row: Ints) -> None:
        if not self._frozen.size:
            return
        cells = self._frozen.size
        place = row + cells * arm
        # A call without a class of its own, half of a pair that agrees, is learnt from by neither arm.
        known = place if row.min(initial=0) >= 0 else place[row >= 0]
        self._reference += np.bincount(known, minlength=2 * cells).reshape(2, cells)
        self._refresh()

    def _refresh(self) -> None:
        if self._tally.calls[0] >= self._bets.refresh_at:
            self._frozen = self._reference[0].copy()
            self._bets.refresh(self._frozen)

    def _is_void_now(self) -> bool:
        return self._void is None and self._mismatch.e >= mismatch.VOID_AT

    def _rule(self, at_s: float | None) -> Verdict | None:
        """The ruling that the last call brought, if it did; unsound evidence lets nothing pass."""
        ruling = self._capital.ruling(self._capital.harm, self._capital.less)
        if ruling is not Ruling.FAIL and (self._void is not None or self._is_void_now()):
            ruling = Ruling.VOID if self._void is None else None
        if ruling is None:
            return None
        facts = ruled.Facts(self.policy, self._tally, self._capital, self._mismatch, self._reference)
        now_s = self._clock()
        found = ruled.verdict(facts, ruling, model=self.model, at_s=now_s if at_s is None else at_s, now_s=now_s)
        if ruling is Ruling.VOID:
            self._void = found
        else:
            self._verdict = found
        return found
