"""What the hours of a version's own table were like, kept beside its profile: hard faults are held against that."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from lockgate.decide.faults.habits import begun, habits
from lockgate.decide.faults.hour import HOUR_S, Hour, without_pairs
from lockgate.features.columns import Columns, take
from lockgate.features.pipeline import Floats
from lockgate.features.profiles import columns as counting
from lockgate.records import Contract, MonitorSpec, Profile
from lockgate.records.duration import UNITS_S
from lockgate.records.usual import Usual
from lockgate.train.split import Split

LAST_S = 28 * UNITS_S["d"]
"""So much of a table is counted: older hours say less of those to come, and each costs some milliseconds."""


class Habits:
    """Of the last four weeks of training rows the inputs alone, for what a model says of those is not what it says of others;
    then of the held-out rows that lie behind them. Nothing of a table without times.
    """

    def __init__(self, rows: Split, contract: Contract, reference: Profile, spec: MonitorSpec) -> None:
        self._rows, self._contract, self._spec = rows, contract, spec
        self._reference = without_pairs(reference)

    @cached_property
    def _trained(self) -> Usual:
        return habits(self._reference, self._hours(self._rows.train, self._reference, None), self._spec)

    def of(self, profile: Profile, predictions: Floats) -> Usual:
        """profile: the version's own; predictions: of the held-out rows, shape (rows,) or (rows, classes)."""
        own = without_pairs(profile)
        said = predictions if predictions.ndim == 1 else None
        hours = self._hours(self._rows.held_out, own, said)
        return begun(habits(own, hours, self._spec, before=self._trained))

    def _hours(self, rows: Columns, like: Profile, predictions: Floats | None) -> Iterator[Hour]:
        if self._contract.time is None:
            return
        at_s = np.asarray(rows[self._contract.time], dtype=np.float64)
        known = np.flatnonzero(np.isfinite(at_s))
        if not known.size:
            return
        known = known[at_s[known] > at_s[known].max() - LAST_S]
        hours = np.floor(at_s[known] / HOUR_S)
        order = np.argsort(hours, kind="stable")
        starts, first = np.unique(hours[order], return_index=True)
        for start, own in zip(starts.tolist(), np.split(known[order], first[1:]), strict=True):
            said = None if predictions is None else predictions[own]
            yield Hour(start * HOUR_S, counting.window(take(rows, own), like, predictions=said))
