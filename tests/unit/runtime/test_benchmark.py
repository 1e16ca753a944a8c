"""How fast engines are, and which one a batch is given to."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from lockgate.errors import SpecError
from lockgate.records import Pace
from lockgate.runtime.benchmark import SIZES, benchmark, by_size, native_from

ROWS = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)


def burn(seconds: float) -> None:
    ends = time.process_time() + seconds
    while time.process_time() < ends:
        pass


def costing(per_call_s: float, per_row_s: float) -> Any:
    def answer(rows: Any) -> np.ndarray:
        count = len(rows["a"]) if isinstance(rows, dict) else len(rows)
        burn(per_call_s + per_row_s * count)
        return np.zeros(count)

    return answer


def test_each_batch_size_is_timed_for_both_engines():
    found = benchmark(costing(1e-3, 0), costing(0, 2e-5), ROWS)
    assert [pace.rows for pace in found.pace][:4] == [1, 10, 100, 1000]
    by = {pace.rows: pace for pace in found.pace}
    assert by[1].native_us == pytest.approx(1000, rel=0.5)
    assert by[1].onnx_us == pytest.approx(20, rel=0.9)
    assert by[100].native_us == pytest.approx(10, rel=0.5)
    median, high = found.one_row_ms["native"]
    assert 0.9 < median <= high
    assert set(found.one_row_ms) == {"native", "onnx"}
    assert found.native_from_rows == 100, "at 100 rows one call costs 1 ms natively and 2 ms compiled"
    assert found.memory_mb is not None
    assert found.memory_mb >= 0


def test_columns_are_timed_as_a_matrix_is():
    found = benchmark(costing(0, 1e-5), None, {"a": ROWS[:, 0].astype(float)})
    assert found.pace[0].onnx_us is None
    assert found.native_from_rows is None
    assert set(found.one_row_ms) == {"native"}


def test_a_slow_engine_is_not_asked_for_more_than_there_is_time_for():
    found = benchmark(costing(0, 3e-3), None, ROWS)
    sizes = [pace.rows for pace in found.pace]
    assert sizes == list(SIZES[: len(sizes)])  # the small ones; how many depends on the machine
    assert 1 <= len(sizes) < len(SIZES)


def test_no_rows_cannot_be_timed():
    with pytest.raises(SpecError, match="no rows"):
        benchmark(costing(0, 0), None, ROWS[:0])


def paces(*pairs: tuple[float, float | None]) -> tuple[Pace, ...]:
    sizes = (1, 10, 100, 1000)
    return tuple(Pace(rows=n, native_us=a, onnx_us=b) for n, (a, b) in zip(sizes, pairs, strict=False))


@pytest.mark.parametrize(
    ("pairs", "from_rows"),
    [
        (((100, 5), (10, 3), (2, 3), (1, 3)), 100),
        (((100, 5), (10, 3), (2.9, 3), (2.8, 3)), None),  # not clearly
        (((1, 5), (10, 3), (1, 3), (1, 3)), 100),  # faster at one row, and not at ten
        (((1, 5), (1, 3), (1, 3), (1, 3)), 1),
        (((100, 5), (10, 3), (5, 2)), None),
        (((1, None), (1, None)), None),
        (((100, 5), (1, 3), (1, None)), 10),
    ],
)
def test_native_is_chosen_from_where_it_is_clearly_faster_at_every_larger_size(pairs: Any, from_rows: int | None):
    assert native_from(paces(*pairs)) == from_rows


def test_a_batch_goes_to_the_engine_that_is_faster_for_it_and_native_is_loaded_once_when_it_is_needed():
    loads: list[str] = []

    def load() -> Any:
        loads.append("now")
        return lambda rows: np.full(len(rows), 2.0)

    answer = by_size(lambda rows: np.full(len(rows), 1.0), load, 10)
    assert answer(ROWS[:9]).tolist() == [1.0] * 9
    assert loads == []
    assert answer(ROWS[:10]).tolist() == [2.0] * 10
    assert answer(ROWS).tolist() == [2.0] * 50
    assert loads == ["now"]


def test_where_native_cannot_be_loaded_the_compiled_engine_answers_large_batches_too():
    def load() -> Any:
        raise ImportError("no such framework here")

    assert by_size(lambda rows: np.full(len(rows), 1.0), load, 10)(ROWS).tolist() == [1.0] * 50


def test_where_native_is_never_faster_the_compiled_engine_answers_alone():
    compiled: Any = lambda rows: rows  # noqa: E731
    assert by_size(compiled, lambda: pytest.fail("must not be loaded"), None) is compiled
