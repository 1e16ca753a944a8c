"""Our messages are the protocol's: every field travels under the number, type and label that Triton's own definition has."""

from __future__ import annotations

from typing import Any

import pytest

from lockgate.server.grpc_messages import INFERENCE, health, inference

OURS = {"InferTensor": ("ModelInferRequest.InferInputTensor", "ModelInferResponse.InferOutputTensor")}
NESTED = {
    "TensorMetadata": "ModelMetadataResponse.TensorMetadata",
    "InferRequestedOutputTensor": "ModelInferRequest.InferRequestedOutputTensor",
}


@pytest.fixture(scope="module")
def theirs() -> Any:
    return pytest.importorskip("tritonclient.grpc.service_pb2", reason="tritonclient[grpc] is not installed")


def described(message: Any) -> dict[str, tuple[Any, ...]]:
    return {
        field.name: (
            field.number,
            field.type,
            field.is_repeated,
            field.containing_oneof.name if field.containing_oneof else None,
            field.message_type.GetOptions().map_entry if field.message_type else None,
            field.is_packed,
        )
        for field in message.fields
    }


@pytest.mark.parametrize("name", INFERENCE)
def test_every_field_is_triton_s(theirs, name):
    for other in OURS.get(name, (NESTED.get(name, name),)):
        message, *nested = other.split(".")
        found = theirs.DESCRIPTOR.message_types_by_name[message]
        for part in nested:
            found = found.nested_types_by_name[part]
        assert described(inference[name].DESCRIPTOR) == described(found)


def test_triton_reads_what_we_write_and_we_what_it_writes(theirs):
    ours = inference["ModelInferRequest"](model_name="late", id="a", raw_input_contents=[b"\x00\x01"])
    ours.parameters["unit"].string_param = "u"
    ours.inputs.add(name="wait", datatype="FP64", shape=[2]).contents.fp64_contents.extend([1.5, -2.0])
    read = theirs.ModelInferRequest.FromString(ours.SerializeToString())
    assert (read.model_name, read.parameters["unit"].string_param) == ("late", "u")
    assert list(read.inputs[0].contents.fp64_contents) == [1.5, -2.0]
    back = inference["ModelInferRequest"].FromString(read.SerializeToString())
    assert back == ours


def test_health_travels_as_grpc_says():
    """grpc.health.v1: the service under 1, the status an enum under 1, SERVING = 1."""
    assert health["HealthCheckRequest"](service="x").SerializeToString() == b"\x0a\x01x"
    assert health["HealthCheckResponse"](status=1).SerializeToString() == b"\x08\x01"
