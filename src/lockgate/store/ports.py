"""What the house asks of the outside. Services see these; adapters live in the files beside, and are named in
`workspace.wire` alone. Every adapter of a port passes the same kit in tests/conformance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from lockgate.records import (
    AbState,
    Acknowledgement,
    Alarm,
    AlarmLife,
    Block,
    BudgetSpec,
    Dataset,
    DatasetRef,
    Drill,
    Entry,
    Event,
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
from lockgate.records.log_trouble import LogNotice, LogTrouble
from lockgate.records.prediction import LogEntry, LogLine, LogRow
from lockgate.records.silence import Silence
from lockgate.records.source import Values
from lockgate.records.usual import FaultStanding

if TYPE_CHECKING:
    import polars as pl

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
Cursor = Mapping[str, int]


class LogWriter(Protocol):
    """One process's own end of the log; never shared."""

    def append(self, entries: Sequence[LogLine], *, durable: bool = False) -> None:
        """Keep the entries, all or none; once it returns, a `kill -9` loses none of them, nor, where durable, a power cut.

        Raises StoreError when the outside refuses; the entries are then not kept, and may be appended again.
        """
        ...

    @property
    def problem(self) -> str | None:
        """The refusal that the outside last answered with; None once it took something again."""
        ...

    @property
    def poisoned(self) -> int:
        """How many times it had to begin somewhere else because the outside refused; what was safe stays."""
        ...

    @property
    def unsafe(self) -> Mapping[str, int]:
        """By model, what was appended and had no safe place when the writer was closed."""
        ...

    def close(self) -> None: ...


class LogTeller(Protocol):
    """Where one process tells how its end of the log is, for the loop to read; it must work where the log's place does
    not.
    """

    @property
    def process(self) -> str:
        """A name that no other process has, or had."""
        ...

    def tell(self, notice: LogNotice) -> bool:
        """Replace what was told before. False where even that was refused."""
        ...

    def close(self) -> None:
        """The process ends; where all was well nothing is left."""
        ...


class Told(NamedTuple):
    """is_gone: whether the process has ended, so that what it had waiting is lost."""

    notice: LogNotice
    is_gone: bool


class LogNotices(Protocol):
    def read(self) -> list[Told]:
        """What every process last told, of those that have ended what they left."""
        ...

    def forget(self, processes: Collection[str]) -> None:
        """Of processes that have ended."""
        ...


class Compacted(NamedTuple):
    """What one compaction did. torn: segments with bytes behind their last whole frame; unread: segments with entries
    that this Lockgate does not know, and how many. Both are kept aside.
    """

    segments: int = 0
    rows: int = 0
    torn: tuple[str, ...] = ()
    unread: tuple[tuple[str, int], ...] = ()

    def also(self, other: Compacted) -> Compacted:
        return Compacted(
            self.segments + other.segments,
            self.rows + other.rows,
            self.torn + other.torn,
            self.unread + other.unread,
        )


class PredictionLog(Protocol):
    """Predictions, shadows, outcomes and windows, from many writers; at least once, so readers count an id once."""

    def writer(self) -> LogWriter: ...

    def read(self, cursor: Cursor | None = None, limit: int | None = None) -> tuple[list[LogRow], Cursor]:
        """Rows after `cursor` (None: from the start) and where to go on; a writer's own entries keep their order.

        With a limit it stops after the frame that reaches it. A torn or damaged frame ends its segment. A cursor holds
        whatever is compacted meanwhile.
        """
        ...

    def calls(
        self, model: str, *, rollout: str | None = None, since_s: float = -math.inf, until_s: float = math.inf
    ) -> list[LogEntry]:
        """The model's predictions asked in [since_s, until_s), of one rollout where it is named, each with every shadow
        and outcome of its id; as `read` gives them, but no more of the log than that.
        """
        ...

    def entries_of(self, model: str, ids: Collection[str]) -> list[LogEntry]:
        """All that is logged of those ids; what was logged twice comes twice."""
        ...

    def compact(self, *, may_go_on: Callable[[], bool]) -> Compacted:
        """Move what no writer holds any longer to where it is kept for good; one caller at a time, others do nothing.

        may_go_on: asked between the parts of the work. Raises StoreError where the outside refuses.
        """
        ...

    def oldest(self) -> str | None:
        """The segment that has waited longest to be compacted; None where none waits."""
        ...

    def forget(self, model: str, before_s: float) -> None:
        """Drop the model's compacted rows of the whole days (UTC, by event time) before `before_s`."""
        ...

    def forget_windows(self, model: str, before_s: float) -> None:
        """The same of its windows alone."""
        ...


class RoutingBoard(Protocol):
    """Where workers look for the routing, at least four times a second; swapped whole."""

    def publish(self, routing: Routing) -> None: ...

    def read(self, model: str) -> Routing | None: ...

    def withdraw(self, model: str) -> None:
        """Take a model's routing off the board; one that is not there is no error."""
        ...

    def models(self) -> tuple[str, ...]: ...


class VersionFolders(Protocol):
    """Versions' artefacts, by id."""

    def add(self, version: str, folder: Path) -> Path:
        """Move a finished folder into place; an id that is there already is left as it is."""
        ...

    def path(self, version: str) -> Path:
        """Raises NotFound for an unknown version."""
        ...


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


class Cleaned(NamedTuple):
    """What was deleted, or would be: files, and their bytes."""

    files: int = 0
    size_bytes: int = 0


class Tables(Protocol):
    """Immutable versions of tables."""

    def turn(self, table: str) -> AbstractContextManager[object]:
        """One writer at a time: whoever compares with the newest version and then writes holds it for both. Raises Conflict
        where another holds it for minutes.
        """
        ...

    def write(self, table: str, rows: pl.DataFrame) -> DatasetRef:
        """The rows, in this order, as the table's next version, replacing what it held. Of two writers at once either both
        make a version or one gets a Conflict; no version is lost.
        """
        ...

    def read(self, ref: DatasetRef) -> pl.DataFrame:
        """That version, digest checked, its rows in the order written. Raises StoreError where its files are not those
        referred to, NotFound where they were cleaned away.
        """
        ...

    def scan(self, ref: DatasetRef) -> pl.LazyFrame:
        """The same, nothing read but what is asked for."""
        ...

    def schema(self, ref: DatasetRef) -> Mapping[str, pl.DataType]:
        """That version's columns and their types, none of its rows read; raises as `read` does."""
        ...

    def is_kept(self, ref: DatasetRef) -> bool:
        """Whether that version can still be read."""
        ...

    def clean(self, table: str, keep: Collection[DatasetRef], *, dry_run: bool) -> Cleaned:
        """Delete the rows of every version but the newest and those to keep; what they share stays. Raises StoreError where
        one to keep is not there, and deletes nothing then.
        """
        ...


class Taken(NamedTuple):
    """What became of events. known_before: of these, how many were there already, with the same content."""

    kept: int
    known_before: int


class Events(Protocol):
    """The events of every source, each exactly once; any number of processes add and read."""

    def add(self, source: str, events: Sequence[Event]) -> Taken:
        """All of them, or none; once it returns, a `kill -9` loses none of them, nor does a power cut.

        Raises Conflict where an id is there with another content, StoreError when the outside refuses.
        """
        ...

    def read(self, source: str, after: int = 0, *, since_us: int | None = None) -> tuple[list[Event], int]:
        """The source's events behind that place, in the order they were added, and the place to go on from.

        since_us: leave out what happened before. Raises StoreError when the outside refuses.
        """
        ...

    def values(self, source: str) -> list[Values]:
        """What every event of a source says, in the order they were added; raises as `read` does."""
        ...

    def newest_us(self, source: str, *, known_before_us: int | None = None) -> int | None:
        """When the newest of them happened, of those that had happened and were known by then; raises as `read` does."""
        ...

    def has_news(self) -> bool:
        """Whether somebody added anything since this was asked before, in this process; true when it is asked first. It
        waits for nobody; raises as `read` does.
        """
        ...

    def close(self) -> None: ...


class Tracker(Protocol):
    """Where runs are written for people to compare. Serving, gating and rollback go on when it is down."""

    def log_run(
        self,
        *,
        model: str,
        name: str,
        parameters: Mapping[str, str],
        metrics: Mapping[str, float],
        folder: Path | None,
        curves: Mapping[str, Sequence[tuple[int, float]]] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> str | None:
        """The run's id; None when the tracker could not be reached, which `problem` then explains.

        curves: by metric, its values as (step, value). folder: files that belong to the run.
        """
        ...

    @property
    def problem(self) -> str | None: ...


class Registered(NamedTuple):
    """What a registry holds of one model: by number, the tags of each version; by alias, a number."""

    versions: Mapping[str, Mapping[str, str]] = {}
    aliases: Mapping[str, str] = {}
    tags: Mapping[str, str] = {}


class Registry(Protocol):
    """Where versions stand beside everybody else's models. A neighbour: it is told, and never asked what to do.

    Each method raises StoreError where it cannot be reached, and Conflict where it refuses.
    """

    def read(self, model: str) -> Registered:
        """Nothing in it where the registry does not know the model."""
        ...

    def add(self, version: Version, folder: Path, *, description: str, tags: Mapping[str, str]) -> str:
        """The number of a new version of its model, with the sealed folder as its files. The model is made where needed."""
        ...

    def tag(self, model: str, number: str, tags: Mapping[str, str]) -> None:
        """Set these tags of a version, and leave its others."""
        ...

    def tag_model(self, model: str, tags: Mapping[str, str]) -> None: ...

    def point(self, model: str, alias: str, number: str | None) -> None:
        """Move an alias to a version; None takes it away."""
        ...
