"""The rollout's state machine, from any verdicts at any step: harm wins, worth alone promotes, no evidence is no move."""

from __future__ import annotations

from typing import get_args

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lockgate.decide import ladder
from lockgate.decide.overrides import about, overridden
from lockgate.decide.rollout import Decision, awaited, final_state, next_move
from lockgate.errors import Conflict, SpecError
from lockgate.records import (
    Evidence,
    Gate,
    Override,
    OverrideKind,
    Rollout,
    RolloutSpec,
    RolloutState,
    Ruling,
    Verdict,
)

DEADLINE_S = 1000.0
LADDERS = (
    ("replay", "shadow", 0.05, 0.25, 0.5, 1.0),
    ("shadow", 1.0),
    ("replay", "shadow", 1.0),
    (0.01, 1.0),
    ("replay", 0.001, 0.004, 0.5, 1.0),
)


def verdict(name: str, ruling: Ruling) -> Verdict:
    gate = Gate(
        name=name, question="worth", claim="better", measure="m", method="m", margin=0, alpha=0.05, guarantee="exact"
    )
    return Verdict(
        id=f"v {name} {ruling}",
        model="m",
        ruling=ruling,
        gate=gate,
        evidence=Evidence(),
        subject=("new", "old"),
        sentence=f"{name}: {ruling}.",
        at_s=0,
        written_s=0,
        rollout="r1",
    )


ENDED = tuple(state for state in RolloutState if state is not RolloutState.RUNNING)


@st.composite
def rollouts(draw: st.DrawFn, states: tuple[RolloutState, ...] = (RolloutState.RUNNING,)) -> Rollout:
    spec = RolloutSpec(ladder=draw(st.sampled_from(LADDERS)))
    steps = ladder.steps(spec)
    return Rollout(
        id="r1",
        model="m",
        champion="old",
        challenger="new",
        spec=spec,
        steps=steps,
        at=draw(st.integers(0, len(steps) - 2)),
        state=draw(st.sampled_from(states)),
        started_s=0,
        stepped_s=0,
        deadline_s=DEADLINE_S,
        not_worse_by=0.002,
        replayed=draw(st.booleans()),
    )


SAFE = {f"safe at {step.name}" for rungs in LADDERS for step in ladder.steps(RolloutSpec(ladder=rungs))}
NAMES = ("worth", "guardrail failures", "guardrail quality", *sorted(SAFE))
rulings = st.sampled_from(tuple(Ruling))
verdicts = st.dictionaries(st.sampled_from(NAMES), rulings).map(
    lambda found: [verdict(name, ruling) for name, ruling in found.items()]
)
unfailed = verdicts.map(lambda found: [v for v in found if v.ruling is not Ruling.FAIL])
before = st.floats(0, DEADLINE_S, exclude_max=True)
times = st.floats(0, 2 * DEADLINE_S)


@given(rollouts(), verdicts, times)
def test_nothing_promotes_without_a_passing_worth_and_a_passing_safety_of_this_very_step(
    rollout: Rollout, standing: list[Verdict], now_s: float
) -> None:
    decision = next_move(rollout, standing, now_s)
    if decision is not None and decision.kind == "promote":
        passed = {v.gate.name: v.id for v in standing if v.ruling is Ruling.PASS}
        assert decision.verdicts == (passed["worth"], passed[f"safe at {rollout.step.name}"])
        assert rollout.steps[decision.to_step].share == 1.0


@given(rollouts(), verdicts, times)
def test_no_move_but_a_promotion_reaches_all_traffic(rollout: Rollout, standing: list[Verdict], now_s: float) -> None:
    decision = next_move(rollout, standing, now_s)
    if decision is not None and decision.kind != "promote":
        assert rollout.steps[decision.to_step].share < 1.0


@given(rollouts(), verdicts, times, st.sampled_from(NAMES))
def test_harm_always_wins(rollout: Rollout, standing: list[Verdict], now_s: float, name: str) -> None:
    failed = verdict(name, Ruling.FAIL)
    decision = next_move(rollout, [*(v for v in standing if v.gate.name != name), failed], now_s)
    assert decision is not None
    assert decision.kind == "roll_back"
    assert decision.verdicts[0].endswith("fail")


@given(rollouts(), before)
def test_no_evidence_is_no_move_but_from_a_replay_that_is_done(rollout: Rollout, now_s: float) -> None:
    decision = next_move(rollout, [], now_s)
    if rollout.step.kind == "replay" and rollout.replayed:
        assert decision is not None
        assert decision.kind == "advance"
    else:
        assert decision is None


@given(rollouts(), verdicts, before)
def test_undecided_verdicts_move_nothing(rollout: Rollout, standing: list[Verdict], now_s: float) -> None:
    mute = [v for v in standing if v.ruling is Ruling.UNDECIDED]
    assert next_move(rollout, mute, now_s) == next_move(rollout, [], now_s)


@given(rollouts(), unfailed, before)
def test_a_void_verdict_holds_the_step_whatever_else_has_passed(
    rollout: Rollout, standing: list[Verdict], now_s: float
) -> None:
    if any(v.ruling is Ruling.VOID for v in standing):
        assert next_move(rollout, standing, now_s) is None


@given(rollouts(), unfailed, st.floats(DEADLINE_S, 1e9))
def test_the_deadline_gives_the_traffic_back_to_the_champion_whatever_had_passed(
    rollout: Rollout, standing: list[Verdict], now_s: float
) -> None:
    decision = next_move(rollout, standing, now_s)
    assert decision is not None
    assert decision.kind == "undecided"


@given(rollouts(ENDED), verdicts, times)
def test_a_rollout_that_has_ended_never_moves_again(rollout: Rollout, standing: list[Verdict], now_s: float) -> None:
    assert next_move(rollout, standing, now_s) is None


@given(rollouts(), st.lists(verdicts, min_size=12, max_size=12), before)
def test_a_running_rollout_climbs_one_step_at_a_time_and_never_down(
    rollout: Rollout, looks: list[list[Verdict]], now_s: float
) -> None:
    for standing in looks:
        decision = next_move(rollout, standing, now_s)
        if decision is None:
            continue
        if final_state(decision.kind) is not None:
            break
        assert decision.to_step == rollout.at + 1
        assert rollout.steps[decision.to_step].share >= rollout.step.share
        rollout = msgspec.structs.replace(rollout, at=decision.to_step)


@given(rollouts(), before)
def test_with_every_gate_passed_it_climbs_to_a_promotion(rollout: Rollout, now_s: float) -> None:
    rollout = msgspec.structs.replace(rollout, replayed=True)
    passed = [verdict(name, Ruling.PASS) for name in NAMES]
    for _ in rollout.steps:
        decision = next_move(rollout, passed, now_s)
        assert decision is not None
        if decision.kind == "promote":
            return
        rollout = msgspec.structs.replace(rollout, at=decision.to_step)
    raise AssertionError("it never came to a promotion")


@given(rollouts(), verdicts, times, st.randoms(use_true_random=False))
def test_the_order_of_verdicts_changes_no_kind_of_move(
    rollout: Rollout, standing: list[Verdict], now_s: float, chance: object
) -> None:
    shuffled = list(standing)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = next_move(rollout, standing, now_s), next_move(rollout, shuffled, now_s)
    assert (one and (one.kind, one.to_step)) == (other and (other.kind, other.to_step))


class Overruled(RuleBasedStateMachine):
    """A rollout under verdicts, time and persons, in any order: what they may do together, and what nobody may."""

    @initialize(rungs=st.sampled_from([rungs for rungs in LADDERS if len(rungs) > 2]), data=st.data())
    def begin(self, rungs: tuple[str | float, ...], data: st.DataObject) -> None:
        asked = tuple(rung for rung in rungs[1:] if data.draw(st.booleans()))
        spec = RolloutSpec(ladder=rungs, require_approval=asked)
        self.now_s, self.made = 0.0, 0
        self.standing: dict[str, Verdict] = {}
        self.rollout = Rollout(
            id="r1",
            model="m",
            champion="old",
            challenger="new",
            spec=spec,
            steps=ladder.steps(spec),
            at=0,
            state=RolloutState.RUNNING,
            started_s=0,
            stepped_s=0,
            deadline_s=DEADLINE_S,
            not_worse_by=0.002,
        )
        self.gated = ladder.gated(spec, self.rollout.steps)

    @rule(name=st.sampled_from(NAMES), ruling=rulings)
    def judged(self, name: str, ruling: Ruling) -> None:
        before = self.standing.get(name)
        # A gate that has spoken is not asked again.
        if before is None or before.ruling is Ruling.UNDECIDED:
            self.standing[name] = verdict(name, ruling)
            self.rollout = msgspec.structs.replace(self.rollout, looked=True)

    @rule(step_s=st.floats(0, DEADLINE_S / 4))
    def time_goes_on(self, step_s: float) -> None:
        self.now_s += step_s

    @rule()
    def replay_ends(self) -> None:
        self.rollout = msgspec.structs.replace(self.rollout, replayed=True)

    @rule(kind=st.sampled_from(get_args(OverrideKind)), alpha=st.floats(0.001, 0.999))
    def somebody_decides(self, kind: OverrideKind, alpha: float) -> None:
        if not self.rollout.is_running:
            return
        before = self.rollout
        made = Override(
            id=f"o{self.made}",
            model="m",
            rollout="r1",
            kind=kind,
            by="ann",
            reason="So.",
            step=about(before, kind).name,
            at_s=self.now_s,
            written_s=self.now_s,
            alpha=alpha if kind == "widen" else None,
        )
        harm = any(v.ruling is Ruling.FAIL for v in self.standing.values())
        try:
            after, move = overridden(before, list(self.standing.values()), made)
        except (Conflict, SpecError):
            return
        self.made += 1
        assert self.now_s < DEADLINE_S
        assert after.overrides == (*before.overrides, made.id)
        if kind == "widen":
            assert not before.looked
            assert after.spec.alpha > before.spec.alpha
        else:
            assert after.spec == before.spec
        assert (move is not None) == (kind in ("promote", "skip"))
        self.rollout = after
        if move is not None:
            assert not harm
            assert before.held is None
            assert move.verdicts == ()
            assert move.overrides[0] == made.id
            self._moved(move)

    @rule()
    def the_loop_turns(self) -> None:
        before = self.rollout
        move = next_move(before, list(self.standing.values()), self.now_s)
        if move is None:
            return
        if move.kind in ("advance", "promote"):
            assert before.held is None
            assert self.now_s < DEADLINE_S
            assert not any(v.ruling in (Ruling.FAIL, Ruling.VOID) for v in self.standing.values())
            assert move.verdicts or before.step.kind == "replay"
        self._moved(move)

    @invariant()
    def what_waits_for_an_approval_goes_on_with_it(self) -> None:
        step = awaited(self.rollout, list(self.standing.values()), self.now_s)
        if step is not None:
            assert step.name in self.gated
            approved = msgspec.structs.replace(self.rollout, approved=self.rollout.approved | {step.name: "o"})
            move = next_move(approved, list(self.standing.values()), self.now_s)
            assert move is not None
            assert self.rollout.steps[move.to_step] == step

    def _moved(self, move: Decision) -> None:
        before = self.rollout
        assert before.is_running
        state = final_state(move.kind)
        if move.kind in ("advance", "promote"):
            entered = before.steps[move.to_step].name
            assert entered not in self.gated or before.approved[entered] in move.overrides
            assert move.to_step > before.at
        if move.kind == "advance":
            assert move.to_step == before.at + 1
            assert before.steps[move.to_step].share < 1.0
        self.rollout = msgspec.structs.replace(
            before, at=move.to_step, state=RolloutState(state) if state else before.state
        )


TestOverruled = Overruled.TestCase
TestOverruled.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
