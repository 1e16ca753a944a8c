"""A process counts the calls it answers: by who answered and by hour, said in time, and never in an answer's way."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from lockgate.errors import NotFound, StoreError
from lockgate.features.columns import from_tuples
from lockgate.features.profiles.columns import reference, window
from lockgate.records import Column, Prediction, Shadow
from lockgate.records.prediction import Scalar, Window
from lockgate.records.profile import Profile, merged, read_profile
from lockgate.serve import counted
from lockgate.serve.counted import Asked, Counted
from lockgate.serve.window_author import HOUR_S

COLUMNS = (Column(name="wait", type="float"), Column(name="carrier", type="text"))
ORDER = ("wait", "carrier")
RNG = np.random.default_rng(0)
TRAINED: list[tuple[Scalar, ...]] = [(float(x), "AA" if x > 0 else "UA") for x in RNG.standard_normal(500)]
REFERENCE = reference(from_tuples(COLUMNS, TRAINED), COLUMNS)
NOON = 1_700_049_600.0


def profiles(version: str) -> Profile:
    if version == "constant":
        raise NotFound("There is no version constant.")
    return REFERENCE


class Kept:
    def __init__(self) -> None:
        self.windows: list[Window] = []
        self.refuses = False

    def __call__(self, windows: Sequence[Window]) -> None:
        if self.refuses:
            raise StoreError("The disk is full.")
        self.windows += windows


def call(number: int, at_s: float, by: str = "v1", inputs: tuple[Scalar, ...] | None = None) -> Prediction:
    return Prediction(
        id=f"c{number}",
        model="m",
        unit=f"c{number}",
        asked_s=at_s,
        answered_s=at_s,
        arm="champion",
        version="v1",
        served_by=by,
        value=0.5,
        latency_ms=1.0,
        inputs=TRAINED[number] if inputs is None else inputs,
    )


def profile_of(windows: Sequence[Window]) -> Profile:
    found = merged([read_profile(one.profile, "a window") for one in windows])
    assert found is not None
    return found


def test_each_hour_of_each_version_is_a_window_and_together_they_are_the_rows_to_the_bit():
    kept = Kept()
    counts = Counted(profiles, kept)
    for number in range(300):
        counts.note([call(number, NOON + number * 30, by="v1" if number % 3 else "v2")])
        if number % 50 == 0:
            counts.look({"m": Asked(ORDER, "v1")})
    counts.look({"m": Asked(ORDER, "v1")}, is_last=True)
    assert {(one.version, one.since_s) for one in kept.windows} == {
        (version, NOON + hour * HOUR_S) for version in ("v1", "v2") for hour in range(3)
    }
    own = [number for number in range(300) if number % 3]
    expected = window(from_tuples(COLUMNS, [TRAINED[number] for number in own]), REFERENCE)
    found = profile_of([one for one in kept.windows if one.version == "v1"])
    assert (found.rows, found.columns, found.pairs) == (200, expected.columns, expected.pairs)
    assert counts.missed == 0


def test_windows_are_numbered_by_version_without_a_gap():
    kept = Kept()
    counts = Counted(profiles, kept)
    for number in range(4):
        counts.note([call(number, NOON, by="v1"), call(number + 100, NOON, by="v2")])
        counts.look({"m": Asked(ORDER, "v1")}, is_last=True)
    for version in ("v1", "v2"):
        assert [one.number for one in kept.windows if one.version == version] == [0, 1, 2, 3]
    assert len({one.who for one in kept.windows}) == 1


def test_an_hour_is_said_once_a_minute_and_at_once_when_it_is_over(monkeypatch: pytest.MonkeyPatch):
    now = 100.0
    monkeypatch.setattr(counted.time, "monotonic", lambda: now)
    kept = Kept()
    counts = Counted(profiles, kept)
    counts.note([call(0, NOON)])
    counts.look({"m": Asked(ORDER, "v1")})
    now += 59.0
    counts.look({"m": Asked(ORDER, "v1")})
    assert kept.windows == []
    now += 1.0
    counts.look({"m": Asked(ORDER, "v1")})
    assert [one.since_s for one in kept.windows] == [NOON]
    counts.note([call(1, NOON)])
    counts.look({"m": Asked(ORDER, "v1")})
    counts.note([call(2, NOON + HOUR_S)])
    counts.look({"m": Asked(ORDER, "v1")})
    assert len(kept.windows) == 1, "an hour that had a call just now may have another"
    now += 1.0
    counts.look({"m": Asked(ORDER, "v1")})
    assert [one.since_s for one in kept.windows] == [NOON, NOON]


def test_calls_that_nothing_is_known_of_are_left_alone_and_it_is_said_once(caplog: pytest.LogCaptureFixture):
    def none(_version: str) -> Profile:
        raise StoreError("profile.json of version v1 was counted by engine 1.")

    kept = Kept()
    counts = Counted(none, kept)
    with caplog.at_level(logging.WARNING, logger="lockgate.windows"):
        for number in range(3):
            counts.note([call(number, NOON)])
            counts.look({"m": Asked(ORDER, "v1")}, is_last=True)
    assert kept.windows == []
    assert len(caplog.records) == 1
    assert "engine 1" in caplog.text


def test_a_fallback_that_is_no_version_is_not_worth_a_word(caplog: pytest.LogCaptureFixture):
    counts = Counted(profiles, Kept())
    counts.note([call(0, NOON, by="constant")])
    counts.look({"m": Asked(ORDER, "v1")}, is_last=True)
    assert not caplog.records


def test_what_the_disk_refuses_is_written_when_it_takes_it(monkeypatch: pytest.MonkeyPatch):
    now = 100.0
    monkeypatch.setattr(counted.time, "monotonic", lambda: now)
    kept = Kept()
    kept.refuses = True
    counts = Counted(profiles, kept)
    counts.note([call(0, NOON)])
    counts.look({"m": Asked(ORDER, "v1")}, is_last=True)
    kept.refuses = False
    counts.look({"m": Asked(ORDER, "v1")})
    assert kept.windows == [], "a disk that refused is left alone for a while"
    now += counted.RETRY_S
    counts.look({"m": Asked(ORDER, "v1")})
    assert profile_of(kept.windows).rows == 1


def test_rows_of_another_width_and_shadows_count_for_nothing():
    kept = Kept()
    counts = Counted(profiles, kept)
    shadow = Shadow(id="c0", model="m", version="v2", rollout=None, asked_s=NOON, value=0.5, latency_ms=1.0)
    counts.note([call(0, NOON), shadow, call(1, NOON, inputs=(1.0,)), call(2, NOON)])
    counts.look({"m": Asked(ORDER, "v1")}, is_last=True)
    assert profile_of(kept.windows).rows == 2
    assert counts.missed == 1


def test_where_a_models_columns_change_nothing_is_counted_in_the_wrong_place():
    kept = Kept()
    counts = Counted(profiles, kept)
    counts.note([call(0, NOON)])
    counts.look({"m": Asked(ORDER, "v1")})
    turned: tuple[Scalar, ...] = ("AA", 2.0)
    counts.note([call(1, NOON), call(2, NOON, inputs=turned)])
    counts.look({"m": Asked(ORDER[::-1], "v1")})
    counts.look({"m": Asked(ORDER[::-1], "v1")})
    counts.note([call(3, NOON, inputs=turned)])
    counts.look({"m": Asked(ORDER[::-1], "v1")}, is_last=True)
    found = profile_of(kept.windows)
    column = found.column("wait")
    assert column is not None
    assert (found.rows, column.unseen, counts.missed) == (2, 0, 2)


def test_a_flood_is_counted_up_to_a_bound_and_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(counted, "MOST_NOTED", 5)
    kept = Kept()
    counts = Counted(profiles, kept)
    for number in range(8):
        counts.note([call(number, NOON)])
    counts.look({"m": Asked(ORDER, "v1")}, is_last=True)
    assert (profile_of(kept.windows).rows, counts.missed) == (5, 3)


def test_hours_without_end_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(counted, "MOST_OPEN", 4)
    kept = Kept()
    counts = Counted(profiles, kept)
    for number in range(20):
        counts.note([call(number, NOON - number * HOUR_S)])
    counts.look({"m": Asked(ORDER, "v1")})
    assert len(kept.windows) == 16
    counts.look({"m": Asked(ORDER, "v1")}, is_last=True)
    assert profile_of(kept.windows).rows == 20


def refused(windows: Sequence[Window]) -> dict[float, dict[str, int]]:
    return {one.since_s: msgspec.json.decode(one.refused) for one in windows if one.refused}


def test_calls_that_the_contract_refuses_are_counted_beside_the_champions_hour(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(counted.time, "time", lambda: NOON + 60.0)
    kept = Kept()
    counts = Counted(profiles, kept)
    counts.note([call(number, NOON) for number in range(10)])
    for column in ("wait", "wait", "its shape"):
        counts.refuse("m", column)
    counts.refuse("strange", "wait")
    counts.look({"m": Asked(ORDER, "v1")}, is_last=True)
    (window_,) = kept.windows
    assert refused(kept.windows) == {NOON: {"wait": 2, "its shape": 1}}
    assert profile_of([window_]).rows == 10


def test_where_every_call_is_refused_this_hour_says_so_and_among_replayed_calls_the_newest(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(counted.time, "time", lambda: NOON + 5 * HOUR_S)
    kept = Kept()
    counts = Counted(profiles, kept)
    counts.refuse("m", "wait")
    counts.look({"m": Asked(ORDER, "v1")}, is_last=True)
    assert refused(kept.windows) == {NOON + 5 * HOUR_S: {"wait": 1}}
    assert profile_of(kept.windows).rows == 0
    kept.windows.clear()
    counts = Counted(profiles, kept)
    counts.note([msgspec.structs.replace(call(0, NOON), answered_s=NOON + 5 * HOUR_S)])
    counts.look({"m": Asked(ORDER, "v1")})
    counts.refuse("m", "wait")
    counts.look({"m": Asked(ORDER, "v1")}, is_last=True)
    assert refused(kept.windows) == {NOON: {"wait": 1}}
