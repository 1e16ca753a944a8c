"""The controller: one move per verdict, the records first, the board after, and any tick may be the last before a crash."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import pytest

from lockgate.decide import ladder
from lockgate.errors import Conflict, NotFound, SpecError
from lockgate.records import (
    Evidence,
    Gate,
    Move,
    Rollout,
    RolloutSpec,
    RolloutState,
    Routing,
    Ruling,
    Verdict,
)
from lockgate.release.controller import JUST_S, Controller
from lockgate.store.memory import MemoryBoard, MemoryRecords
from lockgate.store.ports import Replaced, Written

FIRST = Routing(model="m", revision=1, champion="old", baseline="base", constant=0.2, unit="tail")
SPEC = RolloutSpec(ladder=("shadow", 0.25, 1.0))


class Stand:
    """A controller over records and a board in memory, with a champion installed and time that goes on."""

    def __init__(self) -> None:
        self.records, self.board = MemoryRecords(), MemoryBoard()
        self.controller = Controller("m", self.records, self.board)
        self.controller.install(FIRST, [], event_s=0, now_s=0)

    def start(self, **more: object) -> Rollout:
        known = {"spec": SPEC, "steps": ladder.steps(SPEC), "deadline_s": 1000.0} | more
        rollout = Rollout(
            id="r1",
            model="m",
            champion="old",
            challenger="new",
            at=0,
            state=RolloutState.RUNNING,
            started_s=10,
            stepped_s=10,
            not_worse_by=0.002,
            **known,  # type: ignore[arg-type]
        )
        self.controller.start(rollout, event_s=10, now_s=11, by="ann")
        return rollout

    def rule(self, name: str, ruling: Ruling, *, at_s: float = 20, rollout: str | None = "r1") -> None:
        gate = Gate(
            name=name, question="harm", claim="safe", measure="m", method="m", margin=0, alpha=0.01, guarantee="exact"
        )
        self.records.write(
            Verdict(
                id=f"v {name} {ruling} {at_s} {rollout}",
                model="m",
                ruling=ruling,
                gate=gate,
                evidence=Evidence(),
                subject=("new", "old"),
                sentence=f"{name} is {ruling}.",
                at_s=at_s,
                written_s=at_s,
                rollout=rollout,
            )
        )

    def tick(self, event_s: float = 30) -> Move | None:
        return self.controller.tick(event_s=event_s, now_s=event_s)

    @property
    def routing(self) -> Routing:
        """What workers see; it must be what the records say."""
        found = self.board.read("m")
        assert found is not None
        assert found == self.records.get(Routing, "m")
        return found

    @property
    def rollout(self) -> Rollout:
        return self.records.all(Rollout, "m")[-1]


@pytest.fixture
def stand() -> Stand:
    return Stand()


@pytest.fixture
def sharing(stand: Stand) -> Stand:
    """At the step of 25 %."""
    stand.start()
    stand.rule("safe at shadow", Ruling.PASS)
    stand.tick()
    return stand


def test_the_first_champion_takes_all_traffic_and_is_installed_once(stand: Stand) -> None:
    assert stand.routing == FIRST
    assert [move.kind for move in stand.records.all(Move)] == ["install"]
    with pytest.raises(Conflict, match="has a champion already"):
        stand.controller.install(FIRST, [], event_s=1, now_s=1)


def test_a_model_without_a_champion_says_what_to_do() -> None:
    with pytest.raises(NotFound, match=r"no champion yet\. Train a version"):
        _ = Controller("m", MemoryRecords(), MemoryBoard()).routing


def test_a_tick_without_anything_is_no_move() -> None:
    assert Controller("m", MemoryRecords(), MemoryBoard()).tick(event_s=0, now_s=0) is None


def test_a_start_shadows_and_moves_no_traffic(stand: Stand) -> None:
    stand.start()
    assert (stand.routing.challenger, stand.routing.share, stand.routing.shadow) == ("new", 0.0, True)
    assert (stand.routing.champion, stand.routing.salt, stand.routing.revision) == ("old", "r1", 2)


def test_without_evidence_it_stays_where_it_is(stand: Stand) -> None:
    stand.start()
    before = stand.routing
    assert stand.tick() is None
    assert stand.routing == before


def test_a_safe_step_unlocks_the_next_and_the_move_names_its_verdict(sharing: Stand) -> None:
    move = sharing.records.all(Move)[-1]
    assert (move.kind, move.to, move.share) == ("advance", "new", 0.25)
    assert move.verdicts == ("v safe at shadow pass 20 r1",)
    assert (sharing.routing.share, sharing.routing.shadow, sharing.routing.salt) == (0.25, True, "r1")
    assert (sharing.rollout.at, sharing.rollout.stepped_s) == (1, 30)


def test_a_repeated_tick_makes_no_second_move(sharing: Stand) -> None:
    entries, routing = sharing.records.entries(), sharing.routing
    assert [sharing.tick(event_s) for event_s in (30, 30, 31)] == [None, None, None]
    assert sharing.records.entries() == entries
    assert sharing.routing == routing


def test_safe_alone_never_promotes(sharing: Stand) -> None:
    sharing.rule("safe at 25%", Ruling.PASS)
    assert sharing.tick() is None
    sharing.rule("worth", Ruling.UNDECIDED)
    assert sharing.tick() is None
    assert sharing.routing.share == 0.25


def test_worth_alone_never_promotes_a_step_not_shown_safe(sharing: Stand) -> None:
    sharing.rule("worth", Ruling.PASS)
    assert sharing.tick() is None


def test_worth_and_safety_promote_and_the_old_champion_is_kept_loaded(sharing: Stand) -> None:
    sharing.rule("worth", Ruling.UNDECIDED)
    sharing.rule("safe at 25%", Ruling.PASS)
    sharing.rule("worth", Ruling.PASS, at_s=40)
    move = sharing.tick()
    assert move is not None
    assert (move.kind, move.to, move.share) == ("promote", "new", 1.0)
    assert (sharing.routing.champion, sharing.routing.previous, sharing.routing.challenger) == ("new", "old", None)
    assert (sharing.routing.share, sharing.routing.shadow) == (0.0, False)
    assert (sharing.rollout.state, sharing.rollout.ended_s) == (RolloutState.PROMOTED, 30)
    assert sharing.tick() is None


def test_harm_rolls_back_even_beside_all_that_would_promote(sharing: Stand) -> None:
    for name in ("worth", "safe at 25%"):
        sharing.rule(name, Ruling.PASS)
    sharing.rule("guardrail failures", Ruling.FAIL)
    move = sharing.tick()
    assert move is not None
    assert (move.kind, move.to, move.reason) == ("roll_back", "old", "guardrail failures is fail.")
    assert (sharing.routing.champion, sharing.routing.challenger, sharing.routing.share) == ("old", None, 0.0)
    assert sharing.rollout.state is RolloutState.ROLLED_BACK
    assert sharing.tick() is None


def test_verdicts_of_another_rollout_move_nothing(sharing: Stand) -> None:
    sharing.rule("guardrail failures", Ruling.FAIL, rollout="r0")
    sharing.rule("safe at 25%", Ruling.PASS, rollout="r0")
    sharing.rule("degradation", Ruling.FAIL, rollout=None)
    assert sharing.tick() is None


def test_the_deadline_gives_the_traffic_back(sharing: Stand) -> None:
    sharing.rule("worth", Ruling.UNDECIDED)
    assert sharing.tick(999.9) is None
    move = sharing.tick(1000.0)
    assert move is not None
    assert (move.kind, move.to) == ("undecided", "old")
    assert sharing.rollout.state is RolloutState.UNDECIDED
    assert (sharing.routing.champion, sharing.routing.challenger) == ("old", None)


def test_a_replay_waits_until_it_is_marked_and_does_not_shadow(stand: Stand) -> None:
    spec = RolloutSpec(ladder=("replay", "shadow", 1.0))
    rollout = stand.start(spec=spec, steps=ladder.steps(spec))
    assert not stand.routing.shadow
    assert stand.tick() is None
    stand.controller.mark_replayed(rollout)
    move = stand.tick()
    assert move is not None
    assert (move.kind, stand.routing.shadow, stand.routing.share) == ("advance", True, 0.0)


def test_an_abort_names_who_and_why_and_needs_a_rollout(sharing: Stand) -> None:
    move = sharing.controller.abort(by="ann", reason="Enough.", event_s=50, now_s=50)
    assert (move.kind, move.by, move.reason, move.verdicts) == ("abort", "ann", "Enough.", ())
    assert sharing.rollout.state is RolloutState.ABORTED
    assert sharing.routing.challenger is None
    with pytest.raises(NotFound, match="No rollout of m"):
        sharing.controller.abort(by="ann", reason="Again.", event_s=51, now_s=51)


def test_a_person_rolls_a_running_rollout_back_to_its_champion(sharing: Stand) -> None:
    with pytest.raises(Conflict, match="r1 is under way"):
        sharing.controller.roll_back("ancient", by="ann", reason="", event_s=50, now_s=50)
    sharing.controller.roll_back(None, by="ann", reason="Complaints.", event_s=50, now_s=50)
    assert sharing.rollout.state is RolloutState.ROLLED_BACK
    assert sharing.routing.champion == "old"


def test_a_person_rolls_a_promotion_back_and_forth(sharing: Stand) -> None:
    for name in ("worth", "safe at 25%"):
        sharing.rule(name, Ruling.PASS)
    sharing.tick()
    sharing.controller.roll_back(None, by="ann", reason="Complaints.", event_s=50, now_s=50)
    assert (sharing.routing.champion, sharing.routing.previous) == ("old", "new")
    sharing.controller.roll_back("new", by="ann", reason="They were wrong.", event_s=60, now_s=60)
    assert (sharing.routing.champion, sharing.routing.previous) == ("new", "old")


@pytest.mark.parametrize("names_it", [True, False], ids=["by its name", "ten minutes later"])
def test_a_person_who_comes_second_to_the_loop_does_not_take_the_champion_off(stand: Stand, names_it: bool) -> None:
    """An earlier champion is there, and would get the traffic; ten minutes later, or by its name, it does."""
    stand.start()
    for name in ("safe at shadow", "worth", "safe at 25%"):
        stand.rule(name, Ruling.PASS)
    while stand.tick() is not None:
        pass
    second = msgspec.structs.replace(stand.rollout, id="r2", champion="new", challenger="newer", at=0)
    second = msgspec.structs.replace(second, state=RolloutState.RUNNING, looked=False, replayed=False)
    stand.controller.start(second, event_s=40, now_s=40, by="ann")
    stand.rule("guardrail failures", Ruling.FAIL, rollout="r2")
    assert stand.tick(50) is not None
    assert (stand.routing.champion, stand.routing.previous) == ("new", "old")
    with pytest.raises(Conflict, match=r"r2 was ended by Lockgate 20 s ago.*--to VERSION"):
        stand.controller.roll_back(None, by="ann", reason="Complaints.", event_s=60, now_s=70)
    assert stand.routing.champion == "new"
    if names_it:
        stand.controller.roll_back("old", by="ann", reason="That one too.", event_s=60, now_s=80)
    else:
        stand.controller.roll_back(None, by="ann", reason="That one too.", event_s=60, now_s=50 + JUST_S)
    assert stand.routing.champion == "old"


def test_a_promotion_is_no_end_that_hinders_a_rollback(sharing: Stand) -> None:
    for name in ("worth", "safe at 25%"):
        sharing.rule(name, Ruling.PASS)
    sharing.tick(30)
    sharing.controller.roll_back(None, by="ann", reason="Complaints.", event_s=31, now_s=31)
    assert sharing.routing.champion == "old"


def test_what_was_rolled_back_is_remembered_for_its_rows_until_it_is_champion(sharing: Stand) -> None:
    sharing.controller.roll_back(None, by="ann", reason="asked", event_s=30, now_s=31)
    routing = sharing.controller.routing
    assert (routing.champion, routing.challenger, routing.withdrawn) == ("old", None, "new")
    assert routing.readers == ("old", "new")
    assert "new" not in routing.versions
    sharing.controller.roll_back("new", by="ann", reason="it was right", event_s=40, now_s=41)
    routing = sharing.controller.routing
    assert (routing.champion, routing.previous, routing.withdrawn) == ("new", "old", "old")


def test_there_is_nothing_to_roll_back_to_before_the_first_promotion(stand: Stand) -> None:
    for target in (None, "old"):
        with pytest.raises(SpecError, match="no earlier champion"):
            stand.controller.roll_back(target, by="ann", reason="", event_s=1, now_s=1)


def test_a_crash_between_records_and_board_is_mended_by_the_next_tick(sharing: Stand) -> None:
    """The records moved on and the process died before the board was written."""
    sharing.rule("guardrail failures", Ruling.FAIL)
    Controller("m", sharing.records, MemoryBoard()).tick(event_s=30, now_s=30)
    stale = sharing.board.read("m")
    assert stale is not None
    assert stale.challenger == "new"
    entries = sharing.records.entries()
    assert sharing.tick() is None
    assert sharing.routing.challenger is None
    assert sharing.records.entries() == entries


def test_a_lost_board_is_written_again(sharing: Stand) -> None:
    fresh = MemoryBoard()
    Controller("m", sharing.records, fresh).tick(event_s=30, now_s=30)
    assert fresh.read("m") == sharing.routing


def test_every_move_raises_the_revision_by_one_and_is_in_the_ledger(sharing: Stand) -> None:
    sharing.rule("guardrail failures", Ruling.FAIL)
    sharing.tick()
    moves = sharing.records.all(Move)
    assert [(move.kind, move.revision) for move in moves] == [
        ("install", 1),
        ("start", 2),
        ("advance", 3),
        ("roll_back", 4),
    ]
    assert [e.subject for e in sharing.records.entries() if e.kind == "move"] == [move.id for move in moves]
    assert sharing.routing.revision == 4


class Raced(MemoryRecords):
    """What somebody else does between the look and the writing is done just before the next write."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], object] | None = None

    def write(self, *records: Written, over: Sequence[Replaced] = ()) -> None:
        act, self.meanwhile = self.meanwhile, None
        if act is not None:
            act()
        super().write(*records, over=over)


@pytest.fixture
def raced() -> Stand:
    """At the step of 25 %, with records in which the other one is quicker."""
    stand = Stand()
    stand.records = Raced()
    stand.controller = Controller("m", stand.records, stand.board)
    stand.controller.install(FIRST, [], event_s=0, now_s=0)
    stand.start()
    stand.rule("safe at shadow", Ruling.PASS)
    stand.tick()
    return stand


def kinds(stand: Stand) -> list[str]:
    return [move.kind for move in stand.records.all(Move)]


def test_of_two_leaders_that_act_on_one_state_one_moves(raced: Stand) -> None:
    raced.rule("guardrail failures", Ruling.FAIL)
    other = Controller("m", raced.records, raced.board)
    raced.records.meanwhile = lambda: other.tick(event_s=30, now_s=31)
    assert raced.tick(event_s=30) is None, "the other moved"
    assert kinds(raced) == ["install", "start", "advance", "roll_back"]
    assert raced.records.all(Move)[-1].written_s == 31
    assert raced.routing.revision == 4


def test_a_promotion_and_a_persons_rollback_at_one_moment_are_one_move_after_the_other(raced: Stand) -> None:
    """The loop was about to promote when a person rolled back: nothing is promoted at all."""
    for name in ("worth", "safe at 25%"):
        raced.rule(name, Ruling.PASS)
    raced.records.meanwhile = lambda: Controller("m", raced.records, raced.board).roll_back(
        None, by="ann", reason="Complaints.", event_s=30, now_s=31
    )
    assert raced.tick(event_s=30) is None
    assert kinds(raced) == ["install", "start", "advance", "roll_back"]
    assert (raced.routing.champion, raced.rollout.state) == ("old", RolloutState.ROLLED_BACK)


def test_a_person_who_rolls_back_what_was_just_promoted_gets_the_old_champion(raced: Stand) -> None:
    for name in ("worth", "safe at 25%"):
        raced.rule(name, Ruling.PASS)
    raced.records.meanwhile = lambda: Controller("m", raced.records, raced.board).tick(event_s=30, now_s=31)
    raced.controller.roll_back(None, by="ann", reason="Complaints.", event_s=30, now_s=32)
    assert kinds(raced) == ["install", "start", "advance", "promote", "roll_back"]
    assert (raced.routing.champion, raced.routing.previous) == ("old", "new")


def test_a_person_who_rolls_back_what_harm_has_just_ended_takes_nothing_else_off(raced: Stand) -> None:
    raced.rule("guardrail failures", Ruling.FAIL)
    raced.records.meanwhile = lambda: Controller("m", raced.records, raced.board).tick(event_s=30, now_s=31)
    with pytest.raises(Conflict, match="ended at the same moment, and its champion has the traffic"):
        raced.controller.roll_back(None, by="ann", reason="Complaints.", event_s=30, now_s=32)
    assert kinds(raced) == ["install", "start", "advance", "roll_back"]
    assert raced.routing.champion == "old"


def test_an_abort_that_comes_second_finds_no_rollout(raced: Stand) -> None:
    raced.rule("guardrail failures", Ruling.FAIL)
    raced.records.meanwhile = lambda: Controller("m", raced.records, raced.board).tick(event_s=30, now_s=31)
    with pytest.raises(NotFound, match="No rollout of m is under way"):
        raced.controller.abort(by="ann", reason="Enough.", event_s=30, now_s=32)


def test_a_mark_of_a_rollout_that_ended_meanwhile_brings_it_not_back(raced: Stand) -> None:
    rollout = raced.rollout
    raced.controller.abort(by="ann", reason="Enough.", event_s=30, now_s=32)
    for mark in (raced.controller.mark_replayed, raced.controller.mark_looked):
        with pytest.raises(Conflict, match="changed meanwhile"):
            mark(rollout)
    assert raced.rollout.state is RolloutState.ABORTED


def test_of_two_first_champions_at_once_one_is_installed() -> None:
    records, board = Raced(), MemoryBoard()
    other = msgspec.structs.replace(FIRST, champion="rival")
    records.meanwhile = lambda: Controller("m", records, board).install(other, [], event_s=0, now_s=1)
    with pytest.raises(Conflict, match="another champion at the same moment"):
        Controller("m", records, board).install(FIRST, [], event_s=0, now_s=0)
    assert records.get(Routing, "m") == other
    assert len(records.entries()) == 1


def test_a_conflict_that_is_no_race_is_not_hidden(raced: Stand) -> None:
    """Revision 3 came out of a backup: the move to 4 is in the ledger already, and nobody moves now."""
    before = raced.routing, raced.rollout
    raced.rule("guardrail failures", Ruling.FAIL)
    raced.tick(event_s=30)
    raced.records.write(*before)
    with pytest.raises(Conflict, match="written once"):
        raced.tick(event_s=31)


def test_a_challenger_whose_folder_was_changed_gets_no_more_traffic(sharing: Stand) -> None:
    for name in ("worth", "safe at 25%"):
        sharing.rule(name, Ruling.PASS)
    damaged = Controller("m", sharing.records, sharing.board, damage=lambda version: f"{version}/model is missing.")
    move = damaged.tick(event_s=30, now_s=30)
    assert move is not None
    assert (move.kind, move.to, move.verdicts) == ("abort", "old", ())
    assert move.reason == "The challenger is not what was judged: new/model is missing. The champion keeps the traffic."
    assert (sharing.routing.champion, sharing.routing.challenger) == ("old", None)
