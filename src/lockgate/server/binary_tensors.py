"""An infer request of the Open Inference Protocol v2 over HTTP: JSON, and the tensors' bytes behind it.

The binary tensor data extension: after the JSON, whose length a header tells, the bytes in the order of the inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, Any

import msgspec

from lockgate.errors import ContractError
from lockgate.server import tensors
from lockgate.server.open_protocol import Parameters
from lockgate.server.statuses import Refused
from lockgate.server.tensors import Tensor, Values

HEADER = "Inference-Header-Content-Length"
LONGEST_LENGTH = 20  # digits
Dimension = Annotated[int, msgspec.Meta(ge=0, le=2**31)]
_NOTHING = msgspec.Raw()


class InputParameters(msgspec.Struct, forbid_unknown_fields=True):
    binary_data_size: Annotated[int, msgspec.Meta(ge=0)] | None = None


class OutputParameters(msgspec.Struct, forbid_unknown_fields=True):
    binary_data: bool | None = None


class HttpParameters(Parameters, forbid_unknown_fields=True):
    """binary_data_output: for outputs that say nothing themselves."""

    binary_data_output: bool = False


class Input(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: str
    datatype: str
    shape: list[Dimension]
    parameters: InputParameters = msgspec.field(default_factory=InputParameters)
    data: msgspec.Raw = _NOTHING


class AskedOutput(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: str
    parameters: OutputParameters = msgspec.field(default_factory=OutputParameters)


class Request(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    inputs: list[Input]
    id: str | None = None
    parameters: HttpParameters = msgspec.field(default_factory=HttpParameters)
    outputs: list[AskedOutput] | None = None


_decoder = msgspec.json.Decoder(Request)


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
    columns = tensors.columns(_tensors(request, rest))
    rest.end()
    return request, tensors.rows(columns)


def _tensors(request: Request, rest: _Rest) -> Iterator[tuple[Tensor, Callable[[], Values]]]:
    for sent in request.inputs:
        tensor = Tensor(sent.name, sent.datatype, sent.shape)
        yield tensor, partial(_values, tensor, sent, rest)


def _values(tensor: Tensor, sent: Input, rest: _Rest) -> Values:
    size = sent.parameters.binary_data_size
    if (size is None) == (sent.data == _NOTHING):
        raise ContractError(
            f"The tensor {tensor.name!r} has data, or a binary_data_size: one of the two.", column=tensor.name
        )
    return _from_json(tensor, sent.data) if size is None else tensors.from_bytes(tensor, rest.take(size, tensor.name))


def _from_json(tensor: Tensor, data: msgspec.Raw) -> Values:
    """Flat, or nested as the shape says."""
    kind: Any = tensors.value_type(tensor.datatype) | None
    try:
        flat: Values = _decoded(data, list[kind])
    except msgspec.ValidationError as error:
        try:
            nested: list[tuple[Any]] = _decoded(data, list[tuple[kind]]) if len(tensor.shape) == 2 else []
        except msgspec.ValidationError:
            nested = []
        if not nested:
            raise ContractError(f"The data of tensor {tensor.name!r}: {error}.", column=tensor.name) from error
        return [value for (value,) in nested]
    return flat


def _decoded(data: msgspec.Raw, kind: Any) -> Any:
    return msgspec.json.decode(data, type=kind)


def _header_size(header: str | None, body: bytes) -> int:
    if header is None:
        return len(body)
    is_number = header.isascii() and header.isdigit() and len(header) <= LONGEST_LENGTH
    if not is_number or int(header) > len(body):
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
