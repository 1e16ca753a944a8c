"""The example's nine live features once more, written by hand: sorted events, running sums, two searches. An oracle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
KEY_SHIFT: Final = 32  # minutes since 1970 fit in 25 bits; a unit's events are neighbours in the order of the keys
HOUR: Final = 60
DAY: Final = 24 * HOUR
PRIOR_LATE: Final = 1
PRIOR_LANDED: Final = 5


def live(flown: pl.DataFrame, *, minutes_ago: int = 0) -> pl.DataFrame:
    """Columns `columns.LIVE`, Float64, one row per row of `flown`, as known `minutes_ago` before its asked_at.

    flown: from `journeys.journeys`. Delays and cancellations are null where nothing happened within
    the window, the plane's two before its first landing; the four shares never are.
    """
    asked = _minutes(flown["asked_at"]) - minutes_ago
    origin, carrier = _codes(flown, "origin"), _codes(flown, "carrier")
    route, dest, plane = _codes(flown, "carrier", "origin"), _codes(flown, "dest"), _codes(flown, "tailnum")
    left, gone = _known(flown, origin, "left_at", "dep_delay"), _cancelled(flown, origin)
    landed = _known(flown, plane, "landed_at", "arr_delay")
    found: dict[str, Floats] = {
        "origin_delay_1h": mean_before(left, origin, asked, HOUR),
        "origin_delay_3h": mean_before(left, origin, asked, 3 * HOUR),
        "origin_cancelled_6h": mean_before(gone, origin, asked, 6 * HOUR),
        "carrier_late_24h": _share_late(flown, carrier, asked, DAY),
        "carrier_origin_late_7d": _share_late(flown, route, asked, 7 * DAY),
        "dest_late_24h": _share_late(flown, dest, asked, DAY),
        "origin_late_6h": _share_late(flown, origin, asked, 6 * HOUR),
        "plane_last_delay": last_before(landed, plane, asked),
        "plane_down_minutes": minutes_since(landed, plane, asked),
    }
    return pl.DataFrame(found).fill_nan(None)


def _share_late(flown: pl.DataFrame, units: Ints, asked: Ints, window: int) -> Floats:
    """Share late among the unit's landings within `window` minutes, as if five more had landed, one of them late.

    Flights still in the air do not count, however late they already are. The five keep a share of two flights from
    shouting as loudly as one of two hundred, and a true share from ever being 0: a feed that sends 0 shows.
    """
    late, landed = totals_before(_known(flown, units, "landed_at", "late"), units, asked, window)
    return (late + PRIOR_LATE) / (landed + PRIOR_LANDED)


def _cancelled(flown: pl.DataFrame, units: Ints) -> Events:
    """Departures due, 1 when cancelled.

    The source does not say when a flight was cancelled. We take it as known from the scheduled departure on; one
    called off only later is then counted too early. A flight merely delayed counts 0 from then on.
    """
    return events(units, _minutes(flown["due_at"]), flown["dep_delay"].is_null().to_numpy().astype(np.float64))


def _known(flown: pl.DataFrame, units: Ints, at: str, value: str) -> Events:
    """One event per row where `at` is known, with the number in column `value`."""
    happened = flown[at].is_not_null().to_numpy()
    known = flown.filter(happened)
    return events(units[happened], _minutes(known[at]), known[value].to_numpy().astype(np.float64))


def _minutes(instants: pl.Series) -> Ints:
    """Whole minutes since 1970; every instant of the source is a whole minute."""
    return instants.dt.epoch("s").to_numpy() // 60


def _codes(flown: pl.DataFrame, *names: str) -> Ints:
    """A number per unit, from 1; 0 where the name is null: such a flight (no plane assigned) never has events."""
    unit = pl.concat_str(names, separator=" ").rank("dense").fill_null(0).cast(pl.Int64)
    return flown.select(unit).to_series().to_numpy()


@dataclass(frozen=True, kw_only=True)
class Events:
    """Events in order of (unit, minute they were known).

    keys: shape (n,).  running: shape (n + 1,), the sum of all values before.  values: shape (n,).
    """

    keys: Ints
    running: Floats
    values: Floats


def events(units: Ints, minutes: Ints, values: Floats) -> Events:
    """Sort the events. units: codes from 0; minutes: since 1970, when each became known. All shape (n,)."""
    keys = _keys(units, minutes)
    order = np.argsort(keys, kind="stable")
    ordered = values[order]
    return Events(keys=keys[order], running=np.concatenate([[0.0], np.cumsum(ordered)]), values=ordered)


def mean_before(past: Events, units: Ints, asked: Ints, window: int) -> Floats:
    """Mean value of the unit's events known within `window` minutes before `asked`; NaN when there is none."""
    total, count = totals_before(past, units, asked, window)
    mean: Floats = np.divide(total, count, out=np.full(len(asked), np.nan), where=count > 0)
    return mean


def totals_before(past: Events, units: Ints, asked: Ints, window: int) -> tuple[Floats, Ints]:
    """Sum and number of the unit's events known within `window` minutes before `asked`.

    The minute of the question itself is outside: an event of that minute may have come after it.
    """
    start = np.searchsorted(past.keys, _keys(units, asked - window))
    stop = np.searchsorted(past.keys, _keys(units, asked))
    return past.running[stop] - past.running[start], stop - start


def last_before(past: Events, units: Ints, asked: Ints) -> Floats:
    """Value of the unit's last event known before `asked`; NaN when there is none."""
    at, is_own = _last(past, units, asked)
    value: Floats = np.where(is_own, past.values[at], np.nan)
    return value


def minutes_since(past: Events, units: Ints, asked: Ints) -> Floats:
    """Minutes from the unit's last event known before `asked`; NaN when there is none."""
    at, is_own = _last(past, units, asked)
    minutes: Floats = np.where(is_own, asked - (past.keys[at] & ((1 << KEY_SHIFT) - 1)), np.nan)
    return minutes


def _last(past: Events, units: Ints, asked: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    """Where the last event before stands, and whether it is the unit's own."""
    at = np.searchsorted(past.keys, _keys(units, asked)) - 1
    return at, (at >= 0) & (past.keys[at] >> KEY_SHIFT == units)


def _keys(units: Ints, minutes: Ints) -> Ints:
    return (units << KEY_SHIFT) + minutes
