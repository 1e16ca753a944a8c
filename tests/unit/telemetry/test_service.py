"""How the service does, out of series: rates of the last minute, quantiles as Prometheus has them, a file that is fresh."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.errors import StoreError
from lockgate.records.service import Service
from lockgate.report.service import service_lines, troubled
from lockgate.store import service_file
from lockgate.telemetry.families import BOUNDS_S, WIDTH
from lockgate.telemetry.service import SPAN_S, ServiceMeter, quantile_ms
from lockgate.telemetry.totals import ByName

CALL = ("late", "v1", "champion")


def told(*, calls: float = 0, failed: float = 0, cpu: float = 0, workers: float = 2, **gauges: float) -> ByName:
    """calls: each took between 1 and 2.5 ms."""
    took = [0.0] * WIDTH
    took[BOUNDS_S.index(0.0025)] = calls + failed
    return {
        "lockgate_requests_total": {(*CALL, "ok"): [calls], (*CALL, "fallback"): [failed]},
        "lockgate_call_duration_seconds": {CALL: took},
        "lockgate_http_requests_total": {("/predict/{model}", "late", "500"): [gauges.pop("errors", 0.0)]},
        "lockgate_refusals_total": {("late", "busy"): [gauges.pop("refused", 0.0)]},
        "lockgate_process_cpu_seconds_total": {("worker",): [cpu], ("control",): [100.0 * cpu]},
        "lockgate_workers_up": {(): [workers]},
        "lockgate_workers_wanted": {(): [2.0]},
        "lockgate_calls_in_hand_limit": {(): [512.0]},
        **{f"lockgate_{name}": {(): [value]} for name, value in gauges.items()},
    }


def looked(*pairs: tuple[float, ByName]) -> Service:
    meter = ServiceMeter()
    found = [meter.look(gathered, at_s) for at_s, gathered in pairs][-1]
    assert found is not None
    return found


def test_rates_are_of_the_stretch_between_two_looks():
    found = looked((1000.0, told(calls=100, cpu=5)), (1010.0, told(calls=190, failed=10, cpu=9, errors=1, refused=4)))
    assert (found.span_s, found.calls_per_s, found.fallback_rate) == (10.0, 10.0, 0.1)
    assert (found.errors_per_s, found.refusals_per_s, found.cpu) == (0.1, 0.4, 0.4)
    assert 1.0 < found.median_ms < found.p99_ms < 2.5


def test_a_first_look_has_no_rates_and_claims_none():
    found = looked((1000.0, told(calls=1e6, cpu=50)))
    assert (found.calls_per_s, found.fallback_rate, found.median_ms, found.cpu) == (0.0, None, None, 0.0)


def test_what_is_older_than_a_minute_is_forgotten_and_a_clock_set_back_begins_anew():
    meter = ServiceMeter()
    for second in range(0, 200, 5):
        found = meter.look(told(calls=second * 3.0), 1000.0 + second)
    assert found.span_s <= SPAN_S
    assert found.calls_per_s == pytest.approx(3.0)
    back = meter.look(told(calls=700.0), 900.0)
    assert (back.span_s, back.calls_per_s) == (0.0, 0.0)


def test_a_version_that_comes_back_from_nothing_is_no_negative_rate():
    found = looked((0.0, told(calls=500)), (10.0, told(calls=20)))
    assert found.calls_per_s == 0


def test_nobody_serves_where_no_worker_lives():
    assert ServiceMeter().look(told(workers=0), 1000.0) is None


@given(st.lists(st.integers(0, 1000), min_size=WIDTH - 1, max_size=WIDTH - 1), st.floats(0.01, 0.99))
def test_a_quantile_lies_in_the_bucket_that_holds_it(counts, q):
    numbers = np.array([*counts, 0.0], dtype=float)
    found = quantile_ms(numbers, q)
    if not sum(counts):
        assert found is None
        return
    place = int(np.argmax(np.cumsum(counts) >= q * sum(counts)))
    ends = [0.0, *BOUNDS_S, BOUNDS_S[-1]]
    assert ends[place] * 1000 - 1e-9 <= found <= ends[min(place + 1, len(BOUNDS_S))] * 1000 + 1e-9


def test_quantiles_grow_with_their_share():
    numbers = np.ones(WIDTH)
    found = [quantile_ms(numbers, q) for q in (0.1, 0.5, 0.9, 0.99)]
    assert found == sorted(found)


@pytest.mark.parametrize(
    ("gauges", "said"),
    [
        ({"workers": 1.0}, "Only 1 of 2 workers live."),
        ({"calls_in_hand": 500.0}, "The workers give 98% of what they can"),
        ({"log_spilled": 12.0}, "12 entries of the prediction log wait in memory"),
        ({"log_dropped_total": 7.0}, "7 entries of the prediction log were lost"),
    ],
    ids=str,
)
def test_what_is_not_well_is_said_in_a_sentence(gauges, said):
    found = looked((0.0, told(**gauges)), (10.0, told(**gauges)))
    assert [sentence for sentence in troubled(found) if said in sentence]
    assert troubled(looked((0.0, told()), (10.0, told(calls=50)))) == []


def test_a_line_has_every_figure_and_there_is_none_where_nobody_serves():
    (line,) = service_lines(looked((0.0, told()), (10.0, told(calls=50))))
    assert line.startswith("service: workers 2 of 2, calls 5.0/s, latency")
    assert service_lines(None) == []


def test_the_file_says_how_things_are_and_not_how_they_were(tmp_path: Path):
    found = looked((1000.0, told(calls=1)))
    service_file.write(tmp_path, found)
    assert service_file.read(tmp_path, now_s=1010.0) == found
    assert service_file.read(tmp_path, now_s=1000.0 + 2 * service_file.FRESH_S) is None
    (tmp_path / service_file.FILE).write_text("torn")
    assert service_file.read(tmp_path, now_s=1010.0) is None
    service_file.write(tmp_path, None)
    service_file.write(tmp_path, None)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StoreError, match="cannot be written"):
        service_file.write(tmp_path / "nowhere", found)
