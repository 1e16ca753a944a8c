"""The prediction log: who writes it, who says how writing goes, who reads and compacts it."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from lockgate.records.log_trouble import LogNotice
from lockgate.records.prediction import LogEntry, LogLine, LogRow

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
