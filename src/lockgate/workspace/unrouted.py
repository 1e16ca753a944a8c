"""Models that the log knows and no routing does: callables guarded in somebody's own service. Their health is kept; what
lockgate.toml does not name is said.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from lockgate.monitor.fold import Fold
from lockgate.monitor.health import HealthMaker
from lockgate.records import Prediction, WorkspaceSpec
from lockgate.records.duration import seconds
from lockgate.records.prediction import LogEntry
from lockgate.store.ports import Records


class Unrouted:
    """A cache of the log, as a watch's is; one loop's."""

    def __init__(self, spec: WorkspaceSpec, records: Records) -> None:
        self._spec, self._records = spec, records
        self._folds: dict[str, Fold] = {}
        self._health: dict[str, HealthMaker] = {}
        self._strangers: set[str] = set()

    def feed(self, entries: Sequence[LogEntry], routed: Collection[str], *, now_s: float) -> None:
        """routed: models that are watched already."""
        found: dict[str, list[LogEntry]] = {}
        for entry in entries:
            if entry.model in routed:
                continue
            if entry.model in self._spec.model:
                found.setdefault(entry.model, []).append(entry)
            elif isinstance(entry, Prediction):
                self._strangers.add(entry.model)
        for model, own in found.items():
            self._fold(model).feed(own, now_s=now_s)
            if model in self._health:
                self._health[model].note()

    def look(self, now_s: float, routed: Collection[str]) -> list[str]:
        """Writes each model's health; a sentence for each model that lockgate.toml does not know."""
        for model in self._folds.keys() & set(routed):
            del self._folds[model]
        for model, fold in self._folds.items():
            if math.isfinite(fold.watermark_s):
                self._write(model, fold, now_s)
        return [
            f"The log holds calls of {model!r}, which lockgate.toml does not name: they are kept, and not watched. "
            f"Add [model.{model}] with its task and target."
            for model in sorted(self._strangers)
        ]

    def _fold(self, model: str) -> Fold:
        if model not in self._folds:
            horizon_s = seconds(self._spec.model[model].outcomes.horizon)
            self._folds[model] = Fold(model, horizon_s=horizon_s)
        return self._folds[model]

    def _write(self, model: str, fold: Fold, now_s: float) -> None:
        if not fold.has_calls():
            return
        horizon_s = seconds(self._spec.model[model].outcomes.horizon)
        found = self._health.setdefault(model, HealthMaker()).due(fold, horizon_s=horizon_s, now_s=now_s)
        if found is not None:
            self._records.write(found)
        # Nothing is judged here yet: what has matured is let go, and calls wait for no judge.
        fold.pass_over()
        for day, _ in list(fold.closable()):
            fold.close(day)
