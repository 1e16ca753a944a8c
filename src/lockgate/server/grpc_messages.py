"""The messages of the Open Inference Protocol v2 over gRPC, and of gRPC's own health check, by field number.

Only numbers and types travel, so this table is the whole of the definition: no `.proto` to keep beside it, no module to
generate, no generator's version to match. The messages live in a pool of their own: a process that also holds Triton's or
KServe's client has other definitions under the same names in protobuf's default pool, and two there would clash.

Source: KServe, Open Inference Protocol v2, gRPC; Triton's extensions of it (double_param, uint64_param); grpc.health.v1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "bool": _Field.TYPE_BOOL,
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "uint32": _Field.TYPE_UINT32,
    "uint64": _Field.TYPE_UINT64,
    "float": _Field.TYPE_FLOAT,
    "double": _Field.TYPE_DOUBLE,
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
}
_PARAMETERS = "map InferParameter"
# By message: its fields as "number kind"; kind: a scalar or a message, after `many` for a list of them, after `map` for
# them by name, after `one` where one of the fields alone is set.
INFERENCE: Mapping[str, Mapping[str, str]] = {
    "ServerLiveRequest": {},
    "ServerLiveResponse": {"live": "1 bool"},
    "ServerReadyRequest": {},
    "ServerReadyResponse": {"ready": "1 bool"},
    "ModelReadyRequest": {"name": "1 string", "version": "2 string"},
    "ModelReadyResponse": {"ready": "1 bool"},
    "ServerMetadataRequest": {},
    "ServerMetadataResponse": {"name": "1 string", "version": "2 string", "extensions": "3 many string"},
    "ModelMetadataRequest": {"name": "1 string", "version": "2 string"},
    "ModelMetadataResponse": {
        "name": "1 string",
        "versions": "2 many string",
        "platform": "3 string",
        "inputs": "4 many TensorMetadata",
        "outputs": "5 many TensorMetadata",
    },
    "TensorMetadata": {"name": "1 string", "datatype": "2 string", "shape": "3 many int64"},
    "InferParameter": {
        "bool_param": "1 one bool",
        "int64_param": "2 one int64",
        "string_param": "3 one string",
        "double_param": "4 one double",
        "uint64_param": "5 one uint64",
    },
    "InferTensorContents": {
        "bool_contents": "1 many bool",
        "int_contents": "2 many int32",
        "int64_contents": "3 many int64",
        "uint_contents": "4 many uint32",
        "uint64_contents": "5 many uint64",
        "fp32_contents": "6 many float",
        "fp64_contents": "7 many double",
        "bytes_contents": "8 many bytes",
    },
    "ModelInferRequest": {
        "model_name": "1 string",
        "model_version": "2 string",
        "id": "3 string",
        "parameters": f"4 {_PARAMETERS}",
        "inputs": "5 many InferTensor",
        "outputs": "6 many InferRequestedOutputTensor",
        "raw_input_contents": "7 many bytes",
    },
    "InferTensor": {
        "name": "1 string",
        "datatype": "2 string",
        "shape": "3 many int64",
        "parameters": f"4 {_PARAMETERS}",
        "contents": "5 InferTensorContents",
    },
    "InferRequestedOutputTensor": {"name": "1 string", "parameters": f"2 {_PARAMETERS}"},
    "ModelInferResponse": {
        "model_name": "1 string",
        "model_version": "2 string",
        "id": "3 string",
        "parameters": f"4 {_PARAMETERS}",
        "outputs": "5 many InferTensor",
        "raw_output_contents": "6 many bytes",
    },
}
HEALTH: Mapping[str, Mapping[str, str]] = {
    "HealthCheckRequest": {"service": "1 string"},
    "HealthCheckResponse": {"status": "1 int32"},  # an enum, which travels as a whole number
}
Messages = Mapping[str, Any]  # the classes that protobuf makes, by name


def made(package: str, messages: Mapping[str, Mapping[str, str]]) -> Messages:
    """A class for every message, in a pool of their own."""
    file = descriptor_pb2.FileDescriptorProto(name=f"lockgate/{package}.proto", package=package, syntax="proto3")
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for field, said in fields.items():
            _add_field(message, f".{package}", field, said.split())
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = {name: pool.FindMessageTypeByName(f"{package}.{name}") for name in messages}
    return {name: message_factory.GetMessageClass(descriptor) for name, descriptor in found.items()}


def _add_field(message: Any, package: str, name: str, said: list[str]) -> None:
    number, *how, kind = said
    field = message.field.add(name=name, number=int(number), label=_Field.LABEL_OPTIONAL)
    if how == ["map"]:
        kind = _entry(message, package, name, kind)
    if how and how != ["one"]:
        field.label = _Field.LABEL_REPEATED
    if how == ["one"]:
        if not message.oneof_decl:
            message.oneof_decl.add(name="parameter_choice")
        field.oneof_index = 0
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type, field.type_name = _Field.TYPE_MESSAGE, f"{package}.{kind}"


def _entry(message: Any, package: str, field: str, kind: str) -> str:
    """The message that an element of a map travels as; returns its name."""
    entry = message.nested_type.add(name=f"{field.title()}Entry")
    entry.options.map_entry = True
    _add_field(entry, package, "key", ["1", "string"])
    _add_field(entry, package, "value", ["2", kind])
    return f"{message.name}.{entry.name}"


inference = made("inference", INFERENCE)
health = made("grpc.health.v1", HEALTH)
