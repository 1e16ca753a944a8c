"""What a call is answered with: swapped whole, so that one call never sees half of a move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from lockgate.records import Contract, Routing
from lockgate.runtime.fallback import Bounds, CanPredict
from lockgate.runtime.quick import Quick


class Who(NamedTuple):
    """Where a row says whom it is about and when it was asked: places among the asked columns, None where none says."""

    unit: int | None
    time: int | None

    @classmethod
    def of(cls, contract: Contract) -> Who:
        names = [column.name for column in contract.asked]
        unit, time = (names.index(name) if name in names else None for name in (contract.unit, contract.time))
        return cls(unit, time)


@dataclass(frozen=True)
class Served:
    """predictors, bounds, quick: by version; quick ways of those that have one."""

    routing: Routing
    contract: Contract
    predictors: Mapping[str, CanPredict]
    bounds: Mapping[str, Bounds]
    quick: Mapping[str, Quick]
    who: Who = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "who", Who.of(self.contract))
