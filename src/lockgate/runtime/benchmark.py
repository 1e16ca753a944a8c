"""How fast a version's engines answer, by batch size, and an engine that picks the faster one."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lockgate.errors import SpecError
from lockgate.features.columns import Columns, length, take
from lockgate.features.pipeline import Floats, Matrix
from lockgate.records import Benchmark, Pace
from lockgate.runtime.predictor import Engine, Inputs

SIZES = (1, 10, 100, 1000, 10_000)
BUDGET_S = 0.4
CLEARLY = 1.2
_MOST_CALLS = 300
_FEWEST_CALLS = 3


class _Timed(NamedTuple):
    """cpu_us: of CPU per row, median over calls. wall_ms: (median, 99th percentile) of a call."""

    cpu_us: float
    wall_ms: tuple[float, float]


def benchmark(
    native: Engine,
    compiled: Engine | None,
    rows: Matrix | Columns,
    *,
    resident_before_mb: float | None = None,
    budget_s: float = BUDGET_S,
) -> Benchmark:
    """Both engines on batches of these rows, drawn again where there are too few; some `budget_s` in all.

    A size is left out where one call of it would take longer than is left. resident_before_mb: `resident_mb()` from before
    the model was loaded; without it memory_mb is what answering alone added. Raises SpecError for no rows.
    """
    if _count(rows) == 0:
        raise SpecError("There are no rows to time a model on.", cure="Give at least one row.")
    before = resident_mb() if resident_before_mb is None else resident_before_mb
    ours = _paces(native, rows, budget_s if compiled is None else budget_s / 2)
    theirs = {} if compiled is None else _paces(compiled, rows, budget_s / 2)
    pace = tuple(
        Pace(rows=size, native_us=timed.cpu_us, onnx_us=theirs[size].cpu_us if size in theirs else None)
        for size, timed in ours.items()
    )
    one = {"native": ours[1].wall_ms} | ({"onnx": theirs[1].wall_ms} if theirs else {})
    return Benchmark(
        pace=pace,
        one_row_ms=one,
        memory_mb=max(0.0, _peak_mb() - before),
        native_from_rows=native_from(pace),
    )


def native_from(pace: Sequence[Pace]) -> int | None:
    """The smallest batch from which on the native engine is clearly faster at every size that both were timed at."""
    found: int | None = None
    for one in reversed([one for one in pace if one.onnx_us is not None]):
        if one.onnx_us is None or one.onnx_us <= CLEARLY * one.native_us:
            break
        found = one.rows
    return found


def by_size(compiled: Engine, native: Callable[[], Engine], from_rows: int | None) -> Engine:
    """The compiled engine for batches below `from_rows`, the native one from there on: loaded by the first such batch, so
    that a process which only answers single rows never imports its framework. Where it cannot be loaded, the compiled one
    answers them all: the two agree.
    """
    if from_rows is None:
        return compiled
    loaded: list[Engine] = []
    lock = threading.Lock()

    def answer(inputs: Inputs) -> Floats:
        if _count(inputs) < from_rows:
            return compiled(inputs)
        with lock:
            if not loaded:
                loaded.append(_or(native, compiled))
        return loaded[0](inputs)

    return answer


def _or(load: Callable[[], Engine], other: Engine) -> Engine:
    try:
        return load()
    except Exception:  # noqa: BLE001 - its framework may be missing here: that only costs time
        return other


def resident_mb() -> float:
    """Memory of this process now; where the system does not say, the most it has ever held."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return _peak_mb()
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _peak_mb() -> float:
    import resource  # not on every system

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10  # bytes there, KiB elsewhere


def _paces(engine: Engine, rows: Inputs, budget_s: float) -> dict[int, _Timed]:
    """By batch size. Each size gets its share of what is left, so that small ones are not starved by large ones."""
    found: dict[int, _Timed] = {}
    rng = np.random.default_rng(0)
    ends = time.perf_counter() + budget_s
    for place, size in enumerate(SIZES):
        batch = _drawn(rows, size, rng)
        left = ends - time.perf_counter()
        likely_s = found[SIZES[place - 1]].cpu_us * size / 1e6 if place else 0.0
        if likely_s > max(left, 0.0):
            break
        found[size] = _timed(engine, batch, size, left / (len(SIZES) - place))
    return found


def _timed(engine: Engine, batch: Inputs, size: int, budget_s: float) -> _Timed:
    """After one call to warm up, which a large batch is spared: what it warms are caches that the small ones have filled."""
    if size <= SIZES[2]:
        engine(batch)
    cpu: list[float] = []
    wall: list[float] = []
    ends = time.perf_counter() + budget_s
    while len(cpu) < _MOST_CALLS and (not cpu or time.perf_counter() < ends or _is_short(len(cpu), size, wall)):
        # Of this thread, on which engines answer: the whole process's clock goes by ticks of 4 ms where its CPU is bounded.
        at, at_cpu = time.perf_counter(), time.thread_time()
        engine(batch)
        cpu.append(time.thread_time() - at_cpu)
        wall.append(time.perf_counter() - at)
    median, high = np.quantile(wall, [0.5, 0.99]).tolist()
    return _Timed(float(np.median(cpu)) / size * 1e6, (1000 * median, 1000 * high))


def _is_short(calls: int, size: int, wall: list[float]) -> bool:
    """A few calls more than the budget has room for, where they are quick: a median of one is none."""
    return calls < _FEWEST_CALLS and size <= SIZES[3] and wall[-1] < BUDGET_S / 20


def _drawn(rows: Inputs, size: int, rng: np.random.Generator) -> Inputs:
    chosen = rng.integers(_count(rows), size=size)
    return take(rows, chosen) if isinstance(rows, dict) else rows[chosen]


def _count(rows: Inputs) -> int:
    return length(rows) if isinstance(rows, dict) else len(rows)
