"""Rows completed: what a contract holds and no caller sends is computed here, before anything else looks at a row."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.features.aggregate import STALE, lane, micros
from lockgate.features.check import asked_rules, breaks, sent_rules
from lockgate.features.columns import Columns
from lockgate.features.windows import Key, Reader
from lockgate.records import Contract, SourceSpec
from lockgate.serve.online import Followed, Online, followed
from lockgate.serve.whole import Row, WholeRows


class Whole(NamedTuple):
    """Rows with every column that is asked. flags, falls_back: by row, those they came with and those of what is new."""

    columns: Columns
    flags: list[tuple[str, ...]]
    falls_back: NDArray[np.bool_]


class _Computed(NamedTuple):
    name: str
    reader: Reader
    source: Followed
    keys: tuple[str, ...]


class _Asked(NamedTuple):
    """What is asked of one key: when, ascending, and by which rows."""

    key: Key
    moments_us: list[int]
    rows: NDArray[np.int64]


class Completing:
    """The aggregates of one contract, kept online. Safe to use from many threads, which take turns."""

    def __init__(self, contract: Contract, sources: Mapping[str, SourceSpec], online: Online) -> None:
        aggregates = contract.aggregates
        self._time = contract.time
        self._followed = followed(aggregates.values(), sources, online)
        self._computed = [
            _Computed(name, self._followed[one.source].reader(one), self._followed[one.source], _keys(one))
            for name, one in aggregates.items()
        ]
        self._columns = [column for column in contract.asked if column.aggregate is not None]
        sent = {rule.rule.name for rule in sent_rules(contract)}
        self._rules = [rule for rule in asked_rules(contract) if rule.rule.name not in sent]
        self._lock = threading.Lock()
        readers = {one.name: one.reader for one in self._computed}
        self._whole = WholeRows(contract, readers, list(self._followed.values()))

    def completed(
        self, columns: Columns, flags: Sequence[tuple[str, ...]], falls_back: NDArray[np.bool_], *, now_s: float
    ) -> Whole:
        """Asked as of each row's own time, else as of now. What a computed column breaks of its contract is never refused,
        for the caller could not mend it: such a row is flagged, or left to the fallback where it would be refused.
        """
        asked_us = micros(self._asked(columns, len(flags), now_s))
        found = [*flags]
        with self._lock:
            for source in self._followed.values():
                source.follow()
            asked = asked_us.tolist()
            order = np.argsort(asked_us, kind="stable").tolist()
            own = {keys: _by_key(keys, columns, asked, order) for keys in {one.keys for one in self._computed}}
            values = {one.name: _values(one, own[one.keys], found) for one in self._computed}
            self._flag_stale(asked, found)
        whole = columns | values
        left = falls_back.copy()
        for item in breaks(whole, self._columns, self._rules):
            for row in np.flatnonzero(item.rows):
                found[row] = (*found[row], item.flag)
            if item.on_break != "flag":
                left |= item.rows
        return Whole(whole, found, left)

    def row(self, row: Mapping[str, Any], at_us: int) -> dict[str, float | None]:
        """The values of one row alone, by name; row: the columns that events are told apart by."""
        with self._lock:
            for source in self._followed.values():
                source.follow()
            return {
                one.name: one.reader.at(tuple([row[name] for name in one.keys]), at_us).value for one in self._computed
            }

    def plain(self, rows: Sequence[Row]) -> list[Row] | None:
        """Rows in the order of what is sent, made whole in the order of what is asked; None where `completed` has to: where
        anything is to be flagged, where it is time to look for new events, or where somebody else is at it. Never waits.
        """
        if not self._lock.acquire(blocking=False):
            return None
        try:
            is_current = all(source.is_current for source in self._followed.values())
            return self._whole.of(rows) if is_current else None
        finally:
            self._lock.release()

    def _asked(self, columns: Columns, rows: int, now_s: float) -> NDArray[np.float64]:
        own = columns.get(self._time) if self._time is not None else None
        if own is None:
            return np.full(rows, now_s)
        return np.where(np.isnan(own), now_s, own)

    def _flag_stale(self, asked_us: Sequence[int], flags: list[tuple[str, ...]]) -> None:
        """What is of a source that was silent for too long before a row was asked."""
        moments_us = set(asked_us)
        for source in self._followed.values():
            stale_us = {at_us for at_us in moments_us if source.is_stale(at_us)}
            if not stale_us:
                continue
            told = tuple(f"{one.name}: {STALE}" for one in self._computed if one.source is source)
            for row, at_us in enumerate(asked_us):
                if at_us in stale_us:
                    flags[row] += told


def _keys(one: Any) -> tuple[str, ...]:
    return tuple(name for _, name in lane(one).by)


def _by_key(keys: tuple[str, ...], columns: Columns, asked_us: Sequence[int], order: Sequence[int]) -> list[_Asked]:
    """The rows of each key, in the order of their time, which is `order`."""
    if not keys:
        return [_Asked((), [asked_us[row] for row in order], np.array(order))]
    own = list(zip(*(map(_key, columns[name].tolist()) for name in keys), strict=True))
    found: dict[Key, list[int]] = {}
    for row in order:
        found.setdefault(own[row], []).append(row)
    return [_Asked(key, [asked_us[row] for row in rows], np.array(rows)) for key, rows in found.items()]


def _key(value: Any) -> Any:
    """A float64 of `Columns` as a key: 7.0 is found under 7, and NaN is missing."""
    return None if value != value else value


def _values(one: _Computed, asked: Sequence[_Asked], flags: list[tuple[str, ...]]) -> NDArray[np.float64]:
    """The column; what stands for its default is added to the rows' flags."""
    values = np.empty(len(flags))
    for key, moments_us, rows in asked:
        told = one.reader.each(key, moments_us)
        values[rows] = told.values
        for place, flag in told.flags.items():
            row = int(rows[place])
            flags[row] = (*flags[row], f"{one.name}: {flag}")
    return values
