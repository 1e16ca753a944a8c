"""How each kind of record is kept: its key, whether it may be replaced, and whether it is chained in the ledger."""

from __future__ import annotations

from lockgate.records import Alarm, Block, Dataset, Move, Rollout, Routing, Verdict, Version
from lockgate.records.entry import EntryKind
from lockgate.store.ports import Kept

REPLACED = (Rollout, Routing)
CHAINED: dict[type, EntryKind] = {Verdict: "verdict", Move: "move", Alarm: "alarm"}
KINDS: tuple[type[Kept], ...] = (Alarm, Block, Dataset, Move, Rollout, Routing, Verdict, Version)


def key(record: Kept) -> str:
    """What tells records of one kind apart."""
    if isinstance(record, Dataset):
        return str(record.ref)
    if isinstance(record, Routing):
        return record.model
    if isinstance(record, Block):
        return "/".join((record.model, record.champion, record.rollout or "", str(record.start_s)))
    return record.id


def at_s(record: Kept) -> float:
    """Wall time for the ledger's entry; 0 for what is never chained."""
    return getattr(record, "written_s", 0.0)
