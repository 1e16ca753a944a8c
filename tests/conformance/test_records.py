"""The kit of the records and their ledger: all or none, written once, one chain whoever writes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from lockgate.errors import Conflict, StoreError
from lockgate.records import (
    Alarm,
    Block,
    Dataset,
    DatasetRef,
    Entry,
    Evidence,
    Gate,
    Health,
    Move,
    PairBlock,
    Routing,
    Ruling,
    Verdict,
    decode,
)
from lockgate.records.entry import GENESIS, link
from lockgate.store.memory import MemoryRecords
from lockgate.store.ports import Kept, Records
from lockgate.store.sql import SqlRecords
from lockgate.store.sql_tables import connect_file

ADAPTERS: dict[str, Callable[[Path], Records]] = {
    "memory": lambda _: MemoryRecords(),
    "sqlite": lambda folder: SqlRecords(connect_file(folder / "new" / "lockgate.db")),
}


@pytest.fixture(params=ADAPTERS)
def records(request: pytest.FixtureRequest, tmp_path: Path) -> Records:
    return ADAPTERS[request.param](tmp_path)


def verdict(name: str, *, model: str = "m", sentence: str = "It is so.") -> Verdict:
    gate = Gate(
        name="worth", question="worth", claim="better", measure="m", method="m", margin=0, alpha=0.05, guarantee="exact"
    )
    return Verdict(
        id=name,
        model=model,
        ruling=Ruling.PASS,
        gate=gate,
        evidence=Evidence(path=(0.1, -2.5e-7), detail={"ü": 1.0}),
        subject=("new",),
        sentence=sentence,
        at_s=1,
        written_s=2,
    )


def move(name: str, revision: int = 1) -> Move:
    return Move(
        id=name,
        model="m",
        kind="advance",
        to="new",
        share=0.25,
        revision=revision,
        verdicts=(),
        reason="✈",
        at_s=1,
        written_s=2,
    )


def alarm(name: str) -> Alarm:
    return Alarm(
        id=name, model="m", cause="drift", severity="note", sentence="s", next="n", verdict="v", at_s=1, written_s=2
    )


def routing(revision: int, model: str = "m") -> Routing:
    return Routing(model=model, revision=revision, champion="old", baseline=None, constant=0.2)


def block(start_s: float, model: str = "m", loss: float = 1.0) -> Block:
    return Block(
        model=model,
        start_s=start_s,
        end_s=start_s + 86400,
        champion="old",
        calls=3,
        labelled=2,
        scored=2,
        loss=loss,
        base_loss=1.0,
        outcome_sum=1,
        failures=0,
    )


def health() -> Health:
    return Health(
        model="m",
        until_s=1,
        seen_s=1,
        calls={"v": 1},
        fallback_rate=0,
        p99_ms=1,
        outcome_lag_s=None,
        waiting=0,
        unknown_outcomes=0,
    )


def assert_chained(entries: list[Entry]) -> None:
    previous = GENESIS
    for number, entry in enumerate(entries, start=1):
        assert (entry.number, entry.previous) == (number, previous)
        assert entry.digest == link(previous, number, entry.kind, entry.subject, entry.body)
        previous = entry.digest


def test_every_kind_comes_back_as_it_was_written(records: Records) -> None:
    pair = PairBlock(
        model="m",
        rollout="r",
        start_s=0,
        end_s=1,
        champion="a",
        challenger="b",
        scored=1,
        champion_loss=0.1,
        challenger_loss=0.2,
        cells=(),
    )
    table = Dataset(
        ref=DatasetRef(table="t", version=0, digest="d" * 64),
        model="m",
        rows=1,
        quarantined={"r": 2},
        contract="c",
        since_s=None,
        until_s=None,
        written_s=1,
    )
    written: list[Kept] = [verdict("v1"), move("m1"), alarm("a1"), routing(1), block(0), pair, table, health()]
    records.write(*written)
    for record in written:
        assert records.all(type(record)) == [record]  # type: ignore[type-var]
        assert records.count(type(record), "m") == 1  # type: ignore[type-var]
    assert records.get(Verdict, "v1") == verdict("v1")
    assert records.get(Routing, "m") == routing(1)
    assert records.get(Block, "m/0") == block(0)


def test_an_unknown_key_and_an_empty_kind_are_nothing(records: Records) -> None:
    assert records.get(Verdict, "nobody") is None
    assert records.all(Verdict) == []
    assert records.count(Verdict, "m") == 0
    assert records.entries() == []


def test_one_key_may_name_a_verdict_and_a_move(records: Records) -> None:
    records.write(verdict("same"), move("same"))
    assert records.get(Verdict, "same") == verdict("same")
    assert records.get(Move, "same") == move("same")


def test_records_come_in_the_order_written_and_by_model(records: Records) -> None:
    records.write(verdict("v2"), verdict("v1", model="other"))
    records.write(verdict("v0"))
    assert [v.id for v in records.all(Verdict)] == ["v2", "v1", "v0"]
    assert [v.id for v in records.all(Verdict, "m")] == ["v2", "v0"]
    assert records.count(Verdict, "other") == 1


def test_a_routing_is_replaced_and_leaves_no_link(records: Records) -> None:
    records.write(routing(1))
    records.write(routing(2), routing(1, model="other"))
    records.write(routing(3))
    assert records.all(Routing) == [routing(3), routing(1, model="other")]
    assert records.entries() == []


def test_the_same_again_is_nothing_also_within_one_write(records: Records) -> None:
    records.write(verdict("v1"), verdict("v1"))
    records.write(verdict("v1"))
    assert records.all(Verdict) == [verdict("v1")]
    assert len(records.entries()) == 1


@pytest.mark.parametrize("again", [verdict("v1", sentence="It is not."), block(0, loss=2.0)])
def test_another_record_under_a_written_key_is_a_conflict(records: Records, again: Kept) -> None:
    records.write(verdict("v1"), block(0))
    with pytest.raises(Conflict, match="written once"):
        records.write(again)
    assert records.get(Verdict, "v1") == verdict("v1")
    assert records.get(Block, "m/0") == block(0)


def test_two_under_one_key_in_one_write_are_a_conflict_too(records: Records) -> None:
    with pytest.raises(Conflict):
        records.write(verdict("v1"), verdict("v1", sentence="It is not."))
    assert records.all(Verdict) == []


def test_a_conflict_keeps_nothing_of_its_write(records: Records) -> None:
    records.write(verdict("v1"), routing(1))
    before = records.entries()
    with pytest.raises(Conflict):
        records.write(move("m1"), routing(2), block(0), verdict("v1", sentence="It is not."), verdict("v2"))
    assert records.entries() == before
    assert records.get(Routing, "m") == routing(1)
    assert records.all(Move) == []
    assert records.all(Block) == []
    assert [v.id for v in records.all(Verdict)] == ["v1"]
    records.write(move("m1"), routing(2))
    assert_chained(records.entries())


def test_the_ledger_chains_verdicts_moves_and_alarms_alone(records: Records) -> None:
    records.write(verdict("v1"), block(0), move("m1"), routing(1))
    records.write(health(), alarm("a1"))
    found = records.entries()
    assert [(e.kind, e.subject) for e in found] == [("verdict", "v1"), ("move", "m1"), ("alarm", "a1")]
    assert decode(Move, found[1].body) == move("m1")
    assert {e.written_s for e in found} == {2}
    assert_chained(found)


def test_the_ledger_is_read_on_from_any_number(records: Records) -> None:
    records.write(*(move(f"m{number}") for number in range(5)))
    assert [e.number for e in records.entries(after=3)] == [4, 5]
    assert records.entries(after=5) == []


def test_a_ledger_whose_entry_was_changed_no_longer_verifies(records: Records) -> None:
    records.write(*(move(f"m{number}") for number in range(3)))
    entries = records.entries()
    forged = msgspec.structs.replace(entries[1], body=entries[1].body.replace("0.25", "0.5"))
    with pytest.raises(AssertionError):
        assert_chained([entries[0], forged, entries[2]])


WRITE = """
import sys
from pathlib import Path
from lockgate.records import Move
from lockgate.store.sql import SqlRecords
from lockgate.store.sql_tables import connect_file
records = SqlRecords(connect_file(Path(sys.argv[1])))
for number in range(25):
    records.write(Move(id=f"{sys.argv[2]}{number}", model="m", kind="advance", to="new", share=0.25, revision=number,
                       verdicts=(), reason="", at_s=1, written_s=2))
"""


def test_two_processes_keep_one_chain(tmp_path: Path) -> None:
    """Also while both make the file: neither may lose a write, or link to a link that the other has followed."""
    path = tmp_path / "lockgate.db"
    argv = [sys.executable, "-c", WRITE, str(path)]
    env = {"PYTHONPATH": ":".join(sys.path)}
    running = [subprocess.Popen([*argv, name], env=env, stderr=subprocess.PIPE, text=True) for name in "ab"]
    errors = [process.communicate(timeout=60)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0], errors
    found = SqlRecords(connect_file(path)).entries()
    assert_chained(found)
    for name in "ab":
        assert [e.subject for e in found if e.subject[0] == name] == [f"{name}{number}" for number in range(25)]


def test_threads_of_one_process_keep_one_chain(tmp_path: Path) -> None:
    records = SqlRecords(connect_file(tmp_path / "lockgate.db"))

    def write(name: str) -> None:
        for number in range(15):
            records.write(move(f"{name}{number}"), routing(number))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, "abcd"))
    assert_chained(records.entries())
    assert len(records.entries()) == len(records.all(Move)) == 60


def test_of_two_that_write_one_key_at_once_one_wins_and_one_is_told(tmp_path: Path) -> None:
    records = SqlRecords(connect_file(tmp_path / "lockgate.db"))

    def write(sentence: str) -> bool:
        try:
            records.write(verdict("v1", sentence=sentence))
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(write, ("It is so.", "It is not."))) == [False, True]
    assert len(records.entries()) == 1


def test_one_reading_of_many_sees_what_is_written_meanwhile(records: Records) -> None:
    records.write(routing(1), move("first"))
    with records.reading():
        assert records.get(Routing, "m") == routing(1)
        with records.reading():
            assert records.count(Move, "m") == 1
        with ThreadPoolExecutor(1) as other:  # who is not inside reads as ever
            other.submit(records.write, routing(2), move("second", 2)).result()
            assert other.submit(records.get, Routing, "m").result() == routing(2)
        assert records.get(Routing, "m") == routing(2)
        records.write(routing(3))
        assert records.get(Routing, "m") == routing(3)
        assert [one.id for one in records.all(Move)] == ["first", "second"]
    assert records.get(Routing, "m") == routing(3)


def test_a_reading_that_failed_leaves_the_next_whole(tmp_path: Path) -> None:
    path = tmp_path / "lockgate.db"
    records, other = SqlRecords(connect_file(path)), connect_file(path)
    records.write(routing(1))
    with records.reading():
        with other.connect() as db:
            db.exec_driver_sql("ALTER TABLE record RENAME TO gone")
            db.commit()
        with pytest.raises(StoreError, match="no such table"):
            records.get(Routing, "m")
        with other.connect() as db:
            db.exec_driver_sql("ALTER TABLE gone RENAME TO record")
            db.commit()
        assert records.get(Routing, "m") == routing(1)


def test_a_database_opened_again_goes_on_with_its_chain(tmp_path: Path) -> None:
    for name in ("m1", "m2"):
        SqlRecords(connect_file(tmp_path / "lockgate.db")).write(move(name))
    found = SqlRecords(connect_file(tmp_path / "lockgate.db")).entries()
    assert [e.subject for e in found] == ["m1", "m2"]
    assert_chained(found)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "lockgate.db").write_text("These are not the bytes of a database, and there are many of them." * 50)
    with pytest.raises(StoreError, match=r"lockgate\.db cannot be opened"):
        connect_file(tmp_path / "lockgate.db")
