"""A rollout's calls, folded in canonical order with a look after each: what stops it, and what shows a step safe.

Pure: calls in, judgements out. The same calls give the same judgements and the same state however they are cut up.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.decide import safety
from lockgate.decide.harm import JUDGED, contract_breaks, judged, policy, share_of_alpha
from lockgate.decide.judge.judge import Judge
from lockgate.decide.judgement import Judgement
from lockgate.errors import SpecError
from lockgate.records import Rollout, Ruling, Step, Verdict
from lockgate.records.harm_state import HarmState
from lockgate.stats import rate_bet

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Seen(NamedTuple):
    """Calls of one rollout in canonical order, shape (n,) each.

    arm: as assigned, 1 the challenger; failed: whether its version failed, whoever answered; is_pair: both versions scored
    the call; pair_failed, broke_only: shape (n, 2), champion first; bad: the challenger failed or broke its contract.
    """

    id: list[str]
    unit: list[str]
    asked_s: Floats
    arm: Ints
    share: Floats
    failed: Bools
    latency_ms: Floats
    is_pair: Bools
    pair_failed: Bools
    broke_only: Bools
    bad: Bools


class Guardrails:
    """One rollout's. `held` goes on where `state` was taken. A gate that has spoken may speak again: whoever writes
    verdicts keeps the first.
    """

    def __init__(self, rollout: Rollout, held: HarmState | None = None) -> None:
        self.rollout, self._spec = rollout, rollout.spec
        self._judges = {name: _judge(name, rollout) for name in rollout.spec.guardrails if name in JUDGED}
        self._guarded = sum(step.kind != "replay" and step.share < 1.0 for step in rollout.steps)
        self._pairs, self._broke = 0, (0, 0)
        self._step, self._at_step = "", (0, 0)
        self.after: tuple[float, str] | None = None
        self.late: list[str] = []
        self._strays: set[str] = set()
        self._begin(rollout.step)
        if held is not None:
            self._load(held)

    def state(self) -> HarmState:
        return HarmState(
            rollout=self.rollout.id,
            model=self.rollout.model,
            judges={name: judge.state() for name, judge in self._judges.items()},
            ratio=self._ratio.state(),
            pairs=self._pairs,
            broke=self._broke,
            step=self._step,
            at_step=self._at_step,
            after_s=None if self.after is None else self.after[0],
            after_id="" if self.after is None else self.after[1],
            late=tuple(self.late),
            strays=tuple(sorted(self._strays)),
        )

    def take(self, rollout: Rollout, seen: Seen) -> list[Judgement]:
        """Fold the calls; what was decided by them. rollout: as it stands now, for its step."""
        self.rollout = rollout
        if self._step != rollout.step.name:
            self._begin(rollout.step)
        if not seen.id:
            return []
        found = [*self._judged(seen), *self._breaks(seen), *self._safe(seen)]
        self.after = (float(seen.asked_s[-1]), seen.id[-1])
        return found

    def _judged(self, seen: Seen) -> list[Judgement]:
        found: list[Judgement] = []
        for name, judge in self._judges.items():
            if judge.is_over:
                continue
            void = judge.void
            observe = self._latencies if name == "latency_ms" else self._failures
            observe(judge, seen)
            found += [judged(name, one, tuple(self.late)) for one in judge.told_since(void)]
        return found

    def _failures(self, judge: Judge, seen: Seen, share: float | None = None) -> Verdict | None:
        """In shadow both versions see each call, so failures are paired; on a share the arm was drawn by lot.

        share: the calls of one step alone.
        """
        is_shadow = seen.share == 0
        is_in = np.where(is_shadow, seen.is_pair, seen.share < 1)
        rows = np.flatnonzero(is_in if share is None else is_in & (seen.share == share))
        arm = np.where(is_shadow, 0, seen.arm)
        value = np.where(is_shadow, seen.pair_failed[:, 0], seen.failed).astype(np.float64)
        shadow = np.where(is_shadow, seen.pair_failed[:, 1], np.nan).astype(np.float64)
        return self._observe(judge, seen, rows, arm, value, shadow)

    def _latencies(self, judge: Judge, seen: Seen) -> Verdict | None:
        rows = np.flatnonzero((seen.share > 0) & (seen.share < 1))
        return self._observe(judge, seen, rows, seen.arm, seen.latency_ms, None)

    def _observe(
        self, judge: Judge, seen: Seen, rows: Ints, arm: Ints, value: Floats, shadow: Floats | None
    ) -> Verdict | None:
        def feed(pick: Ints) -> Verdict | None:
            units = _units(seen, pick)
            others = None if shadow is None else shadow[pick]
            return judge.observe_batch(arm[pick], value[pick], seen.share[pick], units, others, seen.asked_s[pick])

        if not rows.size:
            return None
        try:
            return feed(rows)
        except SpecError:
            # A worker that was a moment behind sent a unit back: that call is left out and named, the others count.
            alone: list[int] = rows.tolist()
            for row in alone:
                try:
                    feed(np.array([row]))
                except SpecError:
                    self._strays.add(seen.id[row])
            return judge.verdict

    def _breaks(self, seen: Seen) -> list[Judgement]:
        pairs = self._pairs + np.cumsum(seen.is_pair)
        broke = np.array(self._broke) + np.cumsum(seen.broke_only, axis=0)
        self._pairs, self._broke = int(pairs[-1]), (int(broke[-1, 0]), int(broke[-1, 1]))
        if "contract_breaks" not in self._spec.guardrails:
            return []
        # The evidence rises with a break alone, so it crosses at one; the first call stands for all that came before.
        asked = np.union1d([0], np.flatnonzero(seen.broke_only[:, 1]))
        log_e = rate_bet.log_e_over(pairs[asked], broke[asked, 1], tolerance=self._spec.breaks_at)
        crossed = np.flatnonzero(log_e >= -np.log(share_of_alpha(self._spec)))
        if not crossed.size:
            return []
        at = int(asked[crossed[0]])
        item = contract_breaks(
            self._spec,
            pairs=int(pairs[at]),
            broke=(int(broke[at, 0]), int(broke[at, 1])),
            until_s=float(seen.asked_s[at]),
            late=tuple(self.late),
        )
        return [item] if item.ruling is Ruling.FAIL else []

    def _begin(self, step: Step) -> None:
        self._step, self._at_step = step.name, (0, 0)
        self._ratio = self._ratio_judge(step)

    def _ratio_judge(self, step: Step) -> Judge:
        return Judge(safety.policy(self._spec, step, self._guarded), model=self.rollout.model, clock=_no_clock)

    def _safe(self, seen: Seen) -> list[Judgement]:
        """Whichever way shows the step safe first."""
        step = self.rollout.step
        if step.kind == "replay" or step.share == 1.0:
            return []
        ruled = self._ratio.verdict or self._failures(self._ratio, seen, step.share)
        rate = self._by_rate(seen, step)
        if ruled is None or ruled.ruling is not Ruling.PASS or (rate and (rate.evidence.until_s or 0) <= ruled.at_s):
            return [rate] if rate else []
        return [safety.by_ratio(step, ruled, tuple(self.late))]

    def _by_rate(self, seen: Seen, step: Step) -> Judgement | None:
        is_shadow = step.kind == "shadow"
        is_own = (seen.share == step.share) & (seen.is_pair if is_shadow else seen.arm == 1)
        is_bad = is_own & (seen.bad if is_shadow else seen.failed)
        calls = self._at_step[0] + np.cumsum(is_own)
        bad = self._at_step[1] + np.cumsum(is_bad)
        self._at_step = (int(calls[-1]), int(bad[-1]))
        at = self._first_under(calls, bad, is_bad, step.tolerance)
        if at is None:
            return None
        item = safety.by_rate(
            self._spec,
            step,
            calls=int(calls[at]),
            bad=int(bad[at]),
            steps=self._guarded,
            until_s=float(seen.asked_s[at]),
            late=tuple(self.late),
        )
        return item if item.ruling is Ruling.PASS else None

    def _first_under(self, calls: Ints, bad: Ints, is_bad: Bools, tolerance: float) -> int | None:
        """The first call that shows the rate under the tolerance.

        Between two bad calls the evidence only rises: the last call of each such run is asked, and only a run that crosses
        call by call.
        """
        line = -np.log(safety.share_of_alpha(self._spec, self._guarded))
        starts = np.union1d([0], np.flatnonzero(is_bad))
        ends = np.append(starts[1:] - 1, is_bad.size - 1)
        top = rate_bet.log_e_under(calls[ends], bad[ends], tolerance=tolerance)
        run = np.flatnonzero(top >= line)
        if not run.size:
            return None
        first, last = int(starts[run[0]]), int(ends[run[0]])
        log_e = rate_bet.log_e_under(calls[first : last + 1], bad[first : last + 1], tolerance=tolerance)
        return first + int(np.flatnonzero(log_e >= line)[0])

    def _load(self, held: HarmState) -> None:
        for name, state in held.judges.items():
            self._judges[name].load(state)
        self._pairs, self._broke = held.pairs, held.broke
        self._step, self._at_step = held.step, held.at_step
        step = next(step for step in self.rollout.steps if step.name == held.step)
        self._ratio = self._ratio_judge(step)
        self._ratio.load(held.ratio)
        self.after = None if held.after_s is None else (held.after_s, held.after_id)
        self.late, self._strays = list(held.late), set(held.strays)


def _units(seen: Seen, pick: Ints) -> list[str | None] | None:
    """A call without a unit is its own: nothing to remember it by."""
    if seen.unit is seen.id:
        return None
    places: list[int] = pick.tolist()
    return [None if seen.unit[row] == seen.id[row] else seen.unit[row] for row in places]


def _judge(name: str, rollout: Rollout) -> Judge:
    return Judge(policy(name, rollout.spec), model=rollout.model, clock=_no_clock)


def _no_clock() -> float:
    # Calls carry their own time; a verdict is dated by them, and stamped again when it is written.
    return 0.0
