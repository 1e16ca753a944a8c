"""Inputs and answers on their way to a child process and back: numbers as their bytes, text as it is."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from msgspec.structs import replace

from lockgate.features.columns import Columns
from lockgate.features.levelled import levelled, levels_of
from lockgate.runtime.predictor import Inputs


class Array(msgspec.Struct, frozen=True, kw_only=True):
    """levels: of text that repeats, whose codes the body holds."""

    dtype: str = ""
    shape: tuple[int, ...] = ()
    body: bytes = b""
    text: list[str | None] | None = None
    levels: tuple[str | None, ...] | None = None


def packed(inputs: Inputs) -> bytes:
    """A matrix goes under the empty name, which no column has."""
    columns: Columns = inputs if isinstance(inputs, dict) else {"": inputs}
    return msgspec.msgpack.encode({name: pack(array) for name, array in columns.items()})


def unpacked(body: bytes) -> Inputs:
    """The reverse. Raises ValueError, or an error of msgspec's, for what is no such thing."""
    columns: Columns = {name: unpack(array) for name, array in _columns.decode(body).items()}
    return columns.get("", columns)


def packed_one(array: np.ndarray[Any, Any]) -> bytes:
    return msgspec.msgpack.encode(pack(array))


def one(body: bytes) -> Any:
    return unpack(_one.decode(body))


def pack(array: np.ndarray[Any, Any]) -> Array:
    if array.dtype == object:
        known = levels_of(array)
        return Array(text=array.tolist()) if known is None else replace(pack(known.codes), levels=known.levels)
    return Array(dtype=array.dtype.str, shape=array.shape, body=np.ascontiguousarray(array).tobytes())


def unpack(packed: Array) -> Any:
    if packed.text is not None:
        out = np.empty(len(packed.text), dtype=object)
        out[:] = packed.text
        return out
    if np.dtype(packed.dtype).kind not in "fiub":
        raise ValueError(f"an array of {packed.dtype}")
    found = np.frombuffer(packed.body, dtype=packed.dtype).reshape(packed.shape)
    return found if packed.levels is None else levelled(packed.levels, found)


_columns = msgspec.msgpack.Decoder(dict[str, Array])
_one = msgspec.msgpack.Decoder(Array)
