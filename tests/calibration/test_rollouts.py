"""Whole rollouts on traffic whose truth is known, through the real guardrails, worth test, state machine and controller.

Fixed seeds; a rate fails above its promise + 3 standard errors of it. On a fresh seed a rollout whose true rate is the
promise itself would fail with chance .02 at most in the short form, where two errors in 20 paths are one too many, and .003
in the long one. Calls are handed over as arrays; that a log of single records gives the same moves for the same reasons is a
test of its own.
"""

# ruff: noqa: T201 - the measured figures are what `make calibrate` is run for

from __future__ import annotations

import math

import numpy as np
import pytest

from lockgate.monitor.watch import ChampionFacts, Watch
from lockgate.records import (
    Column,
    Contract,
    Move,
    Outcome,
    Prediction,
    Rollout,
    RolloutSpec,
    RolloutState,
    Shadow,
    Verdict,
)
from lockgate.records.prediction import LogEntry
from lockgate.sim.rollouts import BROKEN, LATE, Stretch, World, healthy
from lockgate.testing.rollouts import CHALLENGER, CHAMPION, MODEL, ROLLOUT, Direct, Ran, Simulation

EXPOSED = RolloutSpec(ladder=("replay", 0.05, 0.25, 0.5, 1.0))
MINUTELY, HOURLY = 1_440, 24
PROMISED_BACK, PROMISED_SOON, PROMISED_LATE = 0.01, 0.95, 0.01


def error(rate: float, paths: int) -> float:
    return math.sqrt(rate * (1 - rate) / paths)


def share(hits: int, paths: int, what: str) -> float:
    found = hits / paths
    print(f"{what}: {found:.4f}, standard error {error(found, paths):.4f}, {paths} paths")
    return found


def healthy_rollouts(paths: int) -> None:
    begun = (Simulation(healthy(path), [71, path]) for path in range(paths))
    ends = [one.run() for one in begun if one.plan.is_sound]
    n = len(ends)
    assert n > 0.8 * paths, "most plans hold, or the world is no world for a rollout"
    back = share(sum(end.state is RolloutState.ROLLED_BACK for end in ends), n, "healthy, rolled back")
    soon = sum(end.state is RolloutState.PROMOTED and end.days <= 2 * (end.plan.days or 0) for end in ends)
    soon_share = share(soon, n, "healthy, promoted within twice the forecast")
    assert back <= PROMISED_BACK + 3 * error(PROMISED_BACK, n)
    assert soon_share >= PROMISED_SOON - 3 * error(PROMISED_SOON, n)


def test_a_healthy_challenger_is_seldom_rolled_back_and_promoted_in_time() -> None:
    healthy_rollouts(20)


@pytest.mark.slow
def test_the_long_form_of_2000_healthy_rollouts_keeps_both_promises() -> None:
    healthy_rollouts(2_000)


def spent(paths: int) -> list[Ran]:
    ends = [Simulation(BROKEN, [72, path], EXPOSED, looks=MINUTELY).run() for path in range(paths)]
    assert {(end.state, end.said) for end in ends} == {(RolloutState.ROLLED_BACK, "guardrail failures")}
    return ends


def costs_ten_calls(paths: int) -> None:
    """A look a minute, so the calls between the evidence and the next look are in it."""
    ends = spent(paths)
    calls, fell_back = (np.array([getattr(end, name) for end in ends]) for name in ("canary_calls", "fell_back"))
    se = calls.std(ddof=1) / math.sqrt(paths)
    print(
        f"half of its calls fail: median {np.median(calls):.0f}, mean {calls.mean():.2f} (standard error {se:.2f}) canary "
        f"calls; mean {fell_back.mean():.2f} callers were answered by the fallback"
    )
    assert np.median(calls) <= 10
    assert calls.mean() <= 10 + 3 * se


def test_a_challenger_that_fails_half_of_its_calls_costs_ten_of_them() -> None:
    costs_ten_calls(60)


def test_a_broken_challenger_whose_arms_are_uneven_by_chance_is_stopped_too() -> None:
    """The one of the long form's 2,000 whose evidence is void before it is harmful: five canary calls where 18 were due."""
    one = Simulation(BROKEN, [72, 437], EXPOSED, looks=MINUTELY)
    end = one.run()
    told = [(str(v.ruling), v.gate.name) for v in one.records.all(Verdict) if v.gate.name == "guardrail failures"]
    assert told == [("void", "guardrail failures"), ("fail", "guardrail failures")]
    assert (end.state, end.said, end.canary_calls) == (RolloutState.ROLLED_BACK, "guardrail failures", 11)


@pytest.mark.slow
def test_the_long_form_of_2000_broken_challengers_costs_ten_calls_too() -> None:
    costs_ten_calls(2_000)


def test_with_a_shadow_first_a_broken_challenger_is_stopped_before_anybody_is_served_by_it() -> None:
    ends = [Simulation(BROKEN, [73, path], looks=MINUTELY).run() for path in range(20)]
    assert {(end.state, end.canary_calls) for end in ends} == {(RolloutState.ROLLED_BACK, 0)}


def promoted_late(paths: int, *, slack_s: float | None = None) -> float:
    found = 0
    for path in range(paths):
        one = Simulation(LATE, [74, path], EXPOSED, looks=HOURLY)
        found += one.run(Direct(one, slack_s=slack_s)).state is RolloutState.PROMOTED
    return share(found, paths, f"late failures, {'matured' if slack_s is None else 'as they come in'}, promoted")


def test_failures_that_are_reported_four_times_later_promote_nobody() -> None:
    assert promoted_late(15) <= PROMISED_LATE + 3 * error(PROMISED_LATE, 15)


def test_joined_as_they_come_in_such_failures_would_promote_it() -> None:
    assert promoted_late(3, slack_s=1.0) > 0.5


@pytest.mark.slow
def test_the_long_form_of_1000_late_challengers_promotes_one_in_a_hundred_at_most() -> None:
    assert promoted_late(1_000) <= PROMISED_LATE + 3 * error(PROMISED_LATE, 1_000)


# ---- the same rollouts through the log: fold, shadows, outcomes, days


CONTRACT = Contract(
    model=MODEL,
    columns=(Column(name="x", type="float"), Column(name="y", type="float", is_known_before=False)),
    target="y",
)
FACTS = ChampionFacts(contract=CONTRACT, profile=None, skill=None)


class Logged:
    """The watch over a log of single records: calls, the other version's shadows, and outcomes an hour later."""

    def __init__(self, of: Simulation) -> None:
        self._of = of
        self._watch = Watch(MODEL, of.spec, of.records)
        self._coming: list[tuple[float, LogEntry]] = []

    def look(self, rollout: Rollout, fresh: Stretch, *, now_s: float) -> None:
        self._coming += [known for row in range(fresh.arm.size) for known in self._entries(rollout, fresh, row)]
        self._coming.sort(key=lambda one: one[0])
        ready = sum(known_s <= now_s for known_s, _ in self._coming)
        self._watch.feed([entry for _, entry in self._coming[:ready]], now_s=now_s)
        del self._coming[:ready]
        self._watch.look(self._of.routing, rollout, FACTS, now_s=now_s)

    def _entries(self, rollout: Rollout, fresh: Stretch, row: int) -> list[tuple[float, LogEntry]]:
        arm, asked_s, known_s = int(fresh.arm[row]), float(fresh.asked_s[row]), float(fresh.known_s[row])
        losses = (self._of.world.loss, self._of.world.loss + float(self._of.path.difference[fresh.day[row]]))
        failed = fresh.failed[row].tolist()
        versions = (CHAMPION, CHALLENGER)
        name = f"p{fresh.number[row]:09d}"
        known = {"id": name, "model": MODEL, "asked_s": asked_s, "latency_ms": 1.0, "rollout": ROLLOUT}
        call = Prediction(
            **known,
            unit=name,
            answered_s=known_s,
            arm="challenger" if arm else "champion",
            version=versions[arm],
            served_by="constant" if failed[arm] else versions[arm],
            value=0.5 if failed[arm] else losses[arm],
            share=rollout.step.share,
            failure="error" if failed[arm] else None,
            inputs=(1.0,),
        )
        other = Shadow(
            **known,
            version=versions[1 - arm],
            value=None if failed[1 - arm] else losses[1 - arm],
            failure="error" if failed[1 - arm] else None,
        )
        outcome = Outcome(id=name, model=MODEL, value=0.0, at_s=asked_s + 3600, received_s=asked_s + 3600)
        return [(known_s, call), (asked_s, other), (asked_s + 3600, outcome)]


SMALL = {"calls_per_day": 400, "rate": 0.02, "block_sd": 0.0005}
SHORT_LADDER = RolloutSpec(ladder=("replay", "shadow", 0.25, 1.0), deadline="40d")
SAME = {
    "alike": World(**SMALL),
    "worse": World(**SMALL, worse_by=0.004),
    "fails four times as often": World(**SMALL, ratio=4.0),
    "hangs": World(**SMALL, ratio=3.0, late_s=600.0, deadline_s=3600.0),
}


def said(records: object) -> list[tuple[object, ...]]:
    verdicts = records.all(Verdict)  # type: ignore[attr-defined]
    return [(v.gate, v.ruling, v.at_s, v.evidence.n, v.evidence.events, v.evidence.blocks) for v in verdicts]


def moved(records: object) -> list[tuple[object, ...]]:
    return [(m.kind, m.to, m.share, m.at_s, len(m.verdicts)) for m in records.all(Move)]  # type: ignore[attr-defined]


def same_through_the_log(name: str, paths: int) -> None:
    kinds: set[str] = set()
    for path in range(paths):
        direct, logged = (Simulation(SAME[name], [75, path], SHORT_LADDER) for _ in range(2))
        direct.run()
        logged.run(Logged(logged))
        assert moved(direct.records) == moved(logged.records)
        assert said(direct.records) == said(logged.records)
        for a, b in zip(direct.records.all(Verdict), logged.records.all(Verdict), strict=True):
            assert a.evidence.log_e == pytest.approx(b.evidence.log_e, rel=1e-6, abs=1e-6)
        kinds |= {move.kind for move in direct.records.all(Move)}
    assert kinds >= {"start", "advance"}, "a rollout that never moves agrees with anything"
    assert kinds & {"promote", "roll_back"}


@pytest.mark.parametrize("name", SAME)
def test_a_log_of_single_records_gives_the_same_moves_for_the_same_reasons(name: str) -> None:
    same_through_the_log(name, 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", SAME)
def test_the_long_form_of_48_logs_gives_the_same_moves_too(name: str) -> None:
    same_through_the_log(name, 12)


# ---- determinism


def ledger(name: str, path: int, *, is_logged: bool) -> list[str]:
    one = Simulation(SAME[name], [76, path], SHORT_LADDER)
    one.run(Logged(one) if is_logged else Direct(one))
    return [entry.digest for entry in one.records.entries()]


@pytest.mark.parametrize("name", SAME)
def test_the_same_rollout_twice_gives_the_same_ledger_hash_by_hash(name: str) -> None:
    """The clock is passed in; were an id, a time or an order taken from anywhere else, some digest would differ."""
    for path in range(3):
        once, again = (ledger(name, path, is_logged=False) for _ in range(2))
        assert once == again
        assert len(once) > 3
    assert ledger(name, 0, is_logged=False) != ledger(name, 1, is_logged=False)


def test_through_the_log_it_does_too() -> None:
    once, again = (ledger("fails four times as often", 0, is_logged=True) for _ in range(2))
    assert once == again
    assert len(once) > 3
