"""What a model's hours have been like when nothing was wrong: the record against which the next hour is a fault or none."""

from __future__ import annotations

import msgspec

from lockgate.errors import StoreError
from lockgate.records.record import Record


class ColumnUsual(Record, frozen=True, kw_only=True, omit_defaults=True):
    """One column. hours: learnt, those at fault left out. shares: by what is counted (missing, unseen, ...) and hour of
    the day (UTC), the two highest shares that an hour was sure to have, of two days. scores: by what is bet on, the highest
    log e that was no fault; carried: what a bet that goes on over hours has paid so far.

    value, run, run_since_s: what its last rows all were, how many of them in a row, since when; None where they differ.
    is_stuck: that run was told as a fault. longest: the longest run that ended and was none. means: (start, mean) of the
    last hours; step: the farthest that two of them, one, two, three hours apart, ever were; steps: how often that was looked
    at. newest_s: of a time, the newest moment that its last hour is sure to have told.
    """

    hours: int = 0
    shares: dict[str, dict[int, tuple[float, float]]] = {}
    scores: dict[str, float] = {}
    carried: dict[str, float] = {}
    value: str | None = None
    run: int = 0
    run_since_s: float | None = None
    is_stuck: bool = False
    longest: int = 0
    means: tuple[tuple[float, float], ...] = ()
    step: tuple[float, float, float] = (0.0, 0.0, 0.0)
    steps: int = 0
    newest_s: float | None = None


class Usual(Record, frozen=True, kw_only=True):
    """columns: by name, of a prediction as `fault.PREDICTION` has it. rows: by hour of the week (UTC, from Thursday) the rows
    of its last weeks, newest last. until_s: where the last hour learnt ends; since_s: where the first began.
    """

    columns: dict[str, ColumnUsual] = {}
    rows: dict[int, tuple[int, ...]] = {}
    since_s: float | None = None
    until_s: float | None = None
    schema: int = 1

    def column(self, name: str) -> ColumnUsual:
        return self.columns.get(name, _NOTHING)


class Shown(Record, frozen=True, kw_only=True):
    """When a fault that stands was shown last. at_s: the beginning of that hour; fewest: rows without it that end it."""

    at_s: float
    fewest: int


class FaultStanding(Record, frozen=True, kw_only=True):
    """How far a model's hours have been judged for faults, so that a restart goes on where it was. version: the champion
    whose hours they were; usual: what they have been like, as `text_of` writes it; shown: by what an alarm is about.
    """

    model: str
    version: str
    usual: str
    shown: dict[str, Shown] = {}
    schema: int = 1


def text_of(usual: Usual) -> str:
    """As JSON. Its hours are numbers, which the records' own encoder does not sort."""
    return _encoder.encode(usual).decode()


def read_usual(body: bytes | str, where: str) -> Usual:
    """Raises StoreError naming `where` if it is none."""
    try:
        return _decoder.decode(body)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise StoreError(
            f"{where} does not say what hours were like: {error}.",
            cure="It was written by another version of Lockgate, or damaged; restore it from a backup.",
        ) from error


_NOTHING = ColumnUsual()
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Usual)
