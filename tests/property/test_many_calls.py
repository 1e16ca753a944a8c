"""Many calls in one line of the log are the predictions that each would have been, to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.features import many_calls
from lockgate.records import Column, Contract, Outcome, Prediction, Routing, Shadow
from lockgate.records.prediction import Calls, LogLine, entry_encoder, lines_decoder
from lockgate.serve import answers
from lockgate.serve.batch import held
from lockgate.serve.call import Caller
from lockgate.store.segments import SegmentLog

COLUMNS = (
    Column(name="who", type="text", is_nullable=True),
    Column(name="wait", type="float", is_nullable=True, low=0.0, high=10.0),
    Column(name="seats", type="int", is_nullable=True),
    Column(name="is_late", type="bool", is_nullable=True),
    Column(name="at", type="time", is_nullable=True),
    Column(name="y", type="int", is_known_before=False),
)
numbers = st.floats(allow_nan=True, allow_infinity=False, width=64)
whole = st.integers(-(2**60), 2**60).map(float) | st.just(float("nan")) | st.just(2.0**70)
rows = st.lists(
    st.tuples(
        st.none() | st.sampled_from(("", "u1", "7", "ü\n")),
        numbers,
        whole,
        st.sampled_from((0.0, 1.0, float("nan"))),
        st.floats(0, 4e9) | st.just(float("nan")),
    ),
    min_size=1,
    max_size=9,
)


def bits(found: Any) -> bytes:
    """Without when it was answered, and how long it took: two runs differ in that."""
    same = [msgspec.structs.replace(p, answered_s=0.0, latency_ms=0.0) for p in found]
    return entry_encoder.encode(same)


@settings(max_examples=150, deadline=None)
@given(rows, st.sampled_from(("who", "seats", None)), st.sampled_from((0.0, 0.5, 1.0)), st.integers(0, 10**12))
def test_what_comes_out_is_what_each_row_would_have_logged(
    given_rows: list[tuple[Any, ...]], unit: str | None, share: float, first: int
) -> None:
    contract = Contract(model="late", columns=COLUMNS, target="y", unit=unit, time="at")
    columns = {
        column.name: np.array(values, dtype=object if column.type == "text" else np.float64)
        for column, values in zip(COLUMNS, zip(*given_rows, strict=True), strict=False)
    }
    routing = Routing(
        model="late",
        revision=1,
        champion="c",
        challenger="n",
        share=share,
        salt="s",
        rollout="r",
        baseline=None,
        constant=0.25,
        deadline_ms=1000.0,
    )
    logged: list[LogLine] = []
    caller = Caller(contract, routing, {"c": Made("c"), "n": Made("n")}, logged.extend)
    found = held(columns, contract, prefix="p-1", first=first, now_s=1e9)
    scored = caller.scored(found.batch)
    lines = answers.lines(scored, prefix="p-1", places=found.places + first)
    one_by_one = caller.keep(scored)
    together = many_calls.entries(lines_decoder.decode(entry_encoder.encode(lines)))
    by_id = {p.id: p for p in together if isinstance(p, Prediction)}
    assert len(by_id) == len(together) == len(one_by_one)
    assert bits([by_id[p.id] for p in one_by_one]) == bits(one_by_one)


class Made:
    """Answers a row by its wait; raises on rows that wait for nothing, and flags those that wait long."""

    def __init__(self, version: str) -> None:
        self.version = version

    def predict(self, columns: Any) -> Any:
        from lockgate.errors import PredictError
        from lockgate.runtime.predictor import Answer

        wait = columns["wait"]
        if (wait == 0).any():
            raise PredictError("no wait", reason="raised")
        long = np.abs(wait) > 1e100
        return Answer(
            np.where(np.isnan(wait), 0.5, 1 / (1 + np.abs(wait))), [("input wait: far",) if w else () for w in long]
        )


def test_a_line_of_many_calls_is_read_and_compacted_beside_others(tmp_path: Path) -> None:
    from lockgate.store.log_table import LogTables
    from lockgate.store.log_union import UnionLog

    calls = Calls(
        prefix="in",
        model="late",
        places=many_calls.place_bytes(np.array([4, 9])),
        unit_at=0,
        asked_s=many_calls.number_bytes(np.array([1.0, 2.0])),
        answered_s=3.0,
        arm="champion",
        version="v",
        values=many_calls.number_bytes(np.array([0.5, 0.25])),
        latency_ms=0.1,
        share=0.0,
        rollout=None,
        served_by={1: "w"},
        failures={1: "late"},
        flags={0: ("x: above range",)},
        kinds=("text", "float"),
        inputs=(["u", None], many_calls.number_bytes(np.array([1.5, np.nan]))),
    )
    shadow = Shadow(id="in-4", model="late", version="w", rollout=None, asked_s=1.0, value=0.5, latency_ms=1.0)
    outcome = Outcome(id="in-9", model="late", value=1.0, at_s=5.0, received_s=6.0)
    log = UnionLog(SegmentLog(tmp_path / "log"), LogTables(tmp_path / "tables"))
    writer = log.writer()
    writer.append([shadow, calls, outcome])
    writer.close()
    expected = log.read()[0]
    assert [entry.id for entry in expected] == ["in-4", "in-4", "in-9", "in-9"]
    one, other = (entry for entry in expected if isinstance(entry, Prediction))
    assert (one.unit, one.inputs, one.flags, one.served_by, one.failure) == (
        "u",
        ("u", 1.5),
        ("x: above range",),
        "v",
        None,
    )
    assert (other.unit, other.inputs, other.served_by, other.failure) == ("in-9", (None, None), "w", "late")
    half, cursor = log.read(limit=1)
    assert log.compact(may_go_on=lambda: True).rows == 4
    assert [entry.id for entry in log.read()[0]] == ["in-4", "in-4", "in-9", "in-9"]
    assert log.read(cursor)[0] == expected[len(half) :]
    assert log.entries_of("late", {"in-9"}) == [other, outcome]
    assert log.joined("late").height == 2
