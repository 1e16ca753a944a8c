"""One process's counts. A call costs a lock, a look-up and two additions; everything else is done once a second."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Collection, Sequence

from lockgate.records import Outcome, Prediction, Shadow
from lockgate.records.prediction import LogEntry
from lockgate.telemetry.families import BOUNDS_S, WIDTH
from lockgate.telemetry.totals import Labels, Totals

_BOUNDS_MS = tuple(bound * 1000 for bound in BOUNDS_S)
_SUM = WIDTH - 1
_CallKey = tuple[str, str, str, str | None]
_ShadowKey = tuple[str, str, bool]


class _Fresh:
    """What was counted since it was last added up."""

    __slots__ = ("calls", "flags", "more", "outcomes", "refusals", "requests", "shadows", "violations")

    def __init__(self) -> None:
        self.calls: dict[_CallKey, list[float]] = {}
        self.flags: dict[tuple[str, str], int] = {}
        self.shadows: dict[_ShadowKey, int] = {}
        self.outcomes: dict[str, int] = {}
        self.requests: dict[tuple[str, str, int], list[float]] = {}
        self.refusals: dict[tuple[str, str], int] = {}
        self.violations: dict[tuple[str, str], int] = {}
        self.more: dict[tuple[str, Labels], int] = {}


class Series:
    """Counts from any number of threads; `totals` is for the one that tells them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fresh = _Fresh()
        self._totals = Totals()

    def count(self, entries: Sequence[LogEntry]) -> None:
        """Whatever goes into the log. Rows that were answered together and alike cost an addition each."""
        before: Prediction | None = None
        cell: list[float] = []
        place = 0
        with self._lock:
            fresh = self._fresh
            for entry in entries:
                if type(entry) is Prediction:
                    took_ms = entry.latency_ms
                    if before is None or not (
                        took_ms == before.latency_ms
                        and entry.failure is before.failure
                        and entry.version is before.version
                        and entry.arm is before.arm
                        and entry.model is before.model
                    ):
                        before = entry
                        key = (entry.model, entry.version, entry.arm, entry.failure)
                        cell = fresh.calls.get(key) or fresh.calls.setdefault(key, [0] * WIDTH)
                        place = bisect_left(_BOUNDS_MS, took_ms)
                    cell[place] += 1
                    cell[_SUM] += took_ms
                    if entry.flags:
                        for flag in entry.flags:
                            pair = (entry.model, flag)
                            fresh.flags[pair] = fresh.flags.get(pair, 0) + 1
                elif type(entry) is Outcome:
                    fresh.outcomes[entry.model] = fresh.outcomes.get(entry.model, 0) + 1
                elif type(entry) is Shadow:
                    name = (entry.model, entry.version, entry.failure is None)
                    fresh.shadows[name] = fresh.shadows.get(name, 0) + 1

    def request(self, route: str, model: str, status: int, seconds: float) -> None:
        """An HTTP request that was answered. route: its pattern, never its path; model: one that there is, or ""."""
        key = (route, model, status)
        with self._lock:
            cell = self._fresh.requests.get(key) or self._fresh.requests.setdefault(key, [0] * WIDTH)
            cell[bisect_left(BOUNDS_S, seconds)] += 1
            cell[_SUM] += seconds

    def refused(self, code: str, *, model: str = "", column: str | None = None) -> None:
        """A request, or one row among many, that was refused. model: as in `request`; column: one of the contract's."""
        with self._lock:
            fresh = self._fresh
            fresh.refusals[model, code] = fresh.refusals.get((model, code), 0) + 1
            if column is not None:
                fresh.violations[model, column] = fresh.violations.get((model, column), 0) + 1

    def add(self, name: str, labels: Labels) -> None:
        """One more of a counter that is seldom counted."""
        with self._lock:
            self._fresh.more[name, labels] = self._fresh.more.get((name, labels), 0) + 1

    def totals(self) -> Totals:
        """All that was counted since the process started; the caller's to read, in one thread."""
        with self._lock:
            fresh, self._fresh = self._fresh, _Fresh()
        _add_calls(self._totals, fresh)
        _add_requests(self._totals, fresh)
        for (name, labels), times in fresh.more.items():
            self._totals.add(name, labels, [times])
        return self._totals

    def forget(self, versions: Collection[str]) -> None:
        """Versions that get no calls any more; from the thread that calls `totals`."""
        self._totals.drop(versions)


def _add_calls(totals: Totals, fresh: _Fresh) -> None:
    for (model, version, arm, failure), cell in fresh.calls.items():
        calls = sum(cell[:_SUM])
        totals.add("lockgate_requests_total", (model, version, arm, "ok" if failure is None else "fallback"), [calls])
        totals.add("lockgate_call_duration_seconds", (model, version, arm), [*cell[:_SUM], cell[_SUM] / 1000])
        if failure is not None:
            totals.add("lockgate_fallback_total", (model, failure), [calls])
    for (model, flag), rows in fresh.flags.items():
        totals.add("lockgate_contract_violations_total", (model, _column(flag), "flagged"), [rows])
    for (model, version, is_answered), rows in fresh.shadows.items():
        totals.add("lockgate_shadows_total", (model, version, "ok" if is_answered else "failed"), [rows])
    for model, rows in fresh.outcomes.items():
        totals.add("lockgate_outcomes_total", (model,), [rows])


def _add_requests(totals: Totals, fresh: _Fresh) -> None:
    for (route, model, status), cell in fresh.requests.items():
        totals.add("lockgate_http_requests_total", (route, model, str(status)), [sum(cell[:_SUM])])
        totals.add("lockgate_request_duration_seconds", (route, model), cell)
    for (model, code), times in fresh.refusals.items():
        totals.add("lockgate_refusals_total", (model, code), [times])
    for (model, column), times in fresh.violations.items():
        totals.add("lockgate_contract_violations_total", (model, column, "refused"), [times])


def _column(flag: str) -> str:
    """The column, or the rule between columns, of a flag: "wait: above range", "input wait: above range"."""
    return flag.rpartition(": ")[0].removeprefix("input ") or flag
