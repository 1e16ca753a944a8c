"""The names of the call's columns: who they are, and which model may see which."""

from __future__ import annotations

from typing import Final

ID: Final = "flight_id"
TIME: Final = "asked_at"
OUTCOME_TIME: Final = "landed_at"
TARGET: Final = "late"

CATEGORIES: Final = ("carrier", "origin", "dest")
"""Strings. A model sees their number in `matrix.Levels`, which knows the levels of its training rows only."""

SCHEDULE: Final = (
    "sched_minute",  # minute of the New York day, 0..1439
    "weekday",  # 1 Monday .. 7 Sunday, in New York
    "distance",  # miles
    "block_minutes",  # scheduled gate to gate
    "flights_that_hour",  # scheduled out of this origin within the same clock hour
    "plane_age",  # years; null when the plane is not in the register
    "plane_seats",
    *CATEGORIES,
)
"""Printed in the timetable, or known of the plane that is assigned."""

PLANE: Final = "plane"
"""The tail number, by which a plane's last landing is found. No model sees it."""

LIVE: Final = (
    "origin_delay_1h",  # mean minutes, flights that really left this origin in the last hour
    "origin_delay_3h",
    "origin_cancelled_6h",  # share of the departures due here in the last 6 h
    "carrier_late_24h",  # share late, a little smoothed, of flights landed in the last 24 h
    "carrier_origin_late_7d",
    "dest_late_24h",
    "origin_late_6h",
    "plane_last_delay",  # minutes late at this plane's last landing
    "plane_down_minutes",  # minutes since then
)
"""What the last hours looked like, as far as it was known at the question. No table holds them: `lockgate.toml` declares the
counts and sums, `features.live` what is made of them.
"""

WEATHER: Final = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib")
"""The origin's last hourly report (F, F, %, degrees, mph, inches, mbar, miles). Null when it is over 3 h old."""

LEAKS: Final = ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time")
"""Columns of the source that nobody knows an hour before departure. No call row holds one."""
