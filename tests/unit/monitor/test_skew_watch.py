"""When a model's newest calls are looked at, and what is told of what differs."""

from __future__ import annotations

from typing import Any

from lockgate.monitor import skew_watch
from lockgate.monitor.came import Batch
from lockgate.monitor.skew_watch import SAMPLE, SkewWatch
from lockgate.records import Prediction, Ruling, Skewed, SkewReport
from lockgate.report.words import text


def call(number: int, **more: Any) -> Prediction:
    said: dict[str, Any] = {
        "id": f"c{number}",
        "model": "late",
        "unit": "u",
        "asked_s": float(number),
        "answered_s": float(number),
        "arm": "champion",
        "version": "v",
        "served_by": "v",
        "value": 0.5,
        "latency_ms": 1.0,
        "inputs": (1.0,),
    }
    return Prediction(**(said | more))


def test_the_newest_calls_are_looked_at_once_an_hour_of_event_time() -> None:
    watch = SkewWatch()
    assert watch.due(event_s=0.0, wall_s=0.0) == []
    watch.feed(Batch([call(n) for n in range(SAMPLE + 50)]))
    found = watch.due(event_s=1000.0, wall_s=0.0)
    assert [one.id for one in found] == [f"c{n}" for n in range(50, SAMPLE + 50)]
    assert watch.due(event_s=4000.0, wall_s=100.0) == []
    assert watch.due(event_s=4600.0, wall_s=9.0) == [], "a replay of days is not held up at each of its hours"
    assert len(watch.due(event_s=4600.0, wall_s=10.0)) == SAMPLE


def test_a_call_that_comes_twice_or_cannot_be_replayed_is_passed_over() -> None:
    watch = SkewWatch()
    watch.feed(Batch([call(1), call(2, inputs=()), call(3, served_by="w", failure="late"), call(4)]))
    watch.feed(Batch([call(1), call(4)]))
    assert [one.id for one in watch.due(event_s=0.0, wall_s=0.0)] == ["c1", "c4"]


def skewed(column: str = "x", version: str | None = "v") -> Skewed:
    return Skewed(
        kind="feature",
        column=column,
        version=version,
        calls=200,
        differ=50,
        first="c7",
        logged=1.0,
        table=2.0,
        largest=1.0,
        sentence=f"The feature {column!r} differs; the first is c7.",
    )


def report(*found: Skewed) -> SkewReport:
    return SkewReport(
        model="late",
        calls={"trees-v": 200},
        beside=0,
        left_out={},
        skewed=found,
        ruling=Ruling.FAIL,
        sentence="",
        next="",
        since_s=10.0,
        until_s=20.0,
    )


def test_what_differs_is_a_verdict_that_can_be_drawn_and_a_ticket_with_the_command_to_run() -> None:
    one, other = skew_watch.verdicts(report(skewed(), skewed("y")), now_s=99.0)
    assert (one.ruling, one.subject, one.gate.name, one.gate.claim) == (Ruling.FAIL, ("v", "x"), "skew of x", "skewed")
    assert (one.evidence.n, one.evidence.events, one.at_s, one.written_s) == ((200,), (50,), 20.0, 99.0)
    assert one.id != other.id
    assert any("0.25" in line for line in text(one))
    told = skew_watch.alarm(one)
    assert (told.cause, told.severity, told.verdict, told.next) == ("skew", "ticket", one.id, "lockgate data skew late")
    assert "c7" in told.sentence
