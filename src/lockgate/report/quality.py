"""What the days of the standing champions say, in numbers for a monitoring system: skill, loss, and how far inputs lie."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from lockgate.errors import LockgateError
from lockgate.records import Block, Profile, Routing, WorkspaceSpec
from lockgate.records.drift import DriftStanding
from lockgate.records.duration import seconds
from lockgate.report.monitored.counted_days import counted_days, last_window
from lockgate.report.monitored.histories import variations
from lockgate.report.series import Sample
from lockgate.store.ports import Records

FEWEST_SCORED = 30  # of a day; fewer say nothing


class Quality:
    """Looked at as often as one likes: a model's days are read again when one more is closed, or counted on, or another
    version is champion.
    """

    def __init__(self, records: Records, spec: WorkspaceSpec, reference: Callable[[str], Profile | None]) -> None:
        """reference: of a version; it may raise LockgateError where there is none that can be read."""
        self._records, self._spec, self._reference = records, spec, reference
        self._seen: dict[str, tuple[tuple[str, int, float], list[Sample]]] = {}

    def measured(self) -> list[Sample]:
        """Series, labels in their order, and value. Raises StoreError where the records cannot be read."""
        return [sample for routing in self._records.all(Routing) for sample in self._of(routing)]

    def _of(self, routing: Routing) -> list[Sample]:
        model = routing.model
        standing = self._records.get(DriftStanding, f"{model}/{routing.champion}")
        counted_s = -math.inf if standing is None else standing.until_s
        key = routing.champion, self._records.count(Block, model), counted_s
        if model not in self._seen or self._seen[model][0] != key:
            own = [block for block in self._records.all(Block, model) if block.champion == routing.champion]
            self._seen[model] = key, [*performance(model, own), *self._drift(model, routing.champion, counted_s)]
        return self._seen[model][1]

    def _drift(self, model: str, champion: str, until_s: float) -> list[Sample]:
        if model not in self._spec.model or math.isinf(until_s):
            return []
        days = counted_days(self._records, model, champion)
        window = last_window(days, seconds(self._spec.model[model].monitor.window))
        try:
            reference = self._reference(champion)
        except LockgateError:  # the loop says it in its log
            return []
        if reference is None or window is None:
            return []
        found = variations(reference, [window])
        return [("lockgate_drift_distance_ratio", (model, name), value[0]) for name, value in found.items() if value]


def performance(model: str, own: Sequence[Block]) -> list[Sample]:
    """Of the newest day with enough outcomes; nothing where there is none."""
    day = next((block for block in reversed(own) if block.scored >= FEWEST_SCORED), None)
    if day is None:
        return []
    found: list[Sample] = [("lockgate_loss_mean", (model,), day.loss / day.scored)]
    if day.base_loss > 0:  # a day whose outcomes are all alike has no skill to show
        found.append(("lockgate_skill_ratio", (model,), 1 - day.loss / day.base_loss))
    return found
