"""Running sums of events in order, kept as whole numbers: the sum of any stretch is exact, whatever came before it.

So a window of a hundred thousand events costs what one of ten does, and one event of 1e300 spoils no later one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.records import Event

Number = float | int | bool
_MOST = 2**61  # so that the difference of two fits into 64 bits
_FINEST = 900  # bits behind the point: a sum of such steps is far from the smallest float64


class Total(NamedTuple):
    """A sum in steps of 2**-shift, and how many values it is of."""

    steps: int
    values: int


class Running:
    """Of one column of a list of events that grows, mostly at its end. A missing value is none."""

    def __init__(self, place: int) -> None:
        """place: the column's, among an event's values."""
        self._place = place
        self._shift = 0  # bits behind the point: as many as the finest value so far needs
        self._steps, self._values = [0], [0]

    def between(self, events: Sequence[Event], first: int, last: int, *, but: Sequence[Event] = ()) -> Total:
        """Of events[first:last], without those of `but`, which are among them."""
        if last >= len(self._steps):
            self._go_on(events[len(self._steps) - 1 : last])
        steps, values = self._steps[last] - self._steps[first], self._values[last] - self._values[first]
        if not but:
            return Total(steps, values)
        left = [value for event in but if (value := self._of(event)) is not None]
        return Total(steps - sum(map(self._whole, left)), values - len(left))

    def many(
        self, events: Sequence[Event], low: int, high: int, first: NDArray[np.int64], last: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]] | None:
        """The sums of events[low + first : low + last], rounded, and how many values they are of; None where whole numbers of
        64 bits do not hold them.

        first, last: shape (n,), 0 to high - low.
        """
        if high >= len(self._steps):
            self._go_on(events[len(self._steps) - 1 : high])
        start = self._steps[low]
        steps = [step - start for step in self._steps[low : high + 1]]
        if self._shift > _FINEST or max(steps) > _MOST or min(steps) < -_MOST:
            return None
        sums, counts = np.array(steps, dtype=np.int64), np.array(self._values[low : high + 1], dtype=np.int64)
        # A whole number becomes the nearest float64, and a power of two changes none of its bits.
        return np.ldexp((sums[last] - sums[first]).astype(np.float64), -self._shift), counts[last] - counts[first]

    def rounded(self, total: Total) -> float | None:
        """The sum to the nearest float64; None where it is beyond that."""
        try:
            return total.steps / (1 << self._shift)  # Python divides whole numbers of any size correctly rounded
        except OverflowError:
            return None

    def cut(self, place: int) -> None:
        """An event has come in at that place of the list."""
        del self._steps[place + 1 :], self._values[place + 1 :]

    def forget(self, events: int) -> None:
        """So many events have left the list at its beginning."""
        if events < len(self._steps):
            del self._steps[:events], self._values[:events]
        else:
            self._steps, self._values = [0], [0]

    def _go_on(self, events: Sequence[Event]) -> None:
        for event in events:
            value = self._of(event)
            more = 0 if value is None else self._whole(value)  # which may make all steps finer
            self._steps.append(self._steps[-1] + more)
            self._values.append(self._values[-1] + (value is not None))

    def _of(self, event: Event) -> Number | None:
        value = event.values[self._place]
        assert not isinstance(value, str)  # a text has no sum, and the definition says so
        return value

    def _whole(self, value: Number) -> int:
        if isinstance(value, int):
            return value << self._shift
        top, bottom = value.as_integer_ratio()
        finer = bottom.bit_length() - 1 - self._shift
        if finer > 0:
            self._shift += finer
            self._steps = [steps << finer for steps in self._steps]
        return top << (self._shift - bottom.bit_length() + 1)
