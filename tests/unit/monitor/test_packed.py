"""A call that waits is held in bytes, and is the call that came."""

from __future__ import annotations

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lockgate.monitor.call import Call
from lockgate.monitor.came import Came
from lockgate.monitor.part import Part
from lockgate.monitor.ways import ROUTED, Ways
from lockgate.records import Prediction
from lockgate.records.prediction import Arm

texts = st.text(max_size=5) | st.sampled_from(["\0", "\0\0", "\0u", "ü" * 300])
floats = st.floats()
arms: st.SearchStrategy[Arm] = st.sampled_from(["champion", "challenger"])
predictions = st.builds(
    Prediction,
    id=texts,
    model=st.just("late"),
    unit=texts,
    asked_s=floats,
    answered_s=floats,
    arm=arms,
    version=texts,
    served_by=texts,
    value=floats,
    latency_ms=floats,
    share=floats,
    rollout=st.none() | texts,
    failure=st.none() | texts,
    flags=st.lists(texts, max_size=2).map(tuple),
)


def own(call: Call | Prediction, routed: Prediction) -> bytes:
    """As bytes: NaN is NaN there, and -0.0 is not 0.0."""
    shared = [getattr(routed, field) for field in ROUTED]
    return msgspec.msgpack.encode((call.id, call.unit, call.asked_s, call.value, call.latency_ms, shared))


@given(st.lists(predictions, min_size=1, max_size=40), st.integers(0, 39), st.randoms())
def test_what_is_held_comes_back_bit_for_bit(came: list[Prediction], cut: int, chance: object) -> None:
    ways, cut = Ways(), cut % len(came)
    part = Part(ways, 0, Came(came[cut:]))
    if cut:
        part = Part(ways, 0, Came(came[:cut]))
        part.append(Part(ways, cut, Came(came[cut:])))
    rows = np.array(chance.sample(range(len(came)), len(came)))  # type: ignore[attr-defined]
    found = part.take(rows)
    again = found.take(np.argsort(rows))
    for calls, order in ((found, rows.tolist()), (again, range(len(came)))):
        assert [own(call, call.routed) for call in calls] == [own(came[row], came[row]) for row in order]
