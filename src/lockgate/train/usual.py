"""What the hours of a version's own table were like, kept beside its profile: hard faults are held against that."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import chain

import msgspec
import numpy as np

from lockgate.decide.faults import look
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
    """Of the inputs, those of the last four weeks of training rows and of the held-out rows behind them; of what a version
    says, those of the held-out rows, for of rows that it has learnt it says other things. Nothing of a table without times.
    """

    def __init__(self, rows: Split, contract: Contract, reference: Profile, spec: MonitorSpec) -> None:
        self._rows, self._time, self._spec = rows, contract.time, spec
        self._inputs = without_pairs(reference)

    @cached_property
    def _of_inputs(self) -> Usual:
        """The same for all versions of the question: each hour is counted once."""
        both = chain(self._hours(self._rows.train, self._inputs), self._hours(self._rows.held_out, self._inputs))
        return habits(self._inputs, both, alpha=look.alpha_of(self._spec, self._inputs))

    def of(self, profile: Profile, predictions: Floats) -> Usual:
        """profile: the version's own; predictions: of the held-out rows, shape (rows,) or (rows, classes)."""
        said = tuple(column for column in profile.columns if column.role == "prediction")
        if self._time is None or not said or predictions.ndim > 1:
            return begun(self._of_inputs)
        own = msgspec.structs.replace(profile, columns=said, pairs=())
        hours = self._hours({self._time: self._rows.held_out[self._time]}, own, predictions)
        answers = habits(own, hours, alpha=look.alpha_of(self._spec, profile))
        return begun(Usual(columns={**self._of_inputs.columns, **answers.columns}))

    def _hours(self, rows: Columns, like: Profile, predictions: Floats | None = None) -> Iterator[Hour]:
        if self._time is None:
            return
        at_s = np.asarray(rows[self._time], dtype=np.float64)
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
