"""Which sources the models that serve are computed of, and whether those still tell anything."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import NamedTuple

from lockgate.monitor import alarms, source_watch
from lockgate.records import Alarm, Contract
from lockgate.records.silence import Silence
from lockgate.workspace.wire import Wiring

_log = logging.getLogger("lockgate.loop")


class Asked(NamedTuple):
    """A model's newest question, in event time, and the contract that its rows are read by."""

    event_s: float
    contract: Contract


def watch(wiring: Wiring, models: Mapping[str, Asked], *, now_s: float) -> list[Alarm]:
    """Alarms that are new, written already. Before its first question a model misses nothing. Raises StoreError where events
    or records cannot be read.
    """
    held = {silence.source: silence for silence in wiring.records.all(Silence)}
    found: list[Alarm] = []
    for source, spec in wiring.spec.source.items():
        readers, event_s = _readers(source, models)
        last = held.get(source)
        if not readers and (last is None or last.until_s is not None):
            continue
        if not readers and last is not None:
            event_s = last.noticed_s
        newest_us = wiring.events.newest_us(source, known_before_us=round(event_s * 1e6))
        told = source_watch.look(
            source,
            spec,
            last,
            readers,
            newest_s=None if newest_us is None else newest_us / 1e6,
            event_s=event_s,
            now_s=now_s,
        )
        if told is not None:
            spoken = alarms.tell(wiring.records, told.silence, alarms=[told.alarm])
            for alarm in spoken:
                _log.warning("%s: %s", alarm.severity, alarm.sentence)
            found += spoken
    return found


def _readers(source: str, models: Mapping[str, Asked]) -> tuple[dict[str, tuple[str, ...]], float]:
    """By model what is computed of the source, and the newest question that one of them was asked."""
    readers: dict[str, tuple[str, ...]] = {}
    event_s = -math.inf
    for model, asked in models.items():
        columns = tuple(name for name, one in asked.contract.aggregates.items() if one.source == source)
        if columns and math.isfinite(asked.event_s):
            readers[model] = columns
            event_s = max(event_s, asked.event_s)
    return readers, event_s
