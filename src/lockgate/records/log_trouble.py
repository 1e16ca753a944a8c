"""What is wrong with the prediction log: as one process tells it, and as the loop sums it up."""

from __future__ import annotations

from lockgate.records.alarm import Severity
from lockgate.records.record import Record

TOGETHER = "-"  # in place of the models, where a notice with all of them is too long


class LogNotice(Record, frozen=True, kw_only=True):
    """One process's account of its own end of the log.

    waiting: entries in memory, by model; dropped: entries lost since the process began, by model; poisoned: segments it
    left because the disk refused; problem: the refusal that stands; since_s: when it stopped being well, None where it is.
    """

    process: str
    pid: int
    waiting: dict[str, int] = {}
    dropped: dict[str, int] = {}
    poisoned: int = 0
    problem: str | None = None
    since_s: float | None = None

    @property
    def is_well(self) -> bool:
        return not (self.waiting or self.dropped or self.poisoned or self.problem)


class Counted(Record, frozen=True, kw_only=True):
    """What of one process's account has been summed up already."""

    lost: dict[str, int] = {}
    poisoned: int = 0


class LogTrouble(Record, frozen=True, kw_only=True):
    """A stretch in which the log was not well; there is one record, and the next stretch replaces it.

    seen_s: when it was last seen to last; until_s: None while it does. lost: entries, by model; waiting: in the memory of
    processes that live; poisoned: segments left; problems: what refused, a sentence each. told: how urgently a person has
    been told. counted: by process.
    """

    id: str
    since_s: float
    seen_s: float
    until_s: float | None = None
    lost: dict[str, int] = {}
    waiting: int = 0
    poisoned: int = 0
    problems: tuple[str, ...] = ()
    told: Severity | None = None
    sentence: str = ""
    next: str = ""
    counted: dict[str, Counted] = {}
    model: str = "-"
    schema: int = 1
