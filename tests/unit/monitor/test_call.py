"""A call that waits packed is the call that came."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lockgate.monitor.call import Call, Examples
from lockgate.records import Prediction
from lockgate.records.prediction import Arm, Scalar, entry_encoder

texts = st.text(max_size=5)
floats = st.floats()
scalars: st.SearchStrategy[Scalar] = st.one_of(
    floats, st.integers(-(2**63), 2**63 - 1), texts, st.booleans(), st.none()
)
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
    inputs=st.lists(scalars, max_size=4).map(tuple),
)


@given(st.lists(predictions, max_size=5))
def test_what_is_packed_comes_back_bit_for_bit_and_type_for_type(came: list[Prediction]) -> None:
    examples = Examples()
    calls = [Call.of(prediction) for prediction in came]
    for call in (*calls, *calls):  # twice: packing again changes nothing
        call.pack(examples)
    told = [(call.routed.version, call.without_inputs.failure, call.without_inputs.flags) for call in calls]
    assert repr(told) == repr([(one.version, one.failure, one.flags) for one in came])
    # As bytes: NaN is NaN there, -0.0 is not 0.0, and 1, 1.0 and True are three.
    assert [entry_encoder.encode(call.prediction) for call in calls] == [entry_encoder.encode(one) for one in came]
