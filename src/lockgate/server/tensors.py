"""What the Open Inference Protocol v2 says of tensors, whichever way they come: over HTTP or gRPC, typed or as bytes.

A contract's column is one input tensor of its name, shape [n] or [n, 1]. Source: KServe, Open Inference Protocol v2, and its
"Binary Tensor Data Extension": little-endian, row-major; BYTES as a 4-byte length and so many bytes for each element.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np

from lockgate.errors import ContractError, unknown
from lockgate.records import Column

Values = list[Any]
_DTYPES = {
    "BOOL": "u1",
    **{f"{sign}INT{bits}": f"<{kind}{bits // 8}" for sign, kind in (("U", "u"), ("", "i")) for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": f"<f{bits // 8}" for bits in (16, 32, 64)},
}
DATATYPES = (*_DTYPES, "BYTES")


class Tensor(NamedTuple):
    """What a tensor says of itself. Its values are read by the functions below, which hold it to that."""

    name: str
    datatype: str
    shape: Sequence[int]

    @property
    def rows(self) -> int:
        return self.shape[0]


def datatype(column: Column) -> str:
    """How a column comes best. A missing whole number is a NaN, which only a float can say."""
    if column.type == "int":
        return "FP64" if column.is_nullable else "INT64"
    return {"float": "FP64", "bool": "BOOL"}.get(column.type, "BYTES")


def columns(read: Iterable[tuple[Tensor, Callable[[], Values]]]) -> dict[str, Values]:
    """The values of every tensor by its name. Raises ContractError naming one that comes twice, or is not what it says."""
    found: dict[str, Values] = {}
    for tensor, values in read:
        if tensor.name in found:
            raise ContractError(f"The tensor {tensor.name!r} comes twice.", column=tensor.name)
        found[tensor.name] = _held(tensor, values)
    return found


def rows(columns: Mapping[str, Values]) -> list[dict[str, Any]]:
    """The same as objects by column; NaN and None are missing. Raises ContractError where tensors differ in rows."""
    if len({len(values) for values in columns.values()}) > 1:
        longest = max(columns, key=lambda name: len(columns[name]))
        shortest = min(columns, key=lambda name: len(columns[name]))
        raise ContractError(
            f"The tensors differ in rows: {longest!r} has {len(columns[longest])}, {shortest!r} {len(columns[shortest])}.",
            column=shortest,
        )
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def from_bytes(tensor: Tensor, held: memoryview) -> Values:
    """Raises ContractError where there are more or fewer bytes than the tensor says, or others than its datatype has."""
    if tensor.datatype == "BYTES":
        return list(_texts(tensor.name, held))
    dtype = np.dtype(_DTYPES[tensor.datatype])
    if len(held) != tensor.rows * dtype.itemsize:
        raise ContractError(
            f"The tensor {tensor.name!r} has {len(held)} bytes; {tensor.rows} values of {tensor.datatype} are "
            f"{tensor.rows * dtype.itemsize}.",
            column=tensor.name,
        )
    values: Values = np.frombuffer(held, dtype).tolist()
    if tensor.datatype != "BOOL":
        return values
    if not {0, 1}.issuperset(values):
        raise ContractError(f"The tensor {tensor.name!r} is BOOL, and holds bytes beside 0 and 1.", column=tensor.name)
    return [value == 1 for value in values]


def to_bytes(values: Sequence[Any], kind: str) -> bytes:
    """An output tensor as the extension's bytes. kind: FP64 or BYTES."""
    if kind == "FP64":
        return np.asarray(values, dtype="<f8").tobytes()
    texts = [str(value).encode() for value in values]
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def text(name: str, held: bytes | memoryview) -> str:
    """One element of a BYTES tensor. Raises ContractError where it is not UTF-8."""
    try:
        return str(held, "utf-8")
    except UnicodeDecodeError as error:
        raise ContractError(f"The tensor {name!r} holds bytes that are not UTF-8.", column=name) from error


def value_type(datatype: str) -> Any:
    """What msgspec takes for one value of the datatype, its range with it."""
    if "INT" not in datatype:
        return {"BOOL": bool, "BYTES": str}.get(datatype, float)
    ends = np.iinfo(_DTYPES[datatype])
    least, most = int(ends.min), int(ends.max)
    return Annotated[int, msgspec.Meta(ge=least, le=most)] if most < 2**63 else Annotated[int, msgspec.Meta(ge=0)]


def _held(tensor: Tensor, values: Callable[[], Values]) -> Values:
    name, shape = tensor.name, list(tensor.shape)
    if tensor.datatype not in DATATYPES:
        raise ContractError(f"Tensor {name!r}: {unknown('datatype', tensor.datatype, DATATYPES)}", column=name)
    if len(shape) not in (1, 2) or shape[1:] not in ([], [1]) or shape[0] < 0:
        raise ContractError(f"The tensor {name!r} has shape {shape}; a column's is [rows] or [rows, 1].", column=name)
    found = values()
    if len(found) != tensor.rows:
        raise ContractError(f"The tensor {name!r} has {len(found)} values, and its shape says {shape}.", column=name)
    return found


def _texts(name: str, held: memoryview) -> Iterator[str]:
    place = 0
    while place < len(held):
        start = place + 4
        size = int.from_bytes(held[place:start], "little")
        if start + size > len(held):
            raise ContractError(f"The tensor {name!r} ends within an element.", column=name)
        yield text(name, held[start : start + size])
        place = start + size
