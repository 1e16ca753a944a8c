"""Many texts held as bytes: what waits for its day to close is no object of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.intp]


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


def _narrow(lengths: Sequence[int]) -> NDArray[np.unsignedinteger]:
    longest = max(lengths, default=0)
    kind = np.uint8 if longest < 256 else np.uint16 if longest < 65_536 else np.uint32
    return np.array(lengths, dtype=kind)
