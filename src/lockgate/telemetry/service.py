"""Series of all processes into one word on how the service does: rates and quantiles over the last minute."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lockgate.records.service import Service
from lockgate.telemetry.families import BOUNDS_S, WIDTH
from lockgate.telemetry.totals import ByName

Floats = NDArray[np.float64]
SPAN_S = 60.0
_DURATION = "lockgate_call_duration_seconds"
_COUNTED = (
    "lockgate_requests_total",
    "lockgate_http_requests_total",
    "lockgate_refusals_total",
    "lockgate_process_cpu_seconds_total",
    _DURATION,
)
_Counts = Mapping[str, Mapping[tuple[str, ...], Sequence[float]]]


class ServiceMeter:
    """What was counted a minute ago is remembered, and laid beside what is counted now."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, _Counts]] = deque()

    def look(self, gathered: ByName, at_s: float) -> Service | None:
        """gathered: `Reporter.all`; at_s: wall time. None where no worker lives."""
        counts = {name: {key: tuple(cell) for key, cell in gathered.get(name, {}).items()} for name in _COUNTED}
        self._seen.append((at_s, counts))
        # A clock that was set back would leave spans that never end.
        while len(self._seen) > 1 and not 0.0 < at_s - self._seen[0][0] <= SPAN_S:
            self._seen.popleft()
        began_s, before = self._seen[0]
        workers = int(_told(gathered, "lockgate_workers_up"))
        return _service(gathered, _since(before, counts), at_s, at_s - began_s) if workers else None


def _since(before: _Counts, now: _Counts) -> dict[str, dict[tuple[str, ...], Floats]]:
    """What was counted in between. A version that comes back from 0 counts from there."""
    found: dict[str, dict[tuple[str, ...], Floats]] = {}
    for name, cells in now.items():
        zero = np.zeros(WIDTH if name == _DURATION else 1)
        grown = {key: np.array(cell) - np.array(before[name].get(key, zero)) for key, cell in cells.items()}
        found[name] = {key: np.maximum(0.0, cell) for key, cell in grown.items()}
    return found


def _service(
    gathered: ByName, grown: Mapping[str, Mapping[tuple[str, ...], Floats]], at_s: float, span_s: float
) -> Service:
    calls = {key: float(cell[0]) for key, cell in grown["lockgate_requests_total"].items()}
    asked, failed = sum(calls.values()), sum(n for key, n in calls.items() if key[3] == "fallback")
    http = grown["lockgate_http_requests_total"]
    errors = sum(float(cell[0]) for key, cell in http.items() if key[2].startswith("5") and key[2] != "503")
    refused = sum(float(cell[0]) for cell in grown["lockgate_refusals_total"].values())
    cpu = sum(float(n[0]) for (kind,), n in grown["lockgate_process_cpu_seconds_total"].items() if kind == "worker")
    took: Floats = np.stack([np.zeros(WIDTH), *grown[_DURATION].values()]).sum(axis=0)
    per_s = 1 / span_s if span_s > 0 else 0.0
    median, p95, p99 = (quantile_ms(took, q) for q in (0.5, 0.95, 0.99))
    return Service(
        at_s=at_s,
        span_s=span_s,
        workers=int(_told(gathered, "lockgate_workers_up")),
        workers_wanted=int(_told(gathered, "lockgate_workers_wanted")),
        calls_per_s=asked * per_s,
        fallback_rate=failed / asked if asked else None,
        errors_per_s=errors * per_s,
        refusals_per_s=refused * per_s,
        median_ms=median,
        p95_ms=p95,
        p99_ms=p99,
        cpu=cpu * per_s,
        in_hand=int(_told(gathered, "lockgate_calls_in_hand")),
        waiting=int(_told(gathered, "lockgate_calls_waiting")),
        limit=int(_told(gathered, "lockgate_calls_in_hand_limit")),
        memory_bytes=_told(gathered, "lockgate_process_resident_memory_bytes")
        + _told(gathered, "lockgate_model_process_resident_memory_bytes"),
        backlog_bytes=_told(gathered, "lockgate_log_backlog_bytes"),
        spilled=int(_told(gathered, "lockgate_log_spilled")),
        lost=int(_told(gathered, "lockgate_log_dropped_total")),
        outcome_lag_s={model: cell[0] for (model,), cell in gathered.get("lockgate_outcome_lag_seconds", {}).items()},
    )


def quantile_ms(numbers: Floats, q: float) -> float | None:
    """Of a histogram's numbers, as `histogram_quantile` has it: straight within a bucket, the last bound beyond it. None of
    none. numbers: shape (WIDTH,), the sum last; q: in (0, 1).
    """
    counts = numbers[:-1]
    if counts.sum() <= 0:
        return None
    upto: Floats = np.cumsum(counts)
    place = int(np.count_nonzero(upto < q * upto[-1]))
    if place >= len(BOUNDS_S):
        return BOUNDS_S[-1] * 1000
    low = BOUNDS_S[place - 1] if place else 0.0
    inside = (q * upto[-1] - (upto[place] - counts[place])) / counts[place]
    return float(low + (BOUNDS_S[place] - low) * inside) * 1000


def _told(gathered: ByName, name: str) -> float:
    """The sum over all labels."""
    return sum(cell[0] for cell in gathered.get(name, {}).values())
