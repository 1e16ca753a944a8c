"""The ledger, held to itself: the first entry that was changed, removed or put in is named, in a file and in a workspace."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from lockgate.errors import NotFound, SpecError, StoreError
from lockgate.records import Entry, Evidence, Gate, Move, Override, Ruling, Verdict, encode
from lockgate.records.entry import GENESIS, link
from lockgate.report import ledger
from lockgate.store import ledger_file
from lockgate.store.memory import MemoryRecords
from lockgate.store.ports import Records
from lockgate.store.sql import SqlRecords
from lockgate.store.sql_tables import connect_file

GATE = Gate(name="g", question="harm", claim="safe", measure="m", method="m", margin=0, alpha=0.01, guarantee="exact")


def verdict(number: int) -> Verdict:
    return Verdict(
        id=f"v{number}",
        model="m",
        ruling=Ruling.PASS,
        gate=GATE,
        evidence=Evidence(),
        subject=("new",),
        sentence=f"Ünd so weiter: {number}.",
        at_s=number,
        written_s=number,
    )


def move(number: int, *verdicts: str, overrides: tuple[str, ...] = ()) -> Move:
    return Move(
        id=f"m{number}",
        model="m",
        kind="advance",
        to="new",
        share=0.25,
        revision=number,
        verdicts=verdicts,
        reason="It is so.\nReally.",
        at_s=number,
        written_s=number,
        overrides=overrides,
    )


def hold(number: int) -> Override:
    return Override(
        id=f"o{number}",
        model="m",
        rollout="r",
        kind="hold",
        by="ann",
        reason="Fog.",
        step="5%",
        at_s=1,
        written_s=1,
    )


def filled(records: Records) -> list[Entry]:
    for number in range(1, 6):
        records.write(verdict(number), hold(number), move(number, f"v{number}", overrides=(f"o{number}",)))
    return records.entries()


@pytest.fixture
def entries() -> list[Entry]:
    return filled(MemoryRecords())


def made_anew(entry: Entry, **changed: object) -> Entry:
    """The entry changed, and its digest made to fit."""
    new = msgspec.structs.replace(entry, **changed)
    return msgspec.structs.replace(new, digest=link(new.previous, new.number, new.kind, new.subject, new.body))


def sentence(found: ledger.Checked) -> str:
    assert found.broken is not None
    return found.broken.sentence


def test_an_untouched_ledger_holds_and_says_its_last_digest(entries: list[Entry]) -> None:
    assert ledger.verify(entries) == (15, entries[-1].digest, None)
    assert ledger.verify([]) == (0, GENESIS, None)


CHANGES: dict[str, Callable[[Entry], Entry]] = {
    "body": lambda e: msgspec.structs.replace(e, body=e.body.replace("m", "n")),
    "subject": lambda e: msgspec.structs.replace(e, subject="other"),
    "kind": lambda e: msgspec.structs.replace(e, kind="alarm"),
    "digest": lambda e: msgspec.structs.replace(e, digest="0" * 64),
    "previous": lambda e: msgspec.structs.replace(e, previous="1" * 64),
    "number": lambda e: msgspec.structs.replace(e, number=e.number + 1),
}


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("place", range(15))
def test_a_changed_entry_is_named(entries: list[Entry], what: str, place: int) -> None:
    changed = [*entries[:place], CHANGES[what](entries[place]), *entries[place + 1 :]]
    found = ledger.verify(changed)
    assert sentence(found) == f"Entry {changed[place].number} was changed."
    assert found.entries == place


@pytest.mark.parametrize("place", range(14))
def test_an_entry_that_was_changed_with_its_digest_is_named_by_the_one_behind_it(
    entries: list[Entry], place: int
) -> None:
    forged = made_anew(entries[place], body=entries[place].body.replace("It is", "It was").replace("Ü", "U"))
    forged = forged if forged != entries[place] else made_anew(entries[place], body=entries[place].body + " ")
    found = ledger.verify([*entries[:place], forged, *entries[place + 1 :]])
    assert sentence(found).startswith(f"Entry {place + 1} was changed, and its digest with it")


@pytest.mark.parametrize(
    ("cut", "said"),
    [
        (slice(0, 1), "Entry 1 was removed."),
        (slice(0, 3), "Entries 1 to 3 were removed."),
        (slice(6, 7), "Entry 7 was removed."),
        (slice(6, 9), "Entries 7 to 9 were removed."),
    ],
)
def test_entries_that_were_removed_are_named(entries: list[Entry], cut: slice, said: str) -> None:
    kept = [entry for entry in entries if entry not in entries[cut]]
    assert sentence(ledger.verify(kept)) == said


def test_a_cut_end_shows_only_to_who_kept_a_digest(entries: list[Entry]) -> None:
    found = ledger.verify(entries[:-2])
    assert found.broken is None
    assert found.head != entries[-1].digest


@pytest.mark.parametrize("place", [0, 4, 13])
def test_an_entry_that_was_put_in_is_named(entries: list[Entry], place: int) -> None:
    before = entries[place]
    fresh = made_anew(before, subject="v9", body=encode(verdict(9)).decode(), kind="verdict")
    first = sentence(ledger.verify([*entries[:place], fresh, *entries[place:]]))
    assert first == f"An entry was put in: there is another of number {before.number}, the first is not of the chain."
    second = sentence(ledger.verify([*entries[: place + 1], fresh, *entries[place + 1 :]]))
    assert second == f"An entry was put in: there is another of number {before.number}, the second is not of the chain."


def test_two_entries_turned_round_are_noticed(entries: list[Entry]) -> None:
    assert sentence(ledger.verify([*entries[:4], entries[5], entries[4], *entries[6:]])) == "Entry 5 was removed."


def test_a_move_names_what_stands_before_it() -> None:
    for named in (move(1, "v1"), move(1, overrides=("o1",))):
        records = MemoryRecords()
        records.write(named, verdict(1), hold(1))
        assert sentence(ledger.verify(records.entries())).startswith("The move of entry 1 names ")


@pytest.fixture
def kept(tmp_path: Path) -> tuple[SqlRecords, sa.Engine]:
    engine = connect_file(tmp_path / "lockgate.db")
    records = SqlRecords(engine)
    filled(records)
    return records, engine


ALTERED = {
    "a verdict altered in the table alone": (
        "UPDATE record SET body = replace(body, 'pass', 'fail') WHERE key = 'v3'",
        "The verdict v3 of entry 7 was changed beside the ledger.",
    ),
    "a move deleted from the table": (
        "DELETE FROM record WHERE kind = 'Move' AND key = 'm2'",
        "The move m2 of entry 6 is not kept any longer.",
    ),
    "the end of the ledger cut off": (
        "DELETE FROM ledger WHERE number > 13",
        "The move m5 is kept and stands in no entry: one was removed, or it was put in.",
    ),
    "a record put in": (
        "INSERT INTO record (kind, key, model, body) SELECT kind, 'v9', model, body FROM record WHERE key = 'v1'",
        "The verdict v9 is kept and stands in no entry: one was removed, or it was put in.",
    ),
    "an entry changed": (
        "UPDATE ledger SET body = replace(body, 'pass', 'fail') WHERE number = 10",
        "Entry 10 was changed.",
    ),
    "an entry removed": ("DELETE FROM ledger WHERE number = 4", "Entry 4 was removed."),
    "an override altered in the table": (
        "UPDATE record SET body = body || ' ' WHERE key = 'o2'",
        "The override o2 of entry 5 was",
    ),
}


def test_a_workspace_whose_records_are_those_of_its_ledger_holds(kept: tuple[SqlRecords, sa.Engine]) -> None:
    records, _ = kept
    assert ledger.verify_records(records) == ledger.verify(records.entries())
    assert ledger.verify_records(records).broken is None


@pytest.mark.parametrize("what", ALTERED)
def test_what_was_done_behind_its_back_is_named(kept: tuple[SqlRecords, sa.Engine], what: str) -> None:
    records, engine = kept
    statement, said = ALTERED[what]
    with engine.begin() as db:
        assert db.execute(sa.text(statement)).rowcount
    assert sentence(ledger.verify_records(records)).startswith(said)


def test_in_memory_it_is_the_same_check() -> None:
    records = MemoryRecords()
    filled(records)
    assert ledger.verify_records(records).broken is None
    del records._kept[Verdict, "v3"]
    assert sentence(ledger.verify_records(records)) == "The verdict v3 of entry 7 is not kept any longer."


def test_a_ledger_comes_back_from_its_file_entry_for_entry(entries: list[Entry], tmp_path: Path) -> None:
    file = tmp_path / "ledger.jsonl"
    assert ledger_file.export(entries, file) == 15
    assert list(ledger_file.read(file)) == entries
    assert file.read_bytes().count(b"\n") == 15
    assert sorted(tmp_path.iterdir()) == [file]


def test_an_export_that_fails_leaves_the_file_that_was_there(entries: list[Entry], tmp_path: Path) -> None:
    file = tmp_path / "ledger.jsonl"
    ledger_file.export(entries[:3], file)

    def fails() -> Iterator[Entry]:
        yield from entries
        raise StoreError("The database refused.")

    with pytest.raises(StoreError, match="refused"):
        ledger_file.export(fails(), file)
    assert list(ledger_file.read(file)) == entries[:3]
    assert sorted(tmp_path.iterdir()) == [file]
    with pytest.raises(StoreError, match="cannot be written"):
        ledger_file.export(entries, tmp_path / "nowhere" / "ledger.jsonl")


def test_a_line_that_is_no_entry_is_named(entries: list[Entry], tmp_path: Path) -> None:
    file = tmp_path / "ledger.jsonl"
    ledger_file.export(entries, file)
    lines = file.read_bytes().splitlines(keepends=True)
    for wrong in (b"{}\n", b"not json\n", lines[4][:50] + b"\n"):
        file.write_bytes(b"".join([*lines[:4], wrong, *lines[5:]]))
        with pytest.raises(SpecError, match=r"Line 5 of .*ledger\.jsonl is no entry"):
            ledger.verify(ledger_file.read(file))
    with pytest.raises(NotFound, match="There is no file"):
        ledger.verify(ledger_file.read(tmp_path / "none.jsonl"))


def chain(length: int) -> Iterator[Entry]:
    previous, body = GENESIS, encode(verdict(1)).decode()
    for number in range(1, length + 1):
        digest = link(previous, number, "verdict", f"v{number}", body)
        yield Entry(
            number=number,
            previous=previous,
            digest=digest,
            kind="verdict",
            model="m",
            subject=f"v{number}",
            body=body,
            written_s=1,
        )
        previous = digest


@pytest.mark.parametrize("length", [20_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_a_long_ledger_is_written_out_and_verified_in_constant_memory(length: int, tmp_path: Path) -> None:
    file = tmp_path / "ledger.jsonl"
    tracemalloc.start()
    try:
        assert ledger_file.export(chain(length), file) == length
        assert ledger.verify(ledger_file.read(file)).entries == length
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 4e6, f"{most:,} bytes at most for {length:,} entries"
