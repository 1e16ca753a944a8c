"""Overrides: what a person may decide beside the verdicts, and what nobody may."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lockgate.decide import ladder
from lockgate.decide.overrides import about, overridden
from lockgate.decide.rollout import awaited, next_move
from lockgate.errors import Conflict, SpecError
from lockgate.records import Evidence, Gate, Override, Rollout, RolloutSpec, RolloutState, Ruling, Verdict

SPEC = RolloutSpec(ladder=("shadow", 0.05, 0.25, 1.0), require_approval=(0.25, 1.0))


def rollout(spec: RolloutSpec = SPEC, **more: Any) -> Rollout:
    known: dict[str, Any] = {"at": 0, "looked": True}
    return Rollout(
        id="r1",
        model="m",
        champion="old",
        challenger="new",
        spec=spec,
        steps=ladder.steps(spec),
        state=RolloutState.RUNNING,
        started_s=0,
        stepped_s=0,
        deadline_s=1000,
        not_worse_by=0.002,
        **(known | more),
    )


def override(kind: Any, of: Rollout, *, at_s: float = 10, **more: Any) -> Override:
    step = about(of, kind, more.pop("asked", None)).name
    known: dict[str, Any] = {"id": f"o-{kind}", "by": "ann", "reason": "I looked at it.", "step": step}
    return Override(model="m", rollout="r1", kind=kind, at_s=at_s, written_s=11, **(known | more))


def verdict(name: str, ruling: Ruling = Ruling.PASS) -> Verdict:
    gate = Gate(
        name=name, question="harm", claim="safe", measure="m", method="m", margin=0, alpha=0.01, guarantee="exact"
    )
    return Verdict(
        id=f"v {name}",
        model="m",
        ruling=ruling,
        gate=gate,
        evidence=Evidence(),
        subject=("new", "old"),
        sentence=f"{name}: {ruling}.",
        at_s=5,
        written_s=5,
        rollout="r1",
    )


SAFE = [verdict("safe at shadow"), verdict("safe at 5%"), verdict("safe at 25%"), verdict("worth")]


def test_held_it_stays_whatever_is_proved_and_resumed_it_goes_on() -> None:
    free = rollout(RolloutSpec(ladder=("shadow", 0.5, 1.0)))
    held, move = overridden(free, [], override("hold", free))
    assert (held.held, held.overrides, move) == ("o-hold", ("o-hold",), None)
    assert next_move(free, SAFE, 20) is not None
    assert next_move(held, SAFE, 20) is None
    resumed, _ = overridden(held, [], override("resume", held))
    assert (resumed.held, resumed.overrides) == (None, ("o-hold", "o-resume"))
    assert next_move(resumed, SAFE, 20) == next_move(free, SAFE, 20)


def test_held_it_is_still_stopped_by_harm_and_ended_by_its_deadline() -> None:
    held = rollout(held="o1")
    harm = next_move(held, [verdict("guardrail failures", Ruling.FAIL)], 20)
    late = next_move(held, SAFE, 1000)
    assert (harm and harm.kind, late and late.kind) == ("roll_back", "undecided")


def test_holding_twice_and_resuming_what_is_not_held_are_conflicts() -> None:
    with pytest.raises(Conflict, match=r"r1 is held already \(o1\)\. See: lockgate why o1"):
        overridden(rollout(held="o1"), [], override("hold", rollout()))
    with pytest.raises(Conflict, match="r1 is not held"):
        overridden(rollout(), [], override("resume", rollout()))


def test_a_step_that_wants_approval_is_entered_once_it_has_it_and_its_verdict() -> None:
    waiting = rollout(at=1)
    assert next_move(waiting, SAFE, 20) is None
    step = awaited(waiting, SAFE, 20)
    assert step is not None
    assert step.name == "25%"
    assert awaited(waiting, [], 20) is None, "without evidence there is nothing to approve for"
    approved, move = overridden(waiting, SAFE, override("approve", waiting))
    assert (approved.approved, move) == ({"25%": "o-approve"}, None)
    assert next_move(approved, [], 20) is None, "an approval is no evidence"
    due = next_move(approved, SAFE, 20)
    assert due is not None
    assert (due.kind, due.to_step, due.verdicts, due.overrides) == ("advance", 2, ("v safe at 5%",), ("o-approve",))
    assert awaited(approved, SAFE, 20) is None


def test_the_promotion_waits_for_its_approval_too() -> None:
    last = rollout(at=2)
    assert next_move(last, SAFE, 20) is None
    approved, _ = overridden(last, SAFE, override("approve", last))
    due = next_move(approved, SAFE, 20)
    assert due is not None
    assert (due.kind, due.overrides) == ("promote", ("o-approve",))


def test_a_step_that_wants_no_approval_and_one_that_has_it_are_not_approved() -> None:
    with pytest.raises(SpecError, match="5% of r1 needs no approval"):
        overridden(rollout(), [], override("approve", rollout()))
    with pytest.raises(Conflict, match=r"25% of r1 is approved already\. See: lockgate why o7"):
        overridden(rollout(at=1, approved={"25%": "o7"}), [], override("approve", rollout(at=1)))


def test_a_later_step_is_approved_by_name_and_one_behind_is_refused() -> None:
    begun = rollout()
    found, _ = overridden(begun, [], override("approve", begun, asked=ladder.step(1.0)))
    assert found.approved == {"100%": "o-approve"}
    with pytest.raises(SpecError, match=r"no later step '5%'; known: 100%, 25%"):
        about(rollout(at=1), "approve", ladder.step(0.05))


def test_a_person_promotes_without_proof_and_the_move_says_so() -> None:
    free = rollout(RolloutSpec(ladder=("shadow", 0.5, 1.0)))
    found, move = overridden(free, [verdict("worth", Ruling.UNDECIDED)], override("promote", free))
    assert move is not None
    assert (move.kind, move.to_step, move.verdicts, move.overrides) == ("promote", 2, (), ("o-promote",))
    assert move.reason == "Promoted without proof that it is worth it: I looked at it."
    assert found.overrides == ("o-promote",)


def test_a_person_skips_one_step_and_never_to_the_promotion() -> None:
    free = rollout(RolloutSpec(ladder=("shadow", 0.5, 1.0)))
    _, move = overridden(free, [], override("skip", free))
    assert move is not None
    assert (move.kind, move.to_step, move.verdicts, move.overrides) == ("advance", 1, (), ("o-skip",))
    assert move.reason == "On to 50% without a verdict that shadow is safe: I looked at it."
    above = msgspec.structs.replace(free, at=1)
    with pytest.raises(SpecError, match="The step after 50% is the promotion, which is not skipped to"):
        overridden(above, [], override("skip", above))


@pytest.mark.parametrize("kind", ["promote", "skip"])
def test_nobody_goes_on_over_harm_a_hold_or_a_missing_approval(kind: str) -> None:
    at = 2 if kind == "promote" else 1
    with pytest.raises(SpecError, match="r1 is being rolled back: guardrail failures: fail"):
        overridden(rollout(at=at), [verdict("guardrail failures", Ruling.FAIL)], override(kind, rollout(at=at)))
    with pytest.raises(Conflict, match=r"r1 is held \(o1\).*lockgate rollout resume m"):
        overridden(rollout(at=at, held="o1"), [], override(kind, rollout(at=at)))
    with pytest.raises(SpecError, match="of r1 is entered only once it is approved"):
        overridden(rollout(at=at), [], override(kind, rollout(at=at)))
    name = rollout().steps[at + 1].name
    _, move = overridden(rollout(at=at, approved={name: "o7"}), [], override(kind, rollout(at=at)))
    assert move is not None
    assert move.overrides == (f"o-{kind}", "o7")


def test_alpha_is_widened_before_the_first_look_alone() -> None:
    new = rollout(looked=False)
    found, _ = overridden(new, [], override("widen", new, alpha=0.02))
    assert (found.spec.alpha, found.spec.worth_alpha) == (0.02, 0.05)
    for seen, verdicts in ((rollout(), []), (new, [verdict("worth", Ruling.UNDECIDED)])):
        with pytest.raises(SpecError, match=r"The alpha of r1 stands at 0\.01: its evidence was looked at already"):
            overridden(seen, verdicts, override("widen", seen, alpha=0.02))
    with pytest.raises(SpecError, match=r"An alpha of 0\.005 does not widen the 0\.01 of r1"):
        overridden(new, [], override("widen", new, alpha=0.005))


@pytest.mark.parametrize("kind", ["hold", "resume", "approve", "promote", "skip"])
def test_after_its_deadline_nothing_is_overridden(kind: str) -> None:
    with pytest.raises(SpecError, match="The deadline of r1 has passed"):
        overridden(rollout(), SAFE, override(kind, rollout(), at_s=1000))


@pytest.mark.parametrize(("field", "word"), [("reason", "reason"), ("by", "name")])
def test_an_override_takes_a_name_and_a_reason(field: str, word: str) -> None:
    with pytest.raises(SpecError, match=f"To hold r1 of m takes a {word}"):
        override("hold", rollout(), **{field: "  "})


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ((0.3,), r"no step to approve '30%'; known: 100%, 25%, 5%"),
        (("shadow",), "shadow is entered when the rollout starts"),
        (("mirror",), "no step 'mirror'"),
    ],
)
def test_an_approval_of_what_is_no_later_rung_is_refused_by_name(asked: tuple[Any, ...], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        ladder.steps(RolloutSpec(ladder=SPEC.ladder, require_approval=asked))
