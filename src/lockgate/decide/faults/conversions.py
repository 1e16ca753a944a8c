"""Units that are taken for one another: what a number becomes when the side that sends it changes its unit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Conversion(NamedTuple):
    """A value x becomes factor x + offset. before, after: units, in words."""

    before: str
    after: str
    factor: float
    offset: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.before} to {self.after}"

    @property
    def formula(self) -> str:
        sign = "+" if self.offset > 0 else "-"
        return f"x {self.factor:.4g}" + (f" {sign} {abs(self.offset):.4g}" if self.offset else "")

    def of(self, value: float) -> float:
        return self.factor * value + self.offset

    @property
    def back(self) -> Conversion:
        return Conversion(self.after, self.before, 1 / self.factor, -self.offset / self.factor)


# What people mistake most often comes first: it is named where several would do.
_ONE_WAY = (
    Conversion("kilometres", "miles", 0.621371),
    Conversion("kilograms", "pounds", 2.20462),
    Conversion("Fahrenheit", "Celsius", 5 / 9, -160 / 9),
    Conversion("Celsius", "Kelvin", 1.0, 273.15),
    Conversion("Fahrenheit", "Kelvin", 5 / 9, 273.15 - 160 / 9),
    Conversion("metres", "feet", 3.28084),
    Conversion("centimetres", "inches", 1 / 2.54),
    Conversion("millimetres", "inches", 1 / 25.4),
    Conversion("litres", "gallons", 0.264172),
    Conversion("metres a second", "kilometres an hour", 3.6),
    Conversion("metres a second", "miles an hour", 2.23694),
    Conversion("hectopascals", "inches of mercury", 0.02953),
    Conversion("seconds (or minutes)", "minutes (or hours)", 1 / 60),
    Conversion("seconds", "hours", 1 / 3600),
    Conversion("hours", "days", 1 / 24),
    Conversion("wholes", "hundredths (per cent, cents)", 100.0),
    Conversion("tens", "ones", 10.0),
    Conversion("thousands (or seconds, kilograms, kilometres)", "ones (or milliseconds, grams, metres)", 1000.0),
    Conversion("millions (or seconds)", "ones (or microseconds)", 1e6),
    Conversion("one sign", "the other", -1.0),
)


def _both_ways() -> Iterator[Conversion]:
    for one in _ONE_WAY:
        yield one
        if one.factor != -1.0:
            yield one.back


CONVERSIONS = tuple(_both_ways())
"""Each, and its way back."""
