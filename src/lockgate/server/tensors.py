"""Tensors of the Open Inference Protocol v2 as columns of values: JSON, and the binary tensor data extension.

A contract's column is one input tensor of its name, shape [n] or [n, 1]. Source: KServe, Open Inference Protocol v2, and its
"Binary Tensor Data Extension": after the JSON, whose length a header tells, the tensors' bytes in the order of the inputs,
little-endian, row-major; BYTES as a 4-byte length and so many bytes for each element.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import msgspec
import numpy as np

from lockgate.errors import ContractError, unknown
from lockgate.records import Column
from lockgate.server.statuses import Refused

Values = list[Any]
_DTYPES = {
    "BOOL": "u1",
    **{f"{sign}INT{bits}": f"<{kind}{bits // 8}" for sign, kind in (("U", "u"), ("", "i")) for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": f"<f{bits // 8}" for bits in (16, 32, 64)},
}
DATATYPES = (*_DTYPES, "BYTES")
Dimension = Annotated[int, msgspec.Meta(ge=0, le=2**31)]


_NOTHING = msgspec.Raw()


class InputParameters(msgspec.Struct, forbid_unknown_fields=True):
    binary_data_size: Annotated[int, msgspec.Meta(ge=0)] | None = None


class OutputParameters(msgspec.Struct, forbid_unknown_fields=True):
    binary_data: bool | None = None


class Input(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: str
    datatype: str
    shape: list[Dimension]
    parameters: InputParameters = msgspec.field(default_factory=InputParameters)
    data: msgspec.Raw = _NOTHING


class AskedOutput(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: str
    parameters: OutputParameters = msgspec.field(default_factory=OutputParameters)


class Parameters(msgspec.Struct, forbid_unknown_fields=True):
    """binary_data_output: for outputs that say nothing themselves. unit: the rows', as on /predict."""

    binary_data_output: bool = False
    unit: str | None = None


class Request(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    inputs: list[Input]
    id: str | None = None
    parameters: Parameters = msgspec.field(default_factory=Parameters)
    outputs: list[AskedOutput] | None = None


_decoder = msgspec.json.Decoder(Request)


def datatype(column: Column) -> str:
    """How a column comes best. A missing whole number is a NaN, which only a float can say."""
    if column.type == "int":
        return "FP64" if column.is_nullable else "INT64"
    return {"float": "FP64", "bool": "BOOL"}.get(column.type, "BYTES")


def read(body: bytes, header: str | None) -> tuple[Request, list[dict[str, Any]]]:
    """The request, and its rows as objects by column; NaN, and null in JSON, are missing.

    header: what Inference-Header-Content-Length says, None where it is absent. Raises Refused for what cannot be taken
    apart, ContractError naming the tensor whose data are not what it says.
    """
    size = _header_size(header, body)
    try:
        request = _decoder.decode(body[:size])
    except msgspec.ValidationError as error:
        raise ContractError(str(error)) from error
    rest = _Rest(body[size:], len(request.inputs))
    columns: dict[str, Values] = {}
    for tensor in request.inputs:
        if tensor.name in columns:
            raise ContractError(f"The tensor {tensor.name!r} comes twice.", column=tensor.name)
        columns[tensor.name] = _values(tensor, rest)
    rest.end()
    return request, list(_rows(columns))


def encoded(values: Sequence[Any], kind: str) -> bytes:
    """An output tensor as the extension's bytes. kind: FP64 or BYTES."""
    if kind == "FP64":
        return np.asarray(values, dtype="<f8").tobytes()
    texts = [str(value).encode() for value in values]
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def _header_size(header: str | None, body: bytes) -> int:
    if header is None:
        return len(body)
    if not (header.isascii() and header.isdigit()) or int(header[:20]) > len(body):
        raise Refused(
            "malformed", f"Inference-Header-Content-Length is {header[:40]!r}; the body has {len(body)} bytes."
        )
    return int(header)


class _Rest:
    """The bytes behind the JSON, taken from the front."""

    def __init__(self, held: bytes, tensors: int) -> None:
        self._held = memoryview(held)
        self._tensors = tensors

    def take(self, size: int, name: str) -> memoryview:
        if size > len(self._held):
            raise ContractError(
                f"The tensor {name!r} should have {size} bytes, and {len(self._held)} are left.", column=name
            )
        taken, self._held = self._held[:size], self._held[size:]
        return taken

    def end(self) -> None:
        if self._held:
            raise Refused("malformed", f"{len(self._held)} bytes are left behind the last of {self._tensors} tensors.")


def _values(tensor: Input, rest: _Rest) -> Values:
    name = tensor.name
    if tensor.datatype not in DATATYPES:
        raise ContractError(f"Tensor {name!r}: {unknown('datatype', tensor.datatype, DATATYPES)}", column=name)
    if len(tensor.shape) not in (1, 2) or tensor.shape[1:] not in ([], [1]):
        raise ContractError(
            f"The tensor {name!r} has shape {tensor.shape}; a column's is [rows] or [rows, 1].", column=name
        )
    size = tensor.parameters.binary_data_size
    if (size is None) == (tensor.data == _NOTHING):
        raise ContractError(f"The tensor {name!r} has data, or a binary_data_size: one of the two.", column=name)
    values = _from_json(tensor) if size is None else _from_bytes(tensor, rest.take(size, name))
    if len(values) != tensor.shape[0]:
        raise ContractError(
            f"The tensor {name!r} has {len(values)} values, and its shape says {tensor.shape}.", column=name
        )
    return values


def _from_bytes(tensor: Input, held: memoryview) -> Values:
    if tensor.datatype == "BYTES":
        return list(_texts(tensor.name, held))
    dtype = np.dtype(_DTYPES[tensor.datatype])
    if len(held) != tensor.shape[0] * dtype.itemsize:
        raise ContractError(
            f"The tensor {tensor.name!r} has {len(held)} bytes; {tensor.shape[0]} values of {tensor.datatype} are "
            f"{tensor.shape[0] * dtype.itemsize}.",
            column=tensor.name,
        )
    values: Values = np.frombuffer(held, dtype).tolist()
    if tensor.datatype != "BOOL":
        return values
    if not {0, 1}.issuperset(values):
        raise ContractError(f"The tensor {tensor.name!r} is BOOL, and holds bytes beside 0 and 1.", column=tensor.name)
    return [value == 1 for value in values]


def _texts(name: str, held: memoryview) -> Iterator[str]:
    place = 0
    while place < len(held):
        start = place + 4
        size = int.from_bytes(held[place:start], "little")
        if start + size > len(held):
            raise ContractError(f"The tensor {name!r} ends within an element.", column=name)
        try:
            yield str(held[start : start + size], "utf-8")
        except UnicodeDecodeError as error:
            raise ContractError(f"The tensor {name!r} holds bytes that are not UTF-8.", column=name) from error
        place = start + size


def _from_json(tensor: Input) -> Values:
    """Flat, or nested as the shape says."""
    kind: Any = _json_type(tensor.datatype) | None
    try:
        flat: Values = _decoded(tensor, list[kind])
    except msgspec.ValidationError as error:
        try:
            nested: list[tuple[Any]] = _decoded(tensor, list[tuple[kind]]) if len(tensor.shape) == 2 else []
        except msgspec.ValidationError:
            nested = []
        if not nested:
            raise ContractError(f"The data of tensor {tensor.name!r}: {error}.", column=tensor.name) from error
        return [value for (value,) in nested]
    return flat


def _decoded(tensor: Input, kind: Any) -> Any:
    return msgspec.json.decode(tensor.data, type=kind)


def _json_type(datatype: str) -> Any:
    if "INT" not in datatype:
        return {"BOOL": bool, "BYTES": str}.get(datatype, float)
    ends = np.iinfo(_DTYPES[datatype])
    least, most = int(ends.min), int(ends.max)
    return Annotated[int, msgspec.Meta(ge=least, le=most)] if most < 2**63 else Annotated[int, msgspec.Meta(ge=0)]


def _rows(columns: dict[str, Values]) -> Iterator[dict[str, Any]]:
    if len({len(values) for values in columns.values()}) > 1:
        longest = max(columns, key=lambda name: len(columns[name]))
        shortest = min(columns, key=lambda name: len(columns[name]))
        raise ContractError(
            f"The tensors differ in rows: {longest!r} has {len(columns[longest])}, {shortest!r} {len(columns[shortest])}.",
            column=shortest,
        )
    for values in zip(*columns.values(), strict=True):
        yield dict(zip(columns, values, strict=True))
