"""Many texts, and many rows of inputs, held as bytes: what waits for its day to close is no object of its own."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import msgspec
import numpy as np
from numpy.typing import NDArray

from lockgate.records.prediction import Scalar

Rows = NDArray[np.intp]
Row = tuple[Scalar, ...]
_encode = msgspec.msgpack.Encoder().encode
_rows_decoder: msgspec.msgpack.Decoder[list[Row]] = msgspec.msgpack.Decoder(list[Row])


class Texts:
    """Texts as one run of UTF-8 and the length of each in it."""

    __slots__ = ("blob", "lengths")

    def __init__(self, blob: bytes, lengths: NDArray[np.unsignedinteger]) -> None:
        self.blob, self.lengths = blob, lengths

    @classmethod
    def of(cls, texts: Sequence[str]) -> Texts:
        whole = "".join(texts)
        blob = whole.encode()
        if len(blob) == len(whole):
            return cls(blob, _narrow(list(map(len, texts))))
        return cls(blob, _narrow([len(text.encode()) for text in texts]))

    @classmethod
    def joined(cls, parts: Sequence[Texts]) -> Texts:
        return cls(b"".join(part.blob for part in parts), np.concatenate([part.lengths for part in parts]))

    def __len__(self) -> int:
        return self.lengths.size

    def take(self, rows: Rows) -> list[str]:
        stops = np.cumsum(self.lengths, dtype=np.intp)
        ends: list[int] = stops[rows].tolist()
        starts: list[int] = (stops[rows] - self.lengths[rows]).tolist()
        blob = self.blob
        return [blob[start:end].decode() for start, end in zip(starts, ends, strict=True)]


class Inputs:
    """The inputs of many calls, each as it came, value for value and type for type; unpacked when they are asked for."""

    __slots__ = ("blob", "count", "order", "parts")

    def __init__(self, count: int, blob: bytes, parts: Sequence[Inputs] = (), order: Rows | None = None) -> None:
        self.count, self.blob, self.parts, self.order = count, blob, parts, order

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Inputs:
        return cls(len(rows), _encode(rows)[_header(len(rows)) :])

    @classmethod
    def joined(cls, parts: Sequence[Inputs]) -> Inputs:
        count = sum(part.count for part in parts)
        if any(part.order is not None or part.parts for part in parts):
            return cls(count, b"", parts)
        return cls(count, b"".join(part.blob for part in parts))

    def take(self, rows: Rows) -> Inputs:
        return Inputs(rows.size, b"", (self,), rows)

    def rows(self) -> list[Row]:
        if not self.parts:
            # The rows one behind another are the list of them once its length stands before.
            return _rows_decoder.decode(b"\xdd" + self.count.to_bytes(4, "big") + self.blob)
        found = list(chain.from_iterable(part.rows() for part in self.parts))
        if self.order is None:
            return found
        places: list[int] = self.order.tolist()
        return [found[place] for place in places]


def _header(count: int) -> int:
    """How many bytes say in msgpack that so many follow."""
    return 1 if count < 16 else 3 if count < 65_536 else 5


def _narrow(lengths: Sequence[int]) -> NDArray[np.unsignedinteger]:
    longest = max(lengths, default=0)
    kind = np.uint8 if longest < 256 else np.uint16 if longest < 65_536 else np.uint32
    return np.array(lengths, dtype=kind)
