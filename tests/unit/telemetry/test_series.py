"""What is counted of calls, shadows, outcomes, requests and refusals, and that counting loses nothing between threads."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from lockgate.records import Outcome, Prediction, Shadow
from lockgate.telemetry.families import BOUNDS_S, FAMILIES, WIDTH
from lockgate.telemetry.series import Series
from lockgate.telemetry.totals import MOST, OTHER, Totals


def prediction(**changed: Any) -> Prediction:
    usual = {
        "id": "r1-0",
        "model": "late",
        "unit": "u1",
        "asked_s": 0.0,
        "answered_s": 0.0,
        "arm": "champion",
        "version": "v1",
        "served_by": "v1",
        "value": 0.5,
        "latency_ms": 2.0,
    }
    return Prediction(**(usual | changed))


def told(series: Series, name: str) -> dict[tuple[str, ...], Any]:
    """By labels, the number; of a histogram, all of them."""
    cells = series.totals().by_name.get(name, {})
    return {labels: numbers if len(numbers) > 1 else numbers[0] for labels, numbers in cells.items()}


def test_calls_are_counted_by_the_version_assigned_and_by_whether_it_answered_itself():
    series = Series()
    series.count([prediction(), prediction(latency_ms=3.0)])
    series.count([prediction(failure="late", served_by="constant"), prediction(arm="challenger", version="v2")])
    assert told(series, "lockgate_requests_total") == {
        ("late", "v1", "champion", "ok"): 2,
        ("late", "v1", "champion", "fallback"): 1,
        ("late", "v2", "challenger", "ok"): 1,
    }
    assert told(series, "lockgate_fallback_total") == {("late", "late"): 1}


def test_a_latency_stands_in_the_bucket_whose_upper_end_it_does_not_pass():
    series = Series()
    series.count([prediction(latency_ms=ms) for ms in (0.05, 0.06, 10_000.0, 10_000.1)])
    numbers = told(series, "lockgate_call_duration_seconds")["late", "v1", "champion"]
    assert len(numbers) == WIDTH
    assert [place for place, count in enumerate(numbers[:-1]) if count] == [0, 1, len(BOUNDS_S) - 1, len(BOUNDS_S)]
    assert numbers[-1] == pytest.approx(20.00021)


@pytest.mark.parametrize(
    "other",
    [{"failure": "late"}, {"version": "v2"}, {"arm": "challenger"}, {"model": "early"}, {"latency_ms": 0.01}],
    ids=str,
)
def test_rows_answered_together_count_as_they_would_alone(other):
    rows = [prediction(), prediction(), prediction(**other), prediction(**other), prediction()]
    together, alone = Series(), Series()
    together.count(rows)
    for row in rows:
        alone.count([row])
    assert together.totals().by_name == alone.totals().by_name


def test_flags_are_counted_by_column_or_by_rule():
    series = Series()
    series.count([prediction(flags=("wait: above range", "input wait: above range", "short first: broken"))])
    assert told(series, "lockgate_contract_violations_total") == {
        ("late", "wait", "flagged"): 2,
        ("late", "short first", "flagged"): 1,
    }


def test_shadows_and_outcomes_are_counted_beside():
    series = Series()
    shadow = {"id": "a", "model": "late", "version": "v2", "rollout": "r", "asked_s": 0.0, "latency_ms": 1.0}
    series.count([Shadow(**shadow, value=0.1), Shadow(**shadow, value=None, failure="raised")])
    series.count([Outcome(id="a", model="late", value=1.0, at_s=0.0, received_s=0.0)])
    assert told(series, "lockgate_shadows_total") == {("late", "v2", "ok"): 1, ("late", "v2", "failed"): 1}
    assert told(series, "lockgate_outcomes_total") == {("late",): 1}


def test_requests_and_refusals_are_counted_by_route_status_and_code():
    series = Series()
    series.request("/predict/{model}", "late", 200, 0.002)
    series.request("/predict/{model}", "late", 422, 0.001)
    series.refused("contract", model="late", column="wait")
    assert told(series, "lockgate_http_requests_total") == {
        ("/predict/{model}", "late", "200"): 1,
        ("/predict/{model}", "late", "422"): 1,
    }
    assert sum(told(series, "lockgate_request_duration_seconds")["/predict/{model}", "late"][:-1]) == 2
    assert told(series, "lockgate_refusals_total") == {("late", "contract"): 1}
    assert told(series, "lockgate_contract_violations_total") == {("late", "wait", "refused"): 1}


def test_what_was_read_is_still_there_at_the_next_reading():
    series = Series()
    series.count([prediction(failure="raised")])
    series.totals()
    series.count([prediction(failure="raised")])
    assert told(series, "lockgate_fallback_total") == {("late", "raised"): 2}


def test_a_forgotten_version_takes_no_count_from_series_without_versions():
    series = Series()
    series.count([prediction(failure="raised"), prediction(version="v2")])
    series.totals()
    series.forget(["v1"])
    assert set(told(series, "lockgate_requests_total")) == {("late", "v2", "champion", "ok")}
    assert told(series, "lockgate_fallback_total") == {("late", "raised"): 1}


def test_no_call_is_lost_between_threads_that_count_and_one_that_reads():
    series, stop, calls = Series(), threading.Event(), 5_000
    reader = threading.Thread(target=lambda: [series.totals() for _ in iter(stop.is_set, True)])
    counters = [threading.Thread(target=lambda: [series.count([prediction()]) for _ in range(calls)]) for _ in range(4)]
    for thread in (reader, *counters):
        thread.start()
    for thread in counters:
        thread.join()
    stop.set()
    reader.join()
    assert told(series, "lockgate_requests_total") == {("late", "v1", "champion", "ok"): 4 * calls}


def test_label_sets_that_a_caller_makes_up_do_not_grow_without_end():
    totals = Totals()
    for number in range(MOST + 10):
        totals.add("lockgate_fallback_total", ("late", f"reason {number}"), [1])
    cells = totals.by_name["lockgate_fallback_total"]
    assert len(cells) == MOST + 1
    assert cells[OTHER, OTHER] == [10]


def test_numbers_that_another_release_wrote_are_passed_over():
    totals = Totals({"lockgate_of_tomorrow_total": [((), [1.0])], "lockgate_fallback_total": [(("late",), [1.0])]})
    assert totals.by_name == {}


def test_every_series_is_named_as_prometheus_asks():
    for family in FAMILIES.values():
        assert family.name.startswith("lockgate_")
        assert family.name.endswith("_total") == (family.kind == "counter")
        assert family.help.endswith(".")
