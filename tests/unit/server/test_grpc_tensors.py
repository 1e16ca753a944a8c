"""A message over gRPC as rows: every datatype typed and raw, and every way to contradict itself refused by name."""

from __future__ import annotations

import contextlib
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.errors import ContractError
from lockgate.server.grpc_messages import inference
from lockgate.server.grpc_tensors import read
from lockgate.server.statuses import Refused

WHOLE = {
    "INT8": "b",
    "INT16": "h",
    "INT32": "i",
    "INT64": "q",
    "UINT8": "B",
    "UINT16": "H",
    "UINT32": "I",
    "UINT64": "Q",
}


def request(*tensors: dict[str, Any], raw: tuple[bytes, ...] = (), **parameters: Any) -> bytes:
    made = inference["ModelInferRequest"](model_name="late", inputs=tensors, raw_input_contents=raw)
    for name, value in parameters.items():
        kind = {str: "string_param", int: "int64_param", bool: "bool_param"}[type(value)]
        setattr(made.parameters[name], kind, value)
    return made.SerializeToString()


def tensor(datatype: str, shape: tuple[int, ...] = (2,), name: str = "x", **contents: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape} | ({"contents": contents} if contents else {})


@pytest.mark.parametrize("datatype", WHOLE)
def test_whole_numbers_come_typed_and_raw_to_their_ends(datatype):
    bits = int(datatype.lstrip("UINT"))
    ends = [0, 2**bits - 1] if datatype.startswith("U") else [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1]
    wide = "64" if bits == 64 else ""
    own = f"{'u' if datatype.startswith('U') else ''}int{wide}_contents"
    assert [row["x"] for row in read(request(tensor(datatype, **{own: ends}))).rows] == ends
    raw = struct.pack(f"<2{WHOLE[datatype]}", *ends)
    assert [row["x"] for row in read(request(tensor(datatype), raw=(raw,))).rows] == ends


def test_floats_booleans_and_texts_come_typed_and_raw():
    for datatype, own, values, raw in (
        ("FP64", "fp64_contents", [0.1, -2.5], struct.pack("<2d", 0.1, -2.5)),
        ("FP32", "fp32_contents", [0.5, -2.5], struct.pack("<2f", 0.5, -2.5)),
        ("BOOL", "bool_contents", [True, False], b"\x01\x00"),
    ):
        for sent in (request(tensor(datatype, **{own: values})), request(tensor(datatype), raw=(raw,))):
            assert [row["x"] for row in read(sent).rows] == values
    texts = ["Ñ2", ""]
    packed = b"".join(struct.pack("<I", len(one.encode())) + one.encode() for one in texts)
    typed = request(tensor("BYTES", bytes_contents=[one.encode() for one in texts]))
    for sent in (typed, request(tensor("BYTES"), raw=(packed,))):
        assert [row["x"] for row in read(sent).rows] == texts
    half = request(tensor("FP16"), raw=(struct.pack("<2e", 0.5, 2.0),))
    assert [row["x"] for row in read(half).rows] == [0.5, 2.0]


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (tensor("INT8", int_contents=[1, 128]), "<= 127"),
        (tensor("UINT16", uint_contents=[1, 65536]), "<= 65535"),
        (tensor("FP64", fp32_contents=[1.0, 2.0]), "of fp64_contents, and has fp32_contents"),
        (tensor("FP64", fp64_contents=[1.0]), "has 1 values, and its shape says"),
        (tensor("FP64"), "has 0 values"),
        (tensor("FP16", fp32_contents=[1.0, 2.0]), "comes raw alone"),
        (tensor("BF16", fp32_contents=[1.0, 2.0]), "no datatype 'BF16'"),
        (tensor("BYTES", bytes_contents=[b"\xff", b""]), "not UTF-8"),
        (tensor("FP64", (2, 2), fp64_contents=[1.0, 2.0]), "a column's is"),
        (tensor("FP64", (-1,), fp64_contents=[1.0]), "a column's is"),
        (tensor("FP64", (), fp64_contents=[1.0]), "a column's is"),
    ],
)
def test_a_tensor_that_is_not_what_it_says_is_named(sent, said):
    with pytest.raises(ContractError, match=said) as refused:
        read(request(sent))
    assert refused.value.column == "x"


def test_two_ways_of_sending_one_request_are_refused():
    one = tensor("FP64", (1,), fp64_contents=[1.0])
    for sent in (request(one, raw=(b"\0" * 8,)), request(tensor("FP64", (1,)), raw=(b"\0" * 8, b"\0" * 8))):
        with pytest.raises(Refused, match="raw_input_contents"):
            read(sent)


def test_a_tensor_that_comes_twice_and_others_of_other_lengths_are_refused():
    one, two = tensor("FP64", (1,), fp64_contents=[1.0]), tensor("FP64", (2,), "y", fp64_contents=[1.0, 2.0])
    with pytest.raises(ContractError, match="comes twice"):
        read(request(one, one))
    with pytest.raises(ContractError, match="differ in rows"):
        read(request(one, two))


@pytest.mark.parametrize("parameters", [{"priority": 3}, {"timeout": 5}, {"sequence_id": 1}, {"unit": 3}])
def test_a_parameter_that_is_not_heeded_is_not_taken(parameters):
    with pytest.raises(ContractError, match=next(iter(parameters))):
        read(request(tensor("FP64", (1,), fp64_contents=[1.0]), **parameters))


def test_bytes_that_are_no_message_are_refused_in_words():
    with pytest.raises(Refused, match="no ModelInferRequest"):
        read(b"\xff\xff\xff")


def test_what_is_left_out_is_none_and_all_outputs_are_meant():
    asked = read(request(tensor("FP64", (1,), fp64_contents=[1.0]), unit="u1"))
    assert (asked.version, asked.id, asked.unit, asked.is_raw) == (None, None, "u1", False)
    assert "value" in asked.outputs
    assert "flags" in asked.outputs


VALID = request(tensor("FP64", (1,), fp64_contents=[1.0]), tensor("BYTES", (1,), "y", bytes_contents=[b"AA"]), unit="u")
VALID_RAW = request(tensor("FP64", (1,)), tensor("BYTES", (1,), "y"), raw=(b"\0" * 8, b"\2\0\0\0AA"))


@settings(max_examples=400, deadline=None)
@given(st.sampled_from([VALID, VALID_RAW]), st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=4))
def test_a_message_with_bytes_changed_is_read_or_refused_in_words(sent, changes):
    """Never anything else: that would be INTERNAL, a bug of ours."""
    mutated = bytearray(sent)
    for place, value in changes:
        mutated[place % len(mutated)] = value
    with contextlib.suppress(ContractError, Refused):
        read(bytes(mutated))
