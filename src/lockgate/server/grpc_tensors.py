"""An infer request of the Open Inference Protocol v2 over gRPC, and its answer: typed contents, or the tensors' raw bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

import msgspec
from google.protobuf.message import DecodeError

from lockgate.errors import ContractError
from lockgate.records import Prediction, Routing
from lockgate.server import open_protocol, tensors
from lockgate.server.grpc_messages import inference
from lockgate.server.open_protocol import Parameters
from lockgate.server.statuses import Refused
from lockgate.server.tensors import Tensor, Values

T = TypeVar("T")
_Message = Any  # protobuf makes its classes at run time, so no type checker knows them
_CONTENTS = {
    "BOOL": "bool_contents",
    **{f"{sign}INT{bits}": f"{sign.lower()}int_contents" for sign in ("U", "") for bits in (8, 16, 32)},
    "INT64": "int64_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


class _Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """The parameters of a tensor: there is none that we heed."""


class Asked(NamedTuple):
    """version, id: None where they were left out. outputs: their names. is_raw: came as bytes, and so is answered."""

    model: str
    version: str | None
    id: str | None
    unit: str | None
    outputs: list[str]
    rows: list[dict[str, Any]]
    is_raw: bool


def parsed(kind: _Message, sent: bytes) -> _Message:
    """The message of that class. Raises Refused where the bytes are another's."""
    try:
        return kind.FromString(sent)
    except DecodeError as error:
        raise Refused("malformed", f"The message is no {kind.DESCRIPTOR.name}: {error}.") from error


def read(sent: bytes) -> Asked:
    """Raises Refused for what cannot be taken apart, ContractError naming the tensor whose data are not what it says."""
    request = parsed(inference["ModelInferRequest"], sent)
    raw, inputs = request.raw_input_contents, request.inputs
    if raw and (len(raw) != len(inputs) or any(tensor.HasField("contents") for tensor in inputs)):
        raise Refused(
            "malformed",
            f"There are {len(inputs)} tensors and {len(raw)} raw_input_contents: one each and no typed contents, or none.",
        )
    columns = tensors.columns(_tensors(inputs, list(raw)))
    for output in request.outputs:
        _parameters(output.parameters, _Nothing, f"Output {output.name!r}")
    outputs = [output.name for output in request.outputs] or list(open_protocol.OUTPUTS)
    open_protocol.refuse_unknown(outputs)
    unit = _parameters(request.parameters, Parameters, "The request").unit
    return Asked(
        model=request.model_name,
        version=request.model_version or None,
        id=request.id or None,
        unit=unit,
        outputs=list(dict.fromkeys(outputs)),
        rows=tensors.rows(columns),
        is_raw=bool(raw),
    )


def answer(routing: Routing, asked: Asked, predictions: Sequence[Prediction]) -> _Message:
    told = inference["ModelInferResponse"](model_name=routing.model, model_version=routing.champion, id=asked.id or "")
    for name in asked.outputs:
        tensor, values = open_protocol.filled(name, predictions)
        output = told.outputs.add(name=name, datatype=tensor.datatype, shape=tensor.shape)
        if asked.is_raw:
            told.raw_output_contents.append(tensors.to_bytes(values, tensor.datatype))
        elif tensor.datatype == "BYTES":
            output.contents.bytes_contents.extend(str(value).encode() for value in values)
        else:
            getattr(output.contents, _CONTENTS[tensor.datatype]).extend(values)
    return told


def _tensors(inputs: Sequence[_Message], raw: list[bytes]) -> Iterator[tuple[Tensor, Callable[[], Values]]]:
    for place, sent in enumerate(inputs):
        tensor = Tensor(sent.name, sent.datatype, sent.shape)
        _parameters(sent.parameters, _Nothing, f"The tensor {tensor.name!r}")
        if raw:
            yield tensor, partial(tensors.from_bytes, tensor, memoryview(raw[place]))
        else:
            yield tensor, partial(_typed, tensor, sent.contents)


def _typed(tensor: Tensor, contents: _Message) -> Values:
    """The one list that is the datatype's. Another beside it is refused: it would be dropped in silence."""
    name, own = tensor.name, _CONTENTS.get(tensor.datatype)
    if own is None:
        raise ContractError(f"The tensor {name!r} is {tensor.datatype}, which comes raw alone.", column=name)
    others = [field.name for field, _ in contents.ListFields() if field.name != own]
    if others:
        raise ContractError(f"The tensor {name!r} is {tensor.datatype}, of {own}, and has {others[0]}.", column=name)
    values: Values = list(getattr(contents, own))
    if tensor.datatype == "BYTES":
        return [tensors.text(name, value) for value in values]
    if own.endswith("int_contents"):  # wider than the datatype may be
        try:
            kind: Any = tensors.value_type(tensor.datatype)
            found: Values = msgspec.convert(values, list[kind])
        except msgspec.ValidationError as error:
            raise ContractError(f"The data of tensor {name!r}: {error}.", column=name) from error
        return found
    return values


def _parameters(sent: Any, kind: type[T], whose: str) -> T:
    told = {name: _said(value) for name, value in sent.items()}
    try:
        return msgspec.convert(told, kind)
    except msgspec.ValidationError as error:
        raise ContractError(f"{whose} has parameters that are not taken: {error}.") from error


def _said(parameter: _Message) -> Any:
    choice = parameter.WhichOneof("parameter_choice")
    return None if choice is None else getattr(parameter, choice)
