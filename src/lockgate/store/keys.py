"""How each kind of record is kept: its key, whether it may be replaced, and whether it is chained in the ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lockgate.errors import Conflict, InvariantBroken, SpecError
from lockgate.records import (
    AbState,
    Acknowledgement,
    Alarm,
    AlarmLife,
    Block,
    Dataset,
    Drill,
    Health,
    Move,
    Override,
    PairBlock,
    Retraining,
    Rollout,
    Routing,
    Spend,
    Verdict,
)
from lockgate.records.drift import CountedDay, DriftStanding
from lockgate.records.entry import EntryKind
from lockgate.records.harm_state import HarmState
from lockgate.records.log_trouble import LogTrouble
from lockgate.records.silence import Silence
from lockgate.records.usual import FaultStanding
from lockgate.store.ports import Kept, Replaced

REPLACED = (
    AbState,
    AlarmLife,
    CountedDay,
    DriftStanding,
    FaultStanding,
    HarmState,
    Health,
    LogTrouble,
    Retraining,
    Rollout,
    Routing,
    Silence,
)
CHAINED: dict[type, EntryKind] = {
    Verdict: "verdict",
    Move: "move",
    Alarm: "alarm",
    Spend: "spend",
    Override: "override",
    Drill: "drill",
    Acknowledgement: "acknowledgement",
}


def key(record: Kept) -> str:
    """What tells records of one kind apart."""
    if isinstance(record, Dataset):
        return str(record.ref)
    if isinstance(record, Routing | FaultStanding | Health | LogTrouble):
        return record.model
    if isinstance(record, AlarmLife | CountedDay | DriftStanding):
        return record.key
    if isinstance(record, Silence):
        return record.source
    if isinstance(record, Block):
        return f"{record.model}/{record.start_s:.0f}"
    if isinstance(record, AbState | HarmState):
        return record.rollout
    if isinstance(record, PairBlock):
        return f"{record.rollout}/{record.start_s:.0f}"
    return record.id


def refuse_changed(read: Sequence[Replaced], held: Callable[[Replaced], object]) -> None:
    """Raises Conflict where one of the records that a decision rests on is kept otherwise by now. held: how it is kept."""
    for record in read:
        if held(record) != record:
            raise Conflict(
                f"The {type(record).__name__} of {record.model} was changed meanwhile; nothing of this was written.",
                cure="Look again: lockgate status",
            )


def at_s(record: Kept) -> float:
    """Wall time for the ledger's entry; 0 for what is never chained."""
    return getattr(record, "written_s", 0.0)


def is_held(owner: str, until_s: float, holder: str, *, now_s: float, for_s: float) -> bool:
    """Whether a lease is another's still. One that would hold longer than two that are asked for now was taken before the
    clock was set back: it has run out.
    """
    return owner != holder and now_s < until_s <= now_s + 2 * for_s


def refuse_spends(records: Sequence[Kept]) -> None:
    """Raises InvariantBroken where a spend would be written past its budget."""
    for record in records:
        if isinstance(record, Spend):
            raise InvariantBroken(f"The spend {record.id} was to be written unchecked.", cure="Give it to `spend`.")


def new_draws(spends: Sequence[Spend], held: Callable[[str], Spend | None]) -> list[Spend]:
    """Those that were not drawn before, each once. held: the draw kept under an id.

    Raises SpecError for spends of several models, Conflict where another draw is kept under an id.
    """
    models = sorted({spend.model for spend in spends})
    if len(models) > 1:
        raise SpecError(
            f"One budget cannot pay for several models: {', '.join(models)}.", cure="Spend for each by itself."
        )
    new: dict[str, Spend] = {}
    for spend in spends:
        before = new.get(spend.id) or held(spend.id)
        if before is None:
            new[spend.id] = spend
        elif not spend.repeats(before):
            raise Conflict(f"Another Spend is kept under {spend.id}; records are written once.")
    return list(new.values())
