"""Records and their ledger, and the lease by which one process at a time acts on them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from lockgate.records import (
    AbState,
    Acknowledgement,
    Alarm,
    AlarmLife,
    Block,
    BudgetSpec,
    Dataset,
    Drill,
    Entry,
    Health,
    Move,
    Override,
    PairBlock,
    Retraining,
    Rollout,
    Routing,
    Spend,
    Verdict,
    Version,
)
from lockgate.records.drift import CountedDay, DriftFound, DriftStanding
from lockgate.records.entry import EntryKind
from lockgate.records.harm_state import HarmState
from lockgate.records.log_trouble import LogTrouble
from lockgate.records.silence import Silence
from lockgate.records.usual import FaultStanding

Written = (
    AbState
    | Acknowledgement
    | Alarm
    | AlarmLife
    | Block
    | Dataset
    | Drill
    | DriftFound
    | CountedDay
    | DriftStanding
    | FaultStanding
    | HarmState
    | Health
    | LogTrouble
    | Move
    | Override
    | PairBlock
    | Retraining
    | Rollout
    | Routing
    | Silence
    | Verdict
    | Version
)
Kept = Written | Spend
Replaced = AlarmLife | Rollout | Routing  # those that something is decided on
K = TypeVar(
    "K",
    AbState,
    Acknowledgement,
    Alarm,
    AlarmLife,
    Block,
    Dataset,
    Drill,
    DriftFound,
    CountedDay,
    DriftStanding,
    FaultStanding,
    HarmState,
    Health,
    LogTrouble,
    Move,
    Override,
    PairBlock,
    Retraining,
    Rollout,
    Routing,
    Silence,
    Spend,
    Verdict,
    Version,
)


class Records(Protocol):
    """Records by kind and key, and the ledger: verdicts, moves, alarms, spends, overrides are chained as they are written."""

    def write(self, *records: Written, over: Sequence[Replaced] = ()) -> None:
        """All of them in one transaction, or none.

        Verdicts, moves, alarms, acknowledgements and overrides go to the ledger as well. A rollout, a retraining,
        a routing, a health or the life of an alarm replaces the one of its key; anything else is written once: the same
        again is nothing, another under the same key is a Conflict. A spend is refused here: it is written by `spend`, or
        not at all.
        over: what this was decided on, as it was read: where one of them has changed since, a Conflict.
        """
        ...

    def spend(
        self, spec: BudgetSpec, *spends: Spend, then: Sequence[Written] = (), over: Sequence[Replaced] = ()
    ) -> None:
        """All of them in one transaction, or none; raises SpecError where together they exceed what is left.

        then, over: what is written with them, and over what, as in `write`.

        What is left follows from the ledger's own entries, read in that transaction, so that any number of processes
        spend no more than there is. The spends are of one model. A draw made before (Spend.repeats) is nothing, also
        where nothing is left; another under its id is a Conflict.
        """
        ...

    def reading(self) -> AbstractContextManager[object]:
        """Inside it, what this thread reads costs less: over one connection. No snapshot: what others write is seen."""
        ...

    def get(self, kind: type[K], key: str) -> K | None: ...

    def all(self, kind: type[K], model: str | None = None) -> list[K]:
        """In the order written."""
        ...

    def count(self, kind: type[K], model: str) -> int: ...

    def entries(self, after: int = 0, limit: int | None = None) -> list[Entry]:
        """The ledger, oldest first, from the entry after that number; at most `limit` of them."""
        ...

    def newest(self) -> int:
        """The number of the ledger's last entry, 0 where there is none."""
        ...

    def bodies(self, kind: EntryKind, keys: Collection[str]) -> dict[str, str]:
        """By key, the text of those chained records as they are kept beside the ledger; what is not kept is not in it."""
        ...

    def unchained(self, limit: int = 1) -> list[tuple[EntryKind, str]]:
        """Kind and key of records that should stand in the ledger and do not, at most `limit` of them."""
        ...


class Lease(Protocol):
    """At most one holder of a name at a time."""

    def acquire(self, name: str, holder: str, *, now_s: float, for_s: float) -> bool:
        """Take or renew; false while somebody else's has not run out."""
        ...

    def release(self, name: str, holder: str) -> None: ...
