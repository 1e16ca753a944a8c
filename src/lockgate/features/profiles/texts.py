"""Texts put into cells by length, alphabet, words and hash, many at a time: all their bytes are one array.

The hash is multilinear over bytes and mixed at the end (as in Lemire, Kaser 2014): fixed for good, the same in every
process and on every machine. It spreads; it does not keep secrets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.features.profiles.numbers import Ints

Hashes = NDArray[np.uint64]
Bytes = NDArray[np.uint8]
LENGTHS = (0.0, 1.0, *(float(step << power) for power in range(12) for step in (2, 3)))
"""Edges of the cells of lengths, in characters: two to each doubling, up to 6,144."""
ALPHABETS = 64
HASHES = 64
_WORDLESS = HASHES
WORDS = HASHES + 1
"""Cells of a text by one of its words, and one for texts without a word."""
_PERIOD = 4096  # places in a text, after which the multipliers come again
_MIX = np.uint64(0x9E3779B97F4A7C15)


class Shapes(NamedTuple):
    """Of each text: characters, the cell of its alphabet, of its word and of its hash, and the hash in 32 bits."""

    lengths: Ints
    alphabets: Ints
    words: Ints
    cells: Ints
    hashes: NDArray[np.uint32]


def shapes(texts: Sequence[str], *, with_words: bool) -> Shapes:
    """texts: at least one; each may be empty. with_words: else the cells of words are not told, and all wordless."""
    encoded = [_bytes(text) for text in texts]
    sizes = np.array(list(map(len, encoded)), dtype=np.int64)
    body = np.frombuffer(b"".join(encoded), dtype=np.uint8)
    text = _Parts(sizes)
    whole = _mixed(text.hashes(body))
    return Shapes(
        lengths=text.sums((body & 0xC0) != 0x80),
        alphabets=text.any_bits(_ALPHABET[body]),
        words=_words(body, text, whole) if with_words else np.full(sizes.size, _WORDLESS, dtype=np.int64),
        cells=(whole & np.uint64(HASHES - 1)).astype(np.int64),
        hashes=(whole >> np.uint64(32)).astype(np.uint32),
    )


def _bytes(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON may bring
        return text.encode("utf-8", "surrogatepass")


class _Parts:
    """Stretches of bytes that lie one behind the other, of which some may be empty."""

    def __init__(self, sizes: Ints) -> None:
        self.count = sizes.size
        self.filled = np.flatnonzero(sizes)
        self._sizes = sizes[self.filled]
        self.starts = np.cumsum(self._sizes) - self._sizes

    def places(self) -> Ints:
        """Of each byte, its place in its part."""
        return np.arange(int(self._sizes.sum())) - np.repeat(self.starts, self._sizes)

    def taken_from(self, starts: Ints) -> Ints:
        """The places of all bytes, where the parts, none of them empty, begin at `starts` of something longer."""
        found: Ints = np.arange(int(self._sizes.sum())) + np.repeat(starts - self.starts, self._sizes)
        return found

    def sums(self, values: NDArray[Any]) -> Ints:
        found: Ints = self._each(np.add, values.astype(np.int64), np.int64)
        return found

    def any_bits(self, values: Bytes) -> Ints:
        found: Ints = self._each(np.bitwise_or, values, np.int64)
        return found

    def hashes(self, body: Bytes) -> Hashes:
        terms = (body.astype(np.uint64) + np.uint64(1)) * _MULTIPLIERS[self.places() & (_PERIOD - 1)]
        found: Hashes = self._each(np.add, terms, np.uint64)
        return found

    def _each(self, ufunc: np.ufunc, values: NDArray[Any], dtype: Any) -> NDArray[Any]:
        found = np.zeros(self.count, dtype=dtype)
        if self.filled.size:
            found[self.filled] = ufunc.reduceat(values, self.starts)
        return found


def _words(body: Bytes, text: _Parts, whole: Hashes) -> Ints:
    """The cell of each text: by one of its words, drawn by the text's own hash, whatever its case. Words stand between
    blanks. One word a text, so that texts are counted and not words, which do not come independently.
    """
    found = np.full(text.count, _WORDLESS, dtype=np.int64)
    inside = (_ALPHABET[body] & _BLANK) == 0
    if not inside.any():
        return found
    begins, ends = inside.copy(), inside.copy()
    begins[1:] &= ~inside[:-1]
    begins[text.starts] = inside[text.starts]
    ends[:-1] &= ~inside[1:]
    ends[text.starts[1:] - 1] = inside[text.starts[1:] - 1]
    words = text.sums(begins)
    has_words = np.flatnonzero(words)
    count = words[has_words]
    drawn = (np.cumsum(words) - words)[has_words] + (whole[has_words] % count.astype(np.uint64)).astype(np.int64)
    start = np.flatnonzero(begins)[drawn]
    word = _Parts(np.flatnonzero(ends)[drawn] + 1 - start)
    hashes = _mixed(word.hashes(_LOWER[body[word.taken_from(start)]]))
    found[has_words] = (hashes & np.uint64(HASHES - 1)).astype(np.int64)
    return found


def _mixed(hashes: Hashes) -> Hashes:
    """Every bit on every other (the finish of splitmix64)."""
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return hashes ^ (hashes >> np.uint64(31))


def spread(numbers: NDArray[np.uint64]) -> Hashes:
    """Whole numbers strewn over 64 bits: the same number to the same place, always."""
    return _mixed((numbers + np.uint64(1)) * _MIX)


def _alphabet() -> Bytes:
    found = np.full(256, 16, dtype=np.uint8)
    found[ord("a") : ord("z") + 1] = 1
    found[ord("A") : ord("Z") + 1] = 2
    found[ord("0") : ord("9") + 1] = 4
    found[list(b" \t\n\r\v\f")] = 8
    found[128:] = 32
    return found


def _lower() -> Bytes:
    found = np.arange(256, dtype=np.uint8)
    found[ord("A") : ord("Z") + 1] += 32
    return found


_ALPHABET, _LOWER = _alphabet(), _lower()
_BLANK = 8
_MULTIPLIERS = spread(np.arange(_PERIOD, dtype=np.uint64)) | np.uint64(1)
