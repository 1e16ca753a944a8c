"""What the log holds: predictions, shadow answers, outcomes, and windows of calls. Times are seconds since 1970, UTC."""

from __future__ import annotations

from typing import Literal

import msgspec

from lockgate.records.contract import ColumnType
from lockgate.records.record import Record

Arm = Literal["champion", "challenger"]
Scalar = float | int | str | bool | None


class Prediction(Record, tag="prediction", array_like=True, frozen=True, kw_only=True, gc=False):
    """The record of one answered call.

    arm: the assignment, whoever answered in the end (intention to treat); version: that arm's version; served_by: the
    link of the chain that answered. share: the challenger's share of traffic when the call was routed. failure: why the
    assigned version gave no valid answer of its own in time, None where it did. flags: contract breaks that did not
    refuse the row. inputs: the row's values in the order of the contract's asked columns.
    """

    id: str
    model: str
    unit: str
    asked_s: float
    answered_s: float
    arm: Arm
    version: str
    served_by: str
    value: float
    latency_ms: float
    share: float = 0.0
    rollout: str | None = None
    failure: str | None = None
    flags: tuple[str, ...] = ()
    inputs: tuple[Scalar, ...] = ()


class Shadow(Record, tag="shadow", array_like=True, frozen=True, kw_only=True, gc=False):
    """Another version's answer to a call it did not serve. `id` is the prediction's; `value` None where it failed."""

    id: str
    model: str
    version: str
    rollout: str | None
    asked_s: float
    value: float | None
    latency_ms: float
    failure: str | None = None
    flags: tuple[str, ...] = ()


class Outcome(Record, tag="outcome", array_like=True, frozen=True, kw_only=True, gc=False):
    """What turned out to be true of a prediction. `at_s`: when it came true; the latest received one wins."""

    id: str
    model: str
    value: float
    at_s: float
    received_s: float


LogEntry = Prediction | Shadow | Outcome


class Window(Record, tag="window", array_like=True, frozen=True, kw_only=True, gc=False):
    """What one process counted of the calls that a version answered in [since_s, until_s) of event time, since it last said.

    who: the process, by a word that is its alone; number: how many of this version it had written before. profile: the
    counts, as JSON text of a `Profile`, whose whole numbers may be wider than msgpack's. refused: calls that the contract did
    not let in meanwhile, by column, as JSON text; "" for none.
    """

    model: str
    version: str
    who: str
    number: int
    since_s: float
    until_s: float
    profile: str
    refused: str = ""


LogRow = LogEntry | Window
"""What is read of the log, and what its tables count as rows: entries about calls, and windows of them."""


class Levelled(Record, frozen=True, kw_only=True, gc=False):
    """A column of text that repeats. codes: the place of each row's level, as bytes: little-endian, without sign, as wide as
    the last place needs (1, 2 or 4 bytes).
    """

    levels: tuple[str | None, ...]
    codes: bytes


class Calls(Record, tag="calls", array_like=True, frozen=True, kw_only=True, gc=False):
    """Predictions of many rows of a table that went to one arm, field by field: a line of the log that costs a tenth of as
    many lines. Whoever reads the log is given the predictions (`features.many_calls`).

    ids are `<prefix>-<place>`. places: int64; asked_s, values: float64; all as bytes, little-endian. unit_at: the place among
    the inputs of the column that names the unit, else the id does. served_by, failures, flags: by row, where it is not the
    version, none, and none. inputs: in the order of the contract's asked columns, texts as they are or by level, all else as
    float64 with NaN for missing; kinds: what each is.
    """

    prefix: str
    model: str
    places: bytes
    unit_at: int | None
    asked_s: bytes
    answered_s: float
    arm: Arm
    version: str
    values: bytes
    latency_ms: float
    share: float
    rollout: str | None
    served_by: dict[int, str]
    failures: dict[int, str]
    flags: dict[int, tuple[str, ...]]
    kinds: tuple[ColumnType, ...]
    inputs: tuple[bytes | list[str | None] | Levelled, ...]


LogLine = LogRow | Calls
"""What a writer is given, and a frame holds; what is read is rows."""

entry_encoder = msgspec.msgpack.Encoder()
lines_decoder: msgspec.msgpack.Decoder[list[LogLine]] = msgspec.msgpack.Decoder(list[LogLine])
