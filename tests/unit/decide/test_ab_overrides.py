"""Overrides of an A/B: a hold, a promotion and an approval mean what they mean on a ladder; the rest is refused by name."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from lockgate.decide import ab
from lockgate.decide.overrides import about, overridden
from lockgate.decide.rollout import awaited, next_move
from lockgate.errors import Conflict, SpecError
from lockgate.records import AbSpec, Evidence, Gate, Override, Rollout, RolloutSpec, RolloutState, Ruling, Step, Verdict

SPEC = AbSpec(metric="conversion", share=(0.3,))
TRIAL = Rollout(
    id="r1",
    model="m",
    champion="v0",
    challenger="v1",
    spec=RolloutSpec(),
    steps=(Step(name="A/B", kind="share", share=0.6),),
    at=0,
    state=RolloutState.RUNNING,
    started_s=0,
    stepped_s=0,
    deadline_s=100,
    not_worse_by=0,
    kind="ab",
    arms=ab.arms(["v1", "v2"], SPEC),
    ab=SPEC,
)
APPROVED = replace(TRIAL, spec=RolloutSpec(require_approval=(1.0,)))


def verdict(version: str, ruling: Ruling) -> Verdict:
    gate = Gate(
        name=ab.gate_name("conversion", version),
        question="worth",
        claim="harmful" if ruling is Ruling.FAIL else "better",
        measure="conversion",
        method="-",
        margin=0,
        alpha=0.05,
        guarantee="calibrated",
    )
    return Verdict(
        id=f"v {version}",
        model="m",
        ruling=ruling,
        gate=gate,
        evidence=Evidence(low=0.1, high=0.2),
        subject=(version, "v0"),
        sentence="So far.",
        at_s=1,
        written_s=1,
    )


def override(kind: Any, of: Rollout) -> Override:
    step = about(of, kind).name
    return Override(
        id=f"o-{kind}",
        model="m",
        rollout="r1",
        kind=kind,
        by="ann",
        reason="I saw it.",
        step=step,
        at_s=10,
        written_s=11,
    )


BETTER = verdict("v2", Ruling.PASS)


def test_a_hold_keeps_a_winner_waiting_and_neither_harm_nor_the_deadline() -> None:
    held = overridden(TRIAL, [], override("hold", TRIAL)).rollout
    assert next_move(TRIAL, [BETTER], 10) is not None
    assert next_move(held, [BETTER], 10) is None
    harmed = next_move(held, [BETTER, verdict("v1", Ruling.FAIL)], 10)
    assert harmed is not None
    assert (harmed.kind, harmed.version) == ("end_arm", "v1")
    ended = next_move(held, [BETTER], 100)
    assert ended is not None
    assert ended.kind == "undecided"
    resumed = overridden(held, [], override("resume", held)).rollout
    assert next_move(resumed, [BETTER], 10) == next_move(TRIAL, [BETTER], 10)


def test_a_promotion_without_proof_names_one_of_the_live_challengers() -> None:
    asked = override("promote", TRIAL)
    with pytest.raises(SpecError, match="has 2 challengers: v1, v2"):
        overridden(TRIAL, [], asked)
    with pytest.raises(SpecError, match="live challenger"):
        overridden(TRIAL, [], asked, version="v9")
    move = overridden(TRIAL, [], asked, version="v2").move
    assert move is not None
    assert (move.kind, move.version, move.verdicts, move.overrides) == ("promote", "v2", (), ("o-promote",))
    last = replace(TRIAL, ended=("v1",))
    alone = overridden(last, [verdict("v1", Ruling.FAIL)], override("promote", last)).move
    assert alone is not None
    assert alone.version == "v2"


def test_nobody_promotes_over_harm_or_a_hold() -> None:
    with pytest.raises(SpecError, match="v2 is being stopped"):
        overridden(TRIAL, [verdict("v2", Ruling.FAIL)], override("promote", TRIAL), version="v2")
    held = replace(TRIAL, held="o1")
    with pytest.raises(Conflict, match="is held"):
        overridden(held, [], override("promote", held), version="v2")


def test_a_policy_that_wants_its_promotions_approved_wants_it_of_an_ab_too() -> None:
    assert next_move(APPROVED, [BETTER], 10) is None
    waits = awaited(APPROVED, [BETTER], 10)
    assert waits is not None
    assert waits.name == "100%"
    with pytest.raises(SpecError, match="only once that is approved"):
        overridden(APPROVED, [], override("promote", APPROVED), version="v2")
    approved = overridden(APPROVED, [], override("approve", APPROVED)).rollout
    due = next_move(approved, [BETTER], 10)
    assert due is not None
    assert (due.kind, due.version, due.overrides) == ("promote", "v2", ("o-approve",))
    with pytest.raises(Conflict, match="is approved already"):
        overridden(approved, [], override("approve", approved))


@pytest.mark.parametrize(
    ("kind", "says"),
    [("skip", "no step to skip"), ("widen", "stands from the start"), ("approve", "needs no approval")],
)
def test_what_an_ab_has_not_is_refused_by_name(kind: Any, says: str) -> None:
    with pytest.raises(SpecError, match=says) as refused:
        about(TRIAL, kind)
    assert refused.value.cure
