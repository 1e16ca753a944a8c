"""The champion's windows, judged in the loop: hours in order, each call once, a drift told with its column and its date."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from lockgate.features.columns import from_tuples
from lockgate.features.profiles.columns import reference, window
from lockgate.monitor import alarms
from lockgate.monitor.came import Batch
from lockgate.monitor.drift_watch import DriftWatch, Reign
from lockgate.monitor.hours import GRACE_S, HOUR_S, LATE_S, PATIENCE_S
from lockgate.records import Alarm, AlarmLife, Column, MonitorSpec, Prediction, Verdict
from lockgate.records.drift import DriftFound, DriftStanding
from lockgate.records.prediction import LogRow, Scalar, Window
from lockgate.records.profile import Profile
from lockgate.records.record import encode
from lockgate.store.memory import MemoryRecords

COLUMNS = (Column(name="wait", type="float"), Column(name="carrier", type="text"))
START = 1_700_049_600.0
ROWS = 300
SPEC = MonitorSpec(window="1h", drift_at=0.1)
REIGN = Reign("v1", START)
Rows = list[tuple[Scalar, ...]]


def rows(seed: int, count: int, mean: float = 0.0) -> Rows:
    rng = np.random.default_rng(seed)
    return [
        (float(x), "AA" if y < 0.5 else "UA")
        for x, y in zip(rng.normal(mean, 1, count), rng.random(count), strict=True)
    ]


def profile_of(given: Rows) -> Profile:
    return window(from_tuples(COLUMNS, given), REFERENCE)


_TRAINED = from_tuples(COLUMNS, rows(0, 30_000))
REFERENCE = msgspec.structs.replace(reference(_TRAINED, COLUMNS), importance={"wait": 0.9, "carrier": 0.1})


class Service:
    """Workers that answer and count; hour by hour."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def hour(
        self, hour: int, *, mean: float = 0.0, workers: int = 1, seed: int = 0, version: str = "v1", lost: int = 0
    ) -> list[LogRow]:
        """An hour's calls and windows; the last `lost` of them were not counted."""
        given = rows(seed * 1000 + hour + 1, ROWS, mean)
        at_s = START + hour * HOUR_S
        calls = [call(f"{seed}-{hour}-{n}", at_s + n, version, inputs) for n, inputs in enumerate(given)]
        counted = given[: ROWS - lost]
        return [*calls, *(self.window(at_s, counted[n::workers], f"w{n}", version) for n in range(workers))]

    def window(self, at_s: float, given: Rows, who: str, version: str = "v1") -> Window:
        number = self.numbers.get(who + version, 0)
        self.numbers[who + version] = number + 1
        return Window(
            model="m",
            version=version,
            who=who,
            number=number,
            since_s=at_s,
            until_s=at_s + HOUR_S,
            profile=encode(profile_of(given)).decode(),
        )


def call(name: str, at_s: float, version: str, inputs: tuple[Scalar, ...]) -> Prediction:
    return Prediction(
        id=name,
        model="m",
        unit=name,
        asked_s=at_s,
        answered_s=at_s,
        arm="champion",
        version=version,
        served_by=version,
        value=0.5,
        latency_ms=1.0,
        inputs=inputs,
    )


def fed(watch: DriftWatch, given: Sequence[LogRow], *, hours: float, now_s: float | None = None) -> list[Alarm]:
    """Feed them, and look when so many hours have passed."""
    watch.feed(Batch(given))
    at_s = START + hours * HOUR_S + GRACE_S
    return watch.look(REIGN, REFERENCE, event_s=at_s, now_s=at_s if now_s is None else now_s)


def standing(records: MemoryRecords) -> DriftStanding:
    found = records.get(DriftStanding, "m/v1")
    assert found is not None
    return found


def test_quiet_hours_are_judged_and_nothing_is_told():
    records, service = MemoryRecords(), Service()
    watch = DriftWatch("m", SPEC, records)
    for hour in range(48):
        assert fed(watch, service.hour(hour), hours=hour + 1) == []
    held = standing(records)
    assert (held.calls, held.counted, held.until_s) == (48 * ROWS, 48 * ROWS, START + 48 * HOUR_S)
    assert records.all(Verdict) == []


def test_a_drift_of_a_column_that_the_model_leans_on_is_a_ticket_naming_it_and_its_date():
    records, service = MemoryRecords(), Service()
    watch = DriftWatch("m", SPEC, records)
    told: list[Alarm] = []
    for hour in range(12):
        told += fed(watch, service.hour(hour, mean=0.0 if hour < 6 else 0.6), hours=hour + 1)
    (alarm,) = told
    assert (alarm.severity, alarm.cause, alarm.about, alarm.version) == ("ticket", "drift", "wait", "v1")
    assert "Moved: wait: higher by 0." in alarm.sentence
    assert "since 2023-11-15 18:00 UTC" in alarm.sentence
    assert "The champion leans on wait" in alarm.sentence
    assert alarm.next == f"lockgate why {alarm.verdict}"
    assert [life.about for life in alarms.opened(records, "m")] == ["wait"]
    found = records.get(DriftFound, alarm.verdict or "")
    assert found is not None
    assert [one.name for one in found.moved if one.is_listed] == ["wait"]
    assert found.since_s == START + 6 * HOUR_S


def test_a_drift_that_the_model_does_not_lean_on_is_a_note_and_opens_nothing():
    records, service = MemoryRecords(), Service()
    spec = msgspec.structs.replace(SPEC, drift_at=0.9)
    watch = DriftWatch("m", spec, records)
    told = [alarm for hour in range(8) for alarm in fed(watch, service.hour(hour, mean=0.6), hours=hour + 1)]
    assert [alarm.severity for alarm in told] == ["note"]
    assert "nobody is called" in told[0].sentence
    assert alarms.opened(records, "m") == []


def test_a_drift_that_is_over_says_so_and_ends_its_alarm():
    records, service = MemoryRecords(), Service()
    watch = DriftWatch("m", SPEC, records)
    told: list[Alarm] = []
    for hour in range(60):
        told += fed(watch, service.hour(hour, mean=0.8 if hour < 4 else 0.0), hours=hour + 1)
    assert [(alarm.severity, alarm.is_over) for alarm in told] == [("ticket", False), ("note", True)]
    assert "The drift is over" in told[1].sentence
    assert alarms.opened(records, "m") == []


def test_an_hour_waits_for_the_windows_of_its_calls_but_not_for_ever():
    records, service = MemoryRecords(), Service()
    watch = DriftWatch("m", SPEC, records)
    given = service.hour(0, lost=40)
    last_s = START + ROWS - 1
    fed(watch, given, hours=1, now_s=last_s + PATIENCE_S - 1)
    assert records.all(DriftStanding) == []
    fed(watch, [], hours=1, now_s=last_s + PATIENCE_S)
    assert (standing(records).calls, standing(records).counted) == (ROWS, ROWS - 40)


def test_what_a_killed_worker_had_not_written_is_said_with_the_verdict():
    records, service = MemoryRecords(), Service()
    watch = DriftWatch("m", SPEC, records)
    for hour in range(8):
        fed(watch, service.hour(hour, mean=0.8, lost=40 if hour == 0 else 0), hours=hour + 1, now_s=START + 1e6)
    (found,) = records.all(DriftFound)
    assert found.calls - found.counted == 40


def test_what_comes_after_its_hour_is_added_to_the_next_and_the_next_day_to_none():
    records, service = MemoryRecords(), Service()
    watch = DriftWatch("m", SPEC, records)
    late = service.window(START, rows(5, 50), "late")
    very_late = service.window(START, rows(6, 50), "late")
    fed(watch, service.hour(0), hours=1)
    fed(watch, [late], hours=1)
    assert standing(records).counted == ROWS
    fed(watch, service.hour(1), hours=2)
    assert (standing(records).counted, standing(records).late) == (2 * ROWS + 50, 50)
    day = int(LATE_S / HOUR_S) + 2
    fed(watch, service.hour(day), hours=day + 1)
    fed(watch, [very_late, *service.hour(day + 1)], hours=day + 2)
    assert (standing(records).counted, standing(records).late) == (4 * ROWS + 50, 50)


def test_a_restart_reads_the_log_again_and_goes_on_to_the_same_bits():
    service = Service()
    log = [service.hour(hour, mean=0.0 if hour < 9 else 0.5, workers=2) for hour in range(20)]
    whole, cut = MemoryRecords(), MemoryRecords()
    watch = DriftWatch("m", SPEC, whole)
    for hour in range(20):
        fed(watch, log[hour], hours=hour + 1)
    for hour in range(20):
        again = DriftWatch("m", SPEC, cut)
        fed(again, [row for part in log[: hour + 1] for row in part], hours=hour + 1)
    assert standing(cut) == standing(whole)
    assert [alarm.sentence for alarm in cut.all(Alarm)] == [alarm.sentence for alarm in whole.all(Alarm)] != []


def test_another_leaders_turns_are_taken_over():
    service = Service()
    log = [service.hour(hour, mean=0.0 if hour < 9 else 0.5, workers=2) for hour in range(20)]
    alone, shared = MemoryRecords(), MemoryRecords()
    watch, leaders = DriftWatch("m", SPEC, alone), [DriftWatch("m", SPEC, shared) for _ in range(2)]
    for hour in range(20):
        fed(watch, log[hour], hours=hour + 1)
        for leader in leaders:
            leader.feed(Batch(log[hour]))
        fed(leaders[hour % 2], [], hours=hour + 1)
    assert standing(shared) == standing(alone)


def test_what_could_not_be_written_is_judged_again(monkeypatch: pytest.MonkeyPatch):
    service = Service()
    log = [service.hour(hour, mean=0.6) for hour in range(6)]
    whole, torn = MemoryRecords(), MemoryRecords()
    watch, other = DriftWatch("m", SPEC, whole), DriftWatch("m", SPEC, torn)
    for hour in range(6):
        fed(watch, log[hour], hours=hour + 1)
        with monkeypatch.context() as patched:
            patched.setattr(torn, "write", _refuse)
            with pytest.raises(OSError, match="full"):
                fed(other, log[hour], hours=hour + 1)
        fed(other, [], hours=hour + 1)
    assert standing(torn) == standing(whole)
    assert [life.times for life in torn.all(AlarmLife)] == [1]


def _refuse(*_: object, **__: object) -> None:
    raise OSError("The disk is full.")


def test_hours_without_calls_are_no_windows_and_those_nobody_counted_say_nothing():
    records, service = MemoryRecords(), Service()
    watch = DriftWatch("m", SPEC, records)
    uncounted = [row for row in service.hour(3) if isinstance(row, Prediction)]
    fed(watch, [*service.hour(0), *uncounted, *service.hour(7)], hours=8, now_s=START + 1e6)
    held = standing(records)
    assert (held.calls, held.counted, held.until_s) == (2 * ROWS, 2 * ROWS, START + 8 * HOUR_S)
    assert held.judge is not None
    assert '"windows":2,' in held.judge


def test_windows_as_long_as_the_spec_says_are_put_together_of_hours_also_over_a_restart():
    service = Service()
    spec = msgspec.structs.replace(SPEC, window="1d")
    log = [service.hour(hour) for hour in range(62)]
    records, cut = MemoryRecords(), MemoryRecords()
    watch = DriftWatch("m", spec, records)
    for hour in range(62):
        fed(watch, log[hour], hours=hour + 1)
        fed(DriftWatch("m", spec, cut), [row for part in log[: hour + 1] for row in part], hours=hour + 1)
    held = standing(records)
    assert held == standing(cut)
    assert held.judge is not None
    assert '"windows":2,' in held.judge, "days from the first hour on"
    assert held.taken is not None


def test_a_version_that_becomes_champion_again_begins_anew():
    records, service = MemoryRecords(), Service()
    watch = DriftWatch("m", SPEC, records)
    for hour in range(6):
        fed(watch, service.hour(hour, mean=0.6), hours=hour + 1)
    assert standing(records).told == ("wait",)
    back_s = START + 10 * HOUR_S
    watch.feed(Batch([*service.hour(9, mean=0.6), *service.hour(10)]))
    at_s = back_s + HOUR_S + GRACE_S
    assert watch.look(Reign("v1", back_s), REFERENCE, event_s=at_s, now_s=at_s) == []
    assert (standing(records).told, standing(records).counted) == ((), ROWS)


def test_a_column_that_begins_beside_a_drift_that_stands_is_told_too():
    records, service = MemoryRecords(), Service()
    spec = msgspec.structs.replace(SPEC, drift_at=0.02)
    watch = DriftWatch("m", spec, records)
    told: list[Alarm] = []
    for hour in range(30):
        given = [
            msgspec.structs.replace(row, inputs=(row.inputs[0], "UA" if hour >= 10 else row.inputs[1]))
            for row in service.hour(hour, mean=0.6)
            if isinstance(row, Prediction)
        ]
        inputs = [row.inputs for row in given]
        told += fed(watch, [*given, service.window(START + hour * HOUR_S, inputs, "beside")], hours=hour + 1)
    assert [alarm.about for alarm in told] == ["wait", "carrier"]
