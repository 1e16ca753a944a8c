"""Plain rows made whole: what is computed of events, put among what was sent, where nothing needs a second look.

What is flagged, out of its range, or breaks a rule between columns is left to `lockgate.serve.completing`, which says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from lockgate.features.aggregate import lane, micro
from lockgate.features.check import asked_rules, sent_rules
from lockgate.features.one_row import to_function
from lockgate.features.windows import Reader
from lockgate.records import Column, Contract
from lockgate.records.contract import ColumnType
from lockgate.records.prediction import Scalar
from lockgate.serve.online import Followed

Row = tuple[Scalar, ...]
_MOST_WHOLE = 2.0**62  # what the log keeps as a whole number
_AS: dict[ColumnType, Callable[[float], Scalar]] = {"int": int, "bool": bool}


class _Computed(NamedTuple):
    """keys: where a row has what events are told apart by. low, high: what the contract has seen, or allows."""

    reader: Reader
    keys: tuple[int, ...]
    low: float
    high: float
    type: Callable[[float], Scalar]


class WholeRows:
    """The aggregates of one contract for rows as a request brings them. For one thread at a time."""

    def __init__(self, contract: Contract, readers: Mapping[str, Reader], sources: Sequence[Followed]) -> None:
        """readers: by column."""
        sent = [column.name for column in contract.sent]
        own = [column for column in contract.asked if column.aggregate is not None]
        place = {name: at for at, name in enumerate((*sent, *(column.name for column in own)))}
        self._sources = sources
        self._time = sent.index(contract.time) if contract.time in sent else None
        self._computed = [_computed(column, readers, place) for column in own]
        self._in_order = itemgetter(*(place[column.name] for column in contract.asked))
        reads = {column.name: f"row[{at}]" for at, column in enumerate(contract.asked)}
        known = {rule.rule.name for rule in sent_rules(contract)}
        rules = [rule for rule in asked_rules(contract) if rule.rule.name not in known]
        self._rules = [to_function(rule.tree, reads, moments=False) for rule in rules]

    def of(self, rows: Sequence[Row]) -> list[Row] | None:
        """Each row in the order of the contract's asked columns; None where any of them has to be looked at."""
        found: list[Row] = []
        for row in rows:
            # As of now is a moment that the prediction has to say as well.
            asked_s: Any = None if self._time is None else row[self._time]
            whole = None if asked_s is None else self._whole(row, micro(asked_s))
            if whole is None:
                return None
            found.append(whole)
        return found

    def _whole(self, row: Row, at_us: int) -> Row | None:
        if any(source.is_stale(at_us) for source in self._sources):
            return None
        values: list[Scalar] = []
        for one in self._computed:
            value, flag = one.reader.at(tuple([row[at] for at in one.keys]), at_us)
            if flag is not None or value is None or not one.low <= value <= one.high:
                return None
            values.append(one.type(value))
        whole: Row = self._in_order((*row, *values))
        return None if any(keeps(whole) is False for keeps in self._rules) else whole


def _computed(column: Column, readers: Mapping[str, Reader], place: Mapping[str, int]) -> _Computed:
    assert column.aggregate is not None
    most = _MOST_WHOLE if column.type == "int" else math.inf
    low = -most if column.low is None else max(-most, column.low)
    high = most if column.high is None else min(most, column.high)
    keys = tuple(place[name] for _, name in lane(column.aggregate).by)
    return _Computed(readers[column.name], keys, low, high, _AS.get(column.type, float))
