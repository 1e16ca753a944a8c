"""What a parity that does not hold raises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ParityBroken(AssertionError):
    """A feature or answer that is not the same both ways. feature: its name. row: the first such row's place among the rows
    that were tried; inputs: what it held. ways: both ways in words; values: what each said.
    """

    def __init__(
        self, feature: str, row: int, inputs: Mapping[str, Any], ways: tuple[str, str], values: tuple[Any, Any]
    ) -> None:
        self.feature, self.row, self.inputs, self.ways, self.values = feature, row, dict(inputs), ways, values
        held = ", ".join(f"{name}={value!r}" for name, value in self.inputs.items())
        super().__init__(
            f"{feature!r} is {values[0]!r} {ways[0]} and {values[1]!r} {ways[1]}, of row {row} first: {held}. "
            "A value must depend on its own row alone, in the same units both ways."
        )
