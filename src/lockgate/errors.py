"""Every error Lockgate raises on purpose.

    LockgateError
    ├── SpecError         what was asked cannot be (a name, a setting, an argument)
    │   └── ConfigError   the same, in lockgate.toml
    ├── ContractError     data breaks its contract
    │   └── LeakError     a column known only after the question was to be a feature
    ├── NotFound          a name that nothing answers to
    ├── Conflict          someone was there first (a port, a rollout, a workspace)
    ├── PredictError      a predictor gave no valid answer; goes to the fallback
    ├── StoreError        the outside failed (a disk, a database, a tracker)
    └── InvariantBroken   our bug; never caught

Each carries a stable `code`, a sentence that names the place, and the cure. None knows HTTP or exit codes: the server
and the command line each own one table from code to status. Undecided and fallback are values, not errors.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

INTERRUPTIONS = (KeyboardInterrupt, GeneratorExit)
"""What ends the caller, and no call: let through by what catches all that somebody's model may raise in the caller's own
thread. All else is the model's failure, also what derives from BaseException alone, as panics of Rust libraries do; in a
thread of ours these two are as well, and in a task the caller's cancellation passes beside them.
"""


class LockgateError(Exception):
    """A sentence that names the place, and the cure."""

    code = "error"

    def __init__(self, message: str, *, cure: str = "", place: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.cure = cure
        self.place = place

    def __str__(self) -> str:
        return " ".join(part for part in (self.message, self.cure) if part)


class SpecError(LockgateError):
    code = "spec"


class ConfigError(SpecError):
    code = "config"


class ContractError(LockgateError):
    """Data breaks its contract; `column` names the column and `row` the first row, where there is one."""

    code = "contract"

    def __init__(
        self, message: str, *, cure: str = "", place: str = "", column: str | None = None, row: int | None = None
    ) -> None:
        super().__init__(message, cure=cure, place=place)
        self.column = column
        self.row = row


class LeakError(ContractError):
    code = "leak"


class NotFound(LockgateError):
    code = "not_found"


class Conflict(LockgateError):
    code = "conflict"


class PredictError(LockgateError):
    """A predictor gave no valid answer; `reason` is the word written into the log (raised, late, non_finite, shape)."""

    code = "predict"

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class StoreError(LockgateError):
    code = "store"


class InvariantBroken(LockgateError):
    code = "bug"


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """A sentence for an unknown name, with the nearest known one: names are refused, never defaulted."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"There is no {kind} {name!r}; known: {', '.join(names) or 'none yet'}.{hint}"
