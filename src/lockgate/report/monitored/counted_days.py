"""The days of a champion's calls as windows counted them, outcomes or none."""

from __future__ import annotations

from collections.abc import Sequence

from lockgate.records.drift import CountedDay
from lockgate.records.profile import Profile, merged
from lockgate.store.ports import Records

DAY_S = 86400.0


def counted_days(
    records: Records, model: str, version: str, *, since_s: float | None = None
) -> list[tuple[float, Profile]]:
    """When each began and what it holds, oldest first; without those that an older engine counted."""
    found = [
        (day.start_s, day.profile)
        for day in records.all(CountedDay, model)
        if day.version == version and isinstance(day.profile, Profile) and (since_s is None or day.start_s >= since_s)
    ]
    return sorted(found, key=lambda day: day[0])


def last_window(days: Sequence[tuple[float, Profile]], span_s: float) -> Profile | None:
    """The days in the last `span_s` seconds, at least the newest one, put together; those counted over other cells than the
    newest are left out. None where there is none.
    """
    if not days:
        return None
    newest_s, newest = days[-1]
    within = [profile for start_s, profile in days if start_s > newest_s - max(span_s, DAY_S)]
    return merged([profile for profile in within if profile.cells == newest.cells])
