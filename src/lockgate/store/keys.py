"""How each kind of record is kept: its key, whether it may be replaced, and whether it is chained in the ledger."""

from __future__ import annotations

from lockgate.records import Alarm, Block, Dataset, Health, Move, PairBlock, Rollout, Routing, Verdict
from lockgate.records.entry import EntryKind
from lockgate.store.ports import Kept

REPLACED = (Health, Rollout, Routing)
CHAINED: dict[type, EntryKind] = {Verdict: "verdict", Move: "move", Alarm: "alarm"}


def key(record: Kept) -> str:
    """What tells records of one kind apart."""
    if isinstance(record, Dataset):
        return str(record.ref)
    if isinstance(record, Routing | Health):
        return record.model
    if isinstance(record, Block):
        return f"{record.model}/{record.start_s:.0f}"
    if isinstance(record, PairBlock):
        return f"{record.rollout}/{record.start_s:.0f}"
    return record.id


def at_s(record: Kept) -> float:
    """Wall time for the ledger's entry; 0 for what is never chained."""
    return getattr(record, "written_s", 0.0)
