"""The ledger, held to its own chain and to the records beside it; one entry at a time, however long it is.

What a chain cannot show by itself: that its end was cut off, or that all of it was made anew. Whoever kept the digest of an
entry, the last one say, sees both.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import NamedTuple

import msgspec

from lockgate.records import Entry
from lockgate.records.entry import GENESIS, EntryKind, link
from lockgate.store.ports import Records

AT_ONCE = 500


class Broken(NamedTuple):
    """The first entry that is not as it was written, and what is wrong with it, in a sentence."""

    number: int
    sentence: str


class Checked(NamedTuple):
    """entries: that hold, from the first; head: the digest of the last of them; broken: None where all of them hold."""

    entries: int
    head: str
    broken: Broken | None


class _Named(msgspec.Struct):
    """What a move's body names; the rest of it is not looked at."""

    verdicts: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()


_named = msgspec.json.Decoder(_Named)


def walk(records: Records) -> Iterator[Entry]:
    """Every entry, oldest first; those that are added meanwhile too."""
    after = 0
    while part := records.entries(after, AT_ONCE):
        yield from part
        after = part[-1].number


def verify(entries: Iterable[Entry]) -> Checked:
    """Whether each entry follows from the one before, and each move names verdicts and overrides that stand before it."""
    with _ids() as seen:
        last: Entry | None = None
        before, count = GENESIS, 0
        coming = iter(entries)
        for entry in coming:
            broken = _in_chain(entry, last, before, coming) or _in_names(entry, seen)
            if broken is not None:
                return Checked(count, last.digest if last else GENESIS, broken)
            last, before, count = entry, entry.digest, count + 1
        return Checked(count, before, None)


def verify_records(records: Records) -> Checked:
    """The same of a workspace, and whether the records beside the ledger say what it says: each once, and no others."""
    held: list[Broken] = []

    def beside() -> Iterator[Entry]:
        part: list[Entry] = []
        for entry in walk(records):
            part.append(entry)
            if len(part) == AT_ONCE:
                yield from _as_kept(records, part, held)
                part = []
        yield from _as_kept(records, part, held)

    found = verify(beside())
    first = min((broken for broken in (found.broken, *held) if broken is not None), default=None)
    if first is None and (stray := records.unchained()):
        kind, name = stray[0]
        first = Broken(
            found.entries + 1, f"The {kind} {name} is kept and stands in no entry: one was removed, or it was put in."
        )
    return found._replace(broken=first)


def _as_kept(records: Records, part: list[Entry], held: list[Broken]) -> Iterator[Entry]:
    """The entries, their records looked up on the way. An entry whose record differs is noted, for the chain goes first."""
    by_kind = groupby(sorted(part, key=_kind), key=_kind)
    kept = {kind: records.bodies(kind, [entry.subject for entry in own]) for kind, own in by_kind}
    for entry in part:
        body = kept[entry.kind].get(entry.subject)
        if body != entry.body and not held:
            what = "is not kept any longer" if body is None else "was changed beside the ledger"
            held.append(Broken(entry.number, f"The {entry.kind} {entry.subject} of entry {entry.number} {what}."))
        yield entry


def _kind(entry: Entry) -> EntryKind:
    return entry.kind


def _in_chain(entry: Entry, last: Entry | None, before: str, coming: Iterator[Entry]) -> Broken | None:
    number = last.number + 1 if last else 1
    if link(entry.previous, entry.number, entry.kind, entry.subject, entry.body) != entry.digest:
        return Broken(entry.number, f"Entry {entry.number} was changed.")
    if entry.number > number:
        gone = f"Entry {number} was" if entry.number == number + 1 else f"Entries {number} to {entry.number - 1} were"
        return Broken(number, f"{gone} removed.")
    if last is not None and entry.number < number:
        # Whichever the rest of the chain does not go on from was put in.
        following = next(coming, None)
        is_last_put_in = following is not None and following.previous == entry.digest
        which = "first" if entry.number == last.number and is_last_put_in else "second"
        return Broken(
            entry.number,
            f"An entry was put in: there is another of number {entry.number}, the {which} is not of the chain.",
        )
    if entry.previous != before:
        if last is None:
            return Broken(1, "Entry 1 does not begin a ledger: what was before it was removed.")
        return Broken(
            last.number, f"Entry {last.number} was changed, and its digest with it: entry {number} follows another."
        )
    return None


def _in_names(entry: Entry, seen: sqlite3.Cursor) -> Broken | None:
    if entry.kind in ("verdict", "override"):
        seen.execute("INSERT OR IGNORE INTO seen VALUES (?)", (entry.subject,))
    if entry.kind != "move":
        return None
    try:
        named = _named.decode(entry.body)
    except msgspec.DecodeError:
        return Broken(entry.number, f"The move of entry {entry.number} cannot be read.")
    for name in (*named.verdicts, *named.overrides):
        if seen.execute("SELECT 1 FROM seen WHERE name = ?", (name,)).fetchone() is None:
            return Broken(
                entry.number, f"The move of entry {entry.number} names {name}, which stands nowhere before it."
            )
    return None


@contextmanager
def _ids() -> Generator[sqlite3.Cursor]:
    """A set of names that goes to the disk by itself where it grows large, and away with its last use."""
    db = sqlite3.connect("", isolation_level=None)
    try:
        cursor = db.cursor()
        cursor.execute("PRAGMA journal_mode=OFF")
        cursor.execute("PRAGMA synchronous=OFF")
        cursor.execute("CREATE TABLE seen (name TEXT PRIMARY KEY) WITHOUT ROWID")
        cursor.execute("BEGIN")
        yield cursor
    finally:
        db.close()
