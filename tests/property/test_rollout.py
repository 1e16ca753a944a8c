"""The rollout's state machine, from any verdicts at any step: harm wins, worth alone promotes, no evidence is no move."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from lockgate.decide import ladder
from lockgate.decide.rollout import final_state, next_move
from lockgate.records import Evidence, Gate, Rollout, RolloutSpec, RolloutState, Ruling, Verdict

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
