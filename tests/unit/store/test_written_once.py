"""What is written once is kept decoded, and what another process adds is seen all the same."""

from __future__ import annotations

from pathlib import Path

from lockgate.records import Move, Rollout, RolloutSpec, RolloutState
from lockgate.store.sql import SqlRecords
from lockgate.store.sql_tables import connect_file


def move(number: int, model: str = "m") -> Move:
    return Move(
        id=f"{model}{number}",
        model=model,
        kind="advance",
        to="new",
        share=0.5,
        revision=number,
        verdicts=(),
        reason="",
        at_s=0.0,
        written_s=0.0,
    )


def ids(records: SqlRecords, model: str = "m") -> list[str]:
    return [one.id for one in records.all(Move, model)]


def test_what_another_process_adds_is_seen_in_the_order_of_the_commits(tmp_path: Path) -> None:
    ours, theirs = (SqlRecords(connect_file(tmp_path / "lockgate.db")) for _ in range(2))
    for number in range(6):
        (ours if number % 2 else theirs).write(move(number), move(number, "other"))
        assert ids(ours) == ids(theirs) == [f"m{n}" for n in range(number + 1)]
    assert ids(ours, "other") == [f"other{n}" for n in range(6)]
    assert ids(ours, "nobody") == []


def test_the_list_is_the_callers_own_and_the_record_is_decoded_once(tmp_path: Path) -> None:
    records = SqlRecords(connect_file(tmp_path / "lockgate.db"))
    records.write(move(1))
    first = records.all(Move, "m")
    first.clear()
    again, once_more = records.all(Move, "m"), records.all(Move, "m")
    assert again == [move(1)]
    assert again[0] is once_more[0]


def test_what_may_be_replaced_is_read_anew(tmp_path: Path) -> None:
    ours, theirs = (SqlRecords(connect_file(tmp_path / "lockgate.db")) for _ in range(2))
    for state in (RolloutState.RUNNING, RolloutState.ABORTED):
        known = {"champion": "old", "challenger": "new", "spec": RolloutSpec(), "steps": (), "not_worse_by": 0.0}
        theirs.write(
            Rollout(id="r1", model="m", at=0, state=state, started_s=0.0, stepped_s=0.0, deadline_s=1.0, **known)
        )
        assert [one.state for one in ours.all(Rollout, "m")] == [state]
