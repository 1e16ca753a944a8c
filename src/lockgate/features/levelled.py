"""Text that repeats: an object array like any other, which also says its few values and which of them each row has.

What looks at every text of a column (the contract, a step of levels, the log, the pipe to a child) looks at each value once
then. Whoever does not know of it reads the texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Levels(NamedTuple):
    """levels: text, or None for missing, each once; some may be of no row. codes: shape (n,), the place of each row's."""

    levels: tuple[str | None, ...]
    codes: NDArray[np.unsignedinteger[Any]]


class LevelledText(np.ndarray[Any, np.dtype[np.object_]]):
    """The texts of a column with its levels. A part of its rows has them too; what is written into has none any more."""

    _known: Levels | None = None

    @property
    def known(self) -> Levels | None:
        return self._known

    def know(self, known: Levels) -> None:
        self._known = known

    def __getitem__(self, at: Any) -> Any:
        found = super().__getitem__(at)
        if self._known is not None and type(found) is LevelledText:
            found.know(Levels(self._known.levels, self._known.codes[at]))
        return found

    def __setitem__(self, at: Any, value: Any) -> None:
        self._known = None
        super().__setitem__(at, value)


def levelled(levels: Sequence[str | None], codes: NDArray[np.unsignedinteger[Any]]) -> LevelledText:
    """The texts that the codes stand for, shape (n,)."""
    texts = np.empty(len(levels), dtype=object)
    texts[:] = levels
    found: LevelledText = texts[codes].view(LevelledText)
    found.know(Levels(tuple(levels), codes))
    return found


def levels_of(values: NDArray[Any]) -> Levels | None:
    """None where the column does not say them."""
    if not isinstance(values, LevelledText):
        return None
    known = values.known
    return known if known is not None and known.codes.shape == values.shape else None


def present(known: Levels) -> Levels:
    """With the levels alone that some row has, in the narrowest codes that hold them."""
    is_present = np.zeros(len(known.levels), dtype=bool)
    is_present[known.codes] = True
    kept: list[int] = np.flatnonzero(is_present).tolist()
    codes = (np.cumsum(is_present) - 1).astype(np.min_scalar_type(max(len(kept) - 1, 0)))
    return Levels(tuple(known.levels[at] for at in kept), codes[known.codes])
