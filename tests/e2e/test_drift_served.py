"""`lockgate serve` with two workers: each counts the calls it answers, the loop puts them together, and a drift is told."""

from __future__ import annotations

import os
import re
import signal
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import httpx
import numpy as np
import pytest

from lockgate.records import Alarm, Prediction, Verdict
from lockgate.records.drift import DriftFound, DriftStanding
from lockgate.records.prediction import Window
from lockgate.records.profile import read_profile

# A worker that had no call of the last hour writes the one before it within a minute; mostly it takes two seconds.
PATIENT_S = 120.0
HOUR_S, PER_HOUR, AT_ONCE = 3600.0, 80, 10
FIRST_S = 1_703_930_400.0  # 2023-12-30 10:00 UTC
MONITOR = '\n[model.tide.monitor]\nwindow = "1h"\ndrift_at = 0.05\n'


@pytest.fixture
def hourly(workshop: Any) -> Any:
    """A workspace whose drift is read from hours."""
    toml = workshop.root / "lockgate.toml"
    toml.write_text(toml.read_text() + MONITOR)
    return workshop


def ask(server: Any, hour: int, *, x1: float = 0.0) -> None:
    """An hour's calls, each request by a connection of its own, so that both workers get some."""
    rng = np.random.default_rng(hour)
    rows = [
        {
            "boat": f"h{hour}-{place}",
            "asked_at": stamp(hour, place),
            "x1": float(rng.normal(x1)),
            "x2": float(rng.normal(1)) if rng.random() > 0.1 else None,
            "colour": str(rng.choice(["red", "green", "blue"])),
        }
        for place in range(PER_HOUR)
    ]
    for start in range(0, PER_HOUR, AT_ONCE):
        answered = httpx.post(f"{server.url}/predict/tide", json={"rows": rows[start : start + AT_ONCE]}, timeout=15)
        assert answered.status_code == 200, answered.text


def stamp(hour: int, place: int) -> str:
    at_s = FIRST_S + hour * HOUR_S + place * HOUR_S / PER_HOUR
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def judged_until(workspace: Any) -> float:
    found = workspace.wiring.records.all(DriftStanding, "tide")
    return found[0].until_s if found else 0.0


def test_drifted_traffic_is_a_ticket_that_names_the_column_and_quiet_traffic_is_none(hourly: Any, until: Any) -> None:
    workspace = hourly.open()
    with hourly.serving(workers=2) as server:
        for hour in range(6):
            ask(server, hour)
        until(lambda: judged_until(workspace) >= FIRST_S + 5 * HOUR_S, "five hours judged", within_s=PATIENT_S)
        assert [alarm for alarm in workspace.wiring.records.all(Alarm) if alarm.cause == "drift"] == []
        for hour in range(6, 12):
            ask(server, hour, x1=1.5)
        until(lambda: _drifts(workspace), "the drift", within_s=PATIENT_S)
    (alarm,) = _drifts(workspace)
    assert (alarm.severity, alarm.about) == ("ticket", "x1")
    assert "x1: higher by" in alarm.sentence
    assert re.search(r"since 2023-12-30 1[56]:00 UTC", alarm.sentence), "the first hour of it, or the one before"
    windows = [row for row in hourly.log() if isinstance(row, Window)]
    assert len({window.who for window in windows}) == 2, "both workers counted"
    why = hourly.run("why", alarm.verdict or "")
    assert why.returncode == 0, why.stderr
    assert "x1" in why.stdout
    workspace.close()


def _drifts(workspace: Any) -> list[Alarm]:
    return [alarm for alarm in workspace.wiring.records.all(Alarm) if alarm.cause == "drift"]


def test_workers_that_are_asked_to_stop_write_down_all_that_they_counted(hourly: Any, until: Any) -> None:
    with hourly.serving(workers=2) as server:
        for hour in range(2):
            ask(server, hour)
    log = hourly.log()
    calls = Counter(row.served_by for row in log if isinstance(row, Prediction))
    counted: Counter[str] = Counter()
    for row in log:
        if isinstance(row, Window):
            counted[row.version] += read_profile(row.profile, "a window").rows
    assert calls == counted
    assert calls.total() == 2 * PER_HOUR


@pytest.mark.slow
def test_a_killed_worker_loses_what_it_had_not_written_and_the_verdict_says_how_much(hourly: Any, until: Any) -> None:
    workspace = hourly.open()
    with hourly.serving(workers=2) as server:
        ask(server, 0, x1=1.5)
        for pid in server.state["workers"]:
            os.kill(pid, signal.SIGKILL)
        until(server.is_ready, "new workers", within_s=30)
        for hour in range(1, 8):
            ask(server, hour, x1=1.5)
        until(lambda: _drifts(workspace), "the drift, once the first hour is waited for no longer", within_s=200)
    found = workspace.wiring.records.all(DriftFound, "tide")
    verdict = workspace.wiring.records.get(Verdict, found[0].id)
    assert verdict is not None
    standing = workspace.wiring.records.all(DriftStanding, "tide")[0]
    calls = [row for row in hourly.log() if isinstance(row, Prediction)]
    assert len(calls) == 8 * PER_HOUR, "no call is lost"
    assert 0 <= standing.calls - standing.counted <= PER_HOUR
    workspace.close()


def test_callers_that_break_the_contract_page_somebody_within_a_minute_or_two(workshop: Any, until: Any) -> None:
    """A client was changed: its numbers come as texts, and every call is a 422."""
    workspace = workshop.open()
    with workshop.serving(workers=2) as server:
        row = {"boat": "b", "asked_at": "2023-12-30T10:00:00Z", "x1": "0.3", "x2": 1.0, "colour": "red"}
        for _ in range(60):
            answered = httpx.post(f"{server.url}/predict/tide", json={"rows": [row]}, timeout=15)
            assert (answered.status_code, answered.json()["error"]["column"]) == (422, "x1"), answered.text
        until(lambda: _faults(workspace), "the fault", within_s=PATIENT_S)
    (alarm,) = _faults(workspace)
    assert (alarm.severity, alarm.about) == ("page", "contract x1")
    assert alarm.sentence.startswith("The contract refused all 60 rows for x1")
    why = workshop.run("why", alarm.verdict or "")
    assert why.returncode == 0, why.stderr
    status = workshop.run("status")
    assert "contract refused all 60 rows" in status.stdout
    workspace.close()


def _faults(workspace: Any) -> list[Alarm]:
    return [alarm for alarm in workspace.wiring.records.all(Alarm) if alarm.cause == "fault"]
