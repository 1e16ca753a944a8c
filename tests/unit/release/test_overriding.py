"""Overrides as they are made: one record in the ledger with a name and a reason, over the state they were decided on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from lockgate.decide import ladder
from lockgate.errors import Conflict, NotFound, SpecError
from lockgate.records import (
    BudgetSpec,
    Evidence,
    Gate,
    Move,
    Override,
    Rollout,
    RolloutSpec,
    RolloutState,
    Routing,
    Ruling,
    Spend,
    Verdict,
    decode,
)
from lockgate.records.harm_state import HarmState
from lockgate.release.controller import Controller
from lockgate.release.overriding import Asked, Overriding
from lockgate.report import ledger
from lockgate.report.now import rows
from lockgate.report.why import why
from lockgate.store.memory import MemoryBoard, MemoryRecords
from lockgate.store.ports import Replaced, Written

FIRST = Routing(model="m", revision=1, champion="old", baseline="base", constant=0.2, unit="tail")
SPEC = RolloutSpec(ladder=("shadow", 0.25, 1.0), require_approval=(1.0,))
BUDGET = BudgetSpec(alpha=0.1)


class Raced(MemoryRecords):
    """What somebody else does between the look and the writing is done just before the next write."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], object] | None = None

    def spend(
        self, spec: BudgetSpec, *spends: Spend, then: Sequence[Written] = (), over: Sequence[Replaced] = ()
    ) -> None:
        act, self.meanwhile = self.meanwhile, None
        if act is not None:
            act()
        super().spend(spec, *spends, then=then, over=over)


class Stand:
    """A rollout in shadow, and a person."""

    def __init__(self, **more: Any) -> None:
        self.records, self.board = Raced(), MemoryBoard()
        self.controller = Controller("m", self.records, self.board, **more)
        self.controller.install(FIRST, [], event_s=0, now_s=0)
        rollout = Rollout(
            id="r1",
            model="m",
            champion="old",
            challenger="new",
            spec=SPEC,
            steps=ladder.steps(SPEC),
            at=0,
            state=RolloutState.RUNNING,
            started_s=10,
            stepped_s=10,
            deadline_s=1000,
            not_worse_by=0.002,
        )
        self.controller.start(rollout, event_s=10, now_s=11, by="ann")

    def ask(self, kind: Any, *, at_s: float = 20, **more: Any) -> Override | Move:
        asked = Asked(kind=kind, by="ann", reason="I looked.", event_s=at_s, now_s=at_s + 1, **more)
        overriding = Overriding(self.controller, self.records, BUDGET)
        return overriding.moved(asked) if kind in ("promote", "skip") else overriding.lasting(asked)

    def rule(self, name: str, ruling: Ruling = Ruling.PASS) -> None:
        gate = Gate(
            name=name, question="harm", claim="safe", measure="m", method="m", margin=0, alpha=0.01, guarantee="exact"
        )
        self.records.write(
            Verdict(
                id=f"v {name}",
                model="m",
                ruling=ruling,
                gate=gate,
                evidence=Evidence(),
                subject=("new", "old"),
                sentence=f"{name}: {ruling}.",
                at_s=15,
                written_s=15,
                rollout="r1",
            )
        )

    def tick(self, event_s: float = 30) -> Move | None:
        return self.controller.tick(event_s=event_s, now_s=event_s)

    @property
    def rollout(self) -> Rollout:
        return self.records.all(Rollout, "m")[-1]

    @property
    def entries(self) -> list[tuple[str, str]]:
        return [(entry.kind, entry.subject) for entry in self.records.entries()]


@pytest.fixture
def stand() -> Stand:
    return Stand()


def test_a_hold_is_one_entry_with_a_name_and_a_reason_and_moves_no_traffic(stand: Stand) -> None:
    routing = stand.board.read("m")
    made = stand.ask("hold")
    assert isinstance(made, Override)
    assert (made.kind, made.by, made.reason, made.step, made.at_s, made.written_s) == (
        "hold",
        "ann",
        "I looked.",
        "shadow",
        20,
        21,
    )
    assert stand.entries[-1] == ("override", made.id)
    assert decode(Override, stand.records.entries()[-1].body) == made
    assert stand.board.read("m") == routing
    stand.rule("safe at shadow")
    assert stand.tick() is None
    (row,) = rows(stand.records)
    assert row.state == "rollout r1: shadow, held by ann: I looked."
    assert row.next == "lockgate rollout resume m --reason ..."
    stand.ask("resume")
    move = stand.tick()
    assert move is not None
    assert move.kind == "advance"
    assert ledger.verify_records(stand.records).broken is None


def test_every_override_has_an_id_of_its_own_and_why_knows_it(stand: Stand) -> None:
    names = [stand.ask(kind).id for kind in ("hold", "resume", "hold", "resume")]
    assert len(set(names)) == 4
    assert stand.rollout.overrides == tuple(names)
    found = why(stand.records, names[0])
    assert found.kind == "override"
    assert found.lines[:2] == ("r1: held at shadow", "I looked.")
    assert sum("(o" in line for line in why(stand.records, "r1").lines) == 4


def test_a_promotion_by_a_person_names_the_override_and_no_verdict_and_status_says_so(stand: Stand) -> None:
    stand.ask("approve", step=ladder.step(1.0))
    move = stand.ask("promote")
    assert isinstance(move, Move)
    override = stand.records.all(Override)[-1]
    assert (move.kind, move.to, move.by, move.verdicts) == ("promote", "new", "ann", ())
    assert move.overrides == (override.id, stand.records.all(Override)[0].id)
    assert move.reason == "Promoted without proof that it is worth it: I looked."
    assert stand.entries[-2:] == [("override", override.id), ("move", move.id)]
    routing = stand.board.read("m")
    assert routing is not None
    assert (routing.champion, routing.previous, routing.challenger) == ("new", "old", None)
    assert rows(stand.records)[0].state == "serving, promoted without proof by ann"
    assert ledger.verify_records(stand.records).broken is None


def test_a_skip_goes_one_step_on(stand: Stand) -> None:
    move = stand.ask("skip")
    assert isinstance(move, Move)
    routing = stand.board.read("m")
    assert routing is not None
    assert (move.kind, move.share, routing.share, stand.rollout.step.name) == ("advance", 0.25, 0.25, "25%")


def test_a_promotion_that_wants_approval_says_so_until_it_has_it(stand: Stand) -> None:
    stand.ask("skip")
    for name in ("safe at 25%", "worth"):
        stand.rule(name)
    assert stand.tick() is None
    approval = stand.ask("approve")
    move = stand.tick()
    assert move is not None
    assert (move.kind, move.verdicts, move.overrides) == ("promote", ("v worth", "v safe at 25%"), (approval.id,))


def test_a_wider_alpha_is_drawn_from_the_budget_before_the_first_look(stand: Stand) -> None:
    made = stand.ask("widen", alpha=0.03)
    assert stand.rollout.spec.alpha == 0.03
    drawn = stand.records.all(Spend)
    assert [(spend.gate, round(spend.alpha, 9), spend.by) for spend in drawn] == [
        ("guardrails", 0.02, "ann"),
        ("safe steps", 0.02, "ann"),
    ]
    assert [kind for kind, _ in stand.entries[-3:]] == ["spend", "spend", "override"]
    with pytest.raises(SpecError, match="alpha budget of m has"):
        stand.ask("widen", alpha=0.5)
    assert stand.rollout.overrides == (made.id,), "what the budget does not hold leaves nothing behind"
    assert len(stand.records.all(Spend)) == 2


def test_after_the_first_look_alpha_stands(stand: Stand) -> None:
    before = stand.records.entries()
    stand.controller.mark_looked(stand.rollout)
    with pytest.raises(SpecError, match="its evidence was looked at already"):
        stand.ask("widen", alpha=0.03)
    earlier = Stand()
    state = HarmState(
        rollout="r1",
        model="m",
        judges={},
        ratio="",
        pairs=0,
        broke=(0, 0),
        step="shadow",
        at_step=(0, 0),
        after_s=None,
        after_id="",
    )
    earlier.records.write(state)
    with pytest.raises(SpecError, match="its evidence was looked at already"):
        earlier.ask("widen", alpha=0.03)
    assert stand.records.entries() == before


def test_a_look_between_the_question_and_the_writing_refuses_the_wider_alpha(stand: Stand) -> None:
    stand.records.meanwhile = lambda: stand.controller.mark_looked(stand.rollout)
    with pytest.raises(SpecError, match="its evidence was looked at already"):
        stand.ask("widen", alpha=0.03)
    assert stand.records.all(Spend) == []
    assert stand.rollout.spec.alpha == 0.01


def test_a_hold_that_comes_while_the_loop_moves_holds_the_step_it_moved_to(stand: Stand) -> None:
    stand.rule("safe at shadow")
    stand.records.meanwhile = lambda: stand.tick(event_s=19)
    made = stand.ask("hold")
    assert isinstance(made, Override)
    assert (made.step, stand.rollout.held, stand.rollout.step.name) == ("25%", made.id, "25%")
    kinds = [kind for kind, _ in stand.entries]
    assert kinds[-2:] == ["move", "override"]


def test_a_hold_of_a_rollout_that_ends_meanwhile_holds_nothing(stand: Stand) -> None:
    stand.rule("guardrail failures", Ruling.FAIL)
    stand.records.meanwhile = lambda: stand.tick(event_s=19)
    with pytest.raises(NotFound, match="No rollout of m is under way"):
        stand.ask("hold")
    assert stand.records.all(Override) == []


def test_two_persons_who_hold_at_once_are_one_hold(stand: Stand) -> None:
    stand.records.meanwhile = lambda: stand.ask("hold", at_s=19)
    with pytest.raises(Conflict, match="r1 is held already"):
        stand.ask("hold")
    assert len(stand.records.all(Override)) == 1


@pytest.mark.parametrize("kind", ["promote", "skip"])
def test_nobody_gives_more_traffic_to_a_version_whose_folder_was_changed(kind: str) -> None:
    stand = Stand(damage=lambda version: f"model.onnx of {version} has changed since it was sealed.")
    stand.ask("approve", step=ladder.step(1.0))
    before = stand.records.entries()
    with pytest.raises(SpecError, match=r"not what was judged: model\.onnx of new has changed"):
        stand.ask(kind)
    assert stand.records.entries() == before
