"""Every port in memory: for notebooks and tests, and the plain statement of what an adapter does."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TypeGuard

from lockgate.decide import budget
from lockgate.errors import Conflict
from lockgate.features import many_calls
from lockgate.records import BudgetSpec, Entry, Event, Outcome, Prediction, Routing, Spend, decode, encode
from lockgate.records.duration import UNITS_S
from lockgate.records.entry import GENESIS, EntryKind, link
from lockgate.records.prediction import LogEntry, LogLine, LogRow, Window
from lockgate.records.source import Values
from lockgate.store.event_store import conflict
from lockgate.store.keys import CHAINED, REPLACED, at_s, is_held, key, new_draws, refuse_changed, refuse_spends
from lockgate.store.ports import Compacted, Cursor, K, Kept, Replaced, Taken, Written


class MemoryLog:
    def __init__(self) -> None:
        self._entries: list[LogRow | None] = []

    def writer(self) -> MemoryLog:
        return self

    def append(self, entries: Sequence[LogLine], *, durable: bool = False) -> None:  # noqa: ARG002 - memory is memory
        self._entries.extend(many_calls.entries(entries))

    @property
    def problem(self) -> str | None:
        return None

    @property
    def poisoned(self) -> int:
        return 0

    @property
    def unsafe(self) -> Mapping[str, int]:
        return {}

    def compact(self, *, may_go_on: Callable[[], bool]) -> Compacted:  # noqa: ARG002 - nothing to move
        return Compacted()

    def calls(
        self, model: str, *, rollout: str | None = None, since_s: float = -math.inf, until_s: float = math.inf
    ) -> list[LogEntry]:
        own = [entry for entry in self.read()[0] if _is_of_call(entry, model)]
        asked = {e.id for e in own if _is_asked(e, rollout, since_s, until_s)}
        return [
            e
            for e in own
            if e.id in asked and (not isinstance(e, Prediction) or _is_asked(e, rollout, since_s, until_s))
        ]

    def entries_of(self, model: str, ids: Collection[str]) -> list[LogEntry]:
        return [entry for entry in self.read()[0] if _is_of_call(entry, model) and entry.id in ids]

    def oldest(self) -> str | None:
        return None

    def forget(self, model: str, before_s: float) -> None:
        """What is forgotten keeps its place, so that cursors hold."""
        self._forget(lambda row: row.model == model and _event_s(row) < _day(before_s))

    def forget_windows(self, model: str, before_s: float) -> None:
        self._forget(lambda row: isinstance(row, Window) and row.model == model and row.since_s < _day(before_s))

    def _forget(self, is_past: Callable[[LogRow], bool]) -> None:
        self._entries = [None if row is None or is_past(row) else row for row in self._entries]

    def close(self) -> None:
        return None

    def read(self, cursor: Cursor | None = None, limit: int | None = None) -> tuple[list[LogRow], Cursor]:
        at = (cursor or {}).get("entries", 0)
        end = len(self._entries) if limit is None else min(len(self._entries), at + limit)
        return [entry for entry in self._entries[at:end] if entry is not None], {"entries": end}


def _is_asked(entry: LogEntry, rollout: str | None, since_s: float, until_s: float) -> bool:
    """Whether it is a prediction of that rollout, or any where none is named, asked in [since_s, until_s)."""
    return isinstance(entry, Prediction) and since_s <= entry.asked_s < until_s and rollout in (None, entry.rollout)


def _is_of_call(row: LogRow, model: str) -> TypeGuard[LogEntry]:
    return row.model == model and not isinstance(row, Window)


def _day(at_s: float) -> float:
    return math.floor(at_s / UNITS_S["d"]) * UNITS_S["d"]


def _event_s(row: LogRow) -> float:
    if isinstance(row, Window):
        return row.since_s
    return row.at_s if isinstance(row, Outcome) else row.asked_s


class MemoryBoard:
    def __init__(self) -> None:
        self._routings: dict[str, Routing] = {}

    def publish(self, routing: Routing) -> None:
        self._routings[routing.model] = routing

    def read(self, model: str) -> Routing | None:
        return self._routings.get(model)

    def withdraw(self, model: str) -> None:
        self._routings.pop(model, None)

    def models(self) -> tuple[str, ...]:
        return tuple(sorted(self._routings))


class MemoryRecords:
    def __init__(self) -> None:
        self._kept: dict[tuple[type, str], Kept] = {}
        self._ledger: list[Entry] = []
        self._writing = threading.Lock()

    def write(self, *records: Written, over: Sequence[Replaced] = ()) -> None:
        refuse_spends(records)
        with self._writing:
            self._keep(self._fresh(records, over))

    def spend(
        self, spec: BudgetSpec, *spends: Spend, then: Sequence[Written] = (), over: Sequence[Replaced] = ()
    ) -> None:
        refuse_spends(then)
        with self._writing:
            new = new_draws(spends, lambda name: self.get(Spend, name))
            models = {spend.model for spend in new}
            drawn = [decode(Spend, e.body) for e in self._ledger if e.kind == "spend" and e.model in models]
            budget.check_all(spec, drawn, new)
            self._keep([*new, *self._fresh(then, over)])

    def reading(self) -> AbstractContextManager[object]:
        return nullcontext()

    def get(self, kind: type[K], key: str) -> K | None:
        found = self._kept.get((kind, key))
        return found if isinstance(found, kind) else None

    def all(self, kind: type[K], model: str | None = None) -> list[K]:
        return [r for r in list(self._kept.values()) if isinstance(r, kind) and model in (None, r.model)]

    def count(self, kind: type[K], model: str) -> int:
        return len(self.all(kind, model))

    def entries(self, after: int = 0, limit: int | None = None) -> list[Entry]:
        return self._ledger[after:][:limit]

    def newest(self) -> int:
        return len(self._ledger)

    def bodies(self, kind: EntryKind, keys: Collection[str]) -> dict[str, str]:
        kept = list(self._kept.items())
        return {name: encode(r).decode() for (type_, name), r in kept if CHAINED.get(type_) == kind and name in keys}

    def unchained(self, limit: int = 1) -> list[tuple[EntryKind, str]]:
        chained = {(entry.kind, entry.subject) for entry in self._ledger}
        own: list[tuple[EntryKind, str]] = [
            (CHAINED[type_], name) for type_, name in list(self._kept) if type_ in CHAINED
        ]
        return [place for place in own if place not in chained][:limit]

    def _fresh(self, records: Sequence[Written], over: Sequence[Replaced]) -> list[Written]:
        refuse_changed(over, lambda record: self._kept.get((type(record), key(record))))
        fresh: list[Written] = []
        seen: dict[tuple[type, str], Kept] = {}
        for record in records:
            place = type(record), key(record)
            if _is_fresh(record, seen.get(place, self._kept.get(place))):
                fresh.append(record)
                seen[place] = record
        return fresh

    def _keep(self, fresh: Sequence[Kept]) -> None:
        for record in fresh:
            # A replaced record keeps its place in the order.
            self._kept[type(record), key(record)] = record
            if type(record) in CHAINED:
                self._chain(record)

    def _chain(self, record: Kept) -> None:
        previous = self._ledger[-1].digest if self._ledger else GENESIS
        number, kind, body = len(self._ledger) + 1, CHAINED[type(record)], encode(record).decode()
        self._ledger.append(
            Entry(
                number=number,
                previous=previous,
                digest=link(previous, number, kind, key(record), body),
                kind=kind,
                model=record.model,
                subject=key(record),
                body=body,
                written_s=at_s(record),
            )
        )


def _is_fresh(record: Kept, held: Kept | None) -> bool:
    if held is None or isinstance(record, REPLACED):
        return True
    if held != record:
        raise Conflict(f"Another {type(record).__name__} is kept under {key(record)}; records are written once.")
    return False


class MemoryLease:
    def __init__(self) -> None:
        self._held: dict[str, tuple[str, float]] = {}

    def acquire(self, name: str, holder: str, *, now_s: float, for_s: float) -> bool:
        owner, until_s = self._held.get(name, ("", 0.0))
        if owner and is_held(owner, until_s, holder, now_s=now_s, for_s=for_s):
            return False
        self._held[name] = (holder, now_s + for_s)
        return True

    def release(self, name: str, holder: str) -> None:
        if self._held.get(name, ("", 0.0))[0] == holder:
            del self._held[name]


class MemoryEvents:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, dict[int | str, Event]] = {}
        self._added = 0
        self._told: int | None = None

    def add(self, source: str, events: Sequence[Event]) -> Taken:
        with self._lock:
            held = self._held.get(source, {})
            new: dict[int | str, Event] = {}
            for event in events:
                if held.get(event.id, new.setdefault(event.id, event)) != event:
                    raise conflict(source, event.id)
            kept = {key: event for key, event in new.items() if key not in held}
            self._held[source] = held | kept
            self._added += len(kept)
            return Taken(len(kept), len(events) - len(kept))

    def read(self, source: str, after: int = 0, *, since_us: int | None = None) -> tuple[list[Event], int]:
        held = list(self._held.get(source, {}).values())
        return [e for e in held[after:] if since_us is None or e.happened_us >= since_us], len(held)

    def values(self, source: str) -> list[Values]:
        return [event.values for event in self.read(source)[0]]

    def newest_us(self, source: str, *, known_before_us: int | None = None) -> int | None:
        before = math.inf if known_before_us is None else known_before_us
        return max((e.happened_us for e in self.read(source)[0] if max(e[:2]) < before), default=None)

    def has_news(self) -> bool:
        is_new, self._told = self._told != self._added, self._added
        return is_new

    def close(self) -> None:
        pass
