"""The moves of an A/B: written over what they were decided on, and the rows of arms that ended are read on."""

from __future__ import annotations

import pytest

from lockgate.decide import ab
from lockgate.decide.rollout import Decision
from lockgate.errors import Conflict, SpecError
from lockgate.records import AbSpec, BudgetSpec, Move, Rollout, RolloutSpec, RolloutState, Routing, Spend, Step
from lockgate.release.controller import Controller
from lockgate.release.overriding import Asked, Overriding
from lockgate.store.memory import MemoryBoard, MemoryRecords

FIRST = Routing(model="m", revision=1, champion="v0", baseline="base", constant=0.2, unit="tail")
SPEC = AbSpec(metric="conversion", share=(0.3,))


class Stand:
    """A controller over records and a board in memory, with a champion, and an A/B of two that has begun."""

    def __init__(self) -> None:
        self.records = MemoryRecords()
        self.controller = Controller("m", self.records, MemoryBoard())
        self.controller.install(FIRST, [], event_s=0, now_s=0)

    def start(self, name: str = "r1", *versions: str, **more: object) -> Move:
        arms = ab.arms(versions or ("v1", "v2"), SPEC)
        rollout = Rollout(
            id=name,
            model="m",
            champion=self.controller.routing.champion,
            challenger=arms[0].version,
            spec=RolloutSpec(),
            steps=(Step(name="A/B", kind="share", share=ab.share_of(arms)),),
            at=0,
            state=RolloutState.RUNNING,
            started_s=10,
            stepped_s=10,
            deadline_s=1000,
            not_worse_by=0,
            kind="ab",
            arms=arms,
            ab=SPEC,
        )
        return self.controller.start(rollout, event_s=10, now_s=11, by="ann", **more)  # type: ignore[arg-type]

    def make(self, kind: str, version: str) -> Move:
        decision = Decision(kind=kind, to_step=0, verdicts=(), reason="Told so.", version=version)  # type: ignore[arg-type]
        return self.controller.make(self.controller.needed(), decision, event_s=20, now_s=21)

    @property
    def routing(self) -> Routing:
        return self.controller.routing


@pytest.fixture
def stand() -> Stand:
    made = Stand()
    made.start()
    return made


def test_the_rows_of_every_arm_are_read_also_of_one_that_ended(stand: Stand) -> None:
    assert stand.routing.readers == ("v0", "v1", "v2")
    stand.make("end_arm", "v1")
    assert stand.routing.challengers == ("v2",)
    assert (stand.routing.ended, stand.routing.readers) == (("v1",), ("v0", "v2", "v1"))
    assert stand.routing.versions == ("v0", "v2", "base")


def test_the_losers_of_an_ab_answer_no_more_and_their_rows_are_read(stand: Stand) -> None:
    move = stand.make("promote", "v2")
    routing = stand.routing
    assert (move.to, routing.champion, routing.previous, routing.arms) == ("v2", "v2", "v0", ())
    assert (routing.ended, routing.readers) == (("v1",), ("v2", "v0", "v1"))


def test_an_abort_takes_every_arm_off_and_the_next_ab_forgets_who_takes_part_again(stand: Stand) -> None:
    stand.controller.abort(by="ann", reason="Enough.", event_s=20, now_s=21)
    assert (stand.routing.challengers, set(stand.routing.readers)) == ((), {"v0", "v1", "v2"})
    stand.start("r2", "v2", "v3")
    assert (stand.routing.challengers, stand.routing.ended) == (("v2", "v3"), ("v1",))
    stand.controller.roll_back(None, by="ann", reason="No.", event_s=30, now_s=31)
    assert (stand.routing.champion, stand.routing.ended) == ("v0", ("v2", "v3"))


def test_an_ab_that_starts_over_another_move_spends_nothing(stand: Stand) -> None:
    old = stand.routing
    stand.controller.abort(by="ann", reason="Enough.", event_s=20, now_s=21)
    draw = Spend(id="s2", model="m", gate="A/B", alpha=0.05, at_s=10, written_s=11, by="ann", rollout="r2")
    with pytest.raises(Conflict, match="nothing was spent"):
        stand.start("r2", before=old, spends=[draw], budget=BudgetSpec())
    assert stand.records.all(Spend) == []
    assert stand.controller.running is None


def test_a_move_over_another_is_no_move(stand: Stand) -> None:
    seen = stand.controller.needed()
    stand.make("end_arm", "v1")
    late = Decision(kind="promote", to_step=0, verdicts=(), reason="Late.", version="v1")
    with pytest.raises(Conflict):
        stand.controller.make(seen, late, event_s=20, now_s=21)
    assert stand.routing.champion == "v0"


def test_a_person_promotes_one_of_several_unless_its_folder_was_changed(stand: Stand) -> None:
    asked = Asked(kind="promote", by="ann", reason="I know it.", event_s=20, now_s=21, version="v2")
    damaged = Controller("m", stand.records, MemoryBoard(), damage=lambda version: f"{version} was changed.")
    with pytest.raises(SpecError, match="v2 was changed"):
        Overriding(damaged, stand.records, BudgetSpec()).moved(asked)
    move = Overriding(stand.controller, stand.records, BudgetSpec()).moved(asked)
    assert isinstance(move, Move)
    assert (move.kind, move.to, stand.routing.champion) == ("promote", "v2", "v2")
    assert len(move.overrides) == 1
