"""One model's calls: assigned, answered by the chain, logged, and scored by the other arm in shadow."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lockgate.decide.assign import assign
from lockgate.features.columns import take
from lockgate.records import Contract, Prediction, Routing, Shadow
from lockgate.records.prediction import Arm, LogEntry
from lockgate.runtime.bounded import Pool
from lockgate.runtime.fallback import Absent, Answered, alone, chain
from lockgate.runtime.predictor import Predictor
from lockgate.serve.batch import Batch

REMEMBERED = 10_000
Append = Callable[[Sequence[LogEntry]], None]


@dataclass(frozen=True)
class Served:
    """What a call is answered with: swapped whole, so that one call never sees half of a move."""

    routing: Routing
    contract: Contract
    predictors: Mapping[str, Predictor]
    pools: Mapping[str, Pool] = field(default_factory=dict[str, Pool])


class Caller:
    """Answers calls of one model; safe to use from many threads."""

    def __init__(
        self, contract: Contract, routing: Routing, predictors: Mapping[str, Predictor], append: Append
    ) -> None:
        self._append = append
        self._lock = threading.Lock()
        self._recent: OrderedDict[str, list[Prediction]] = OrderedDict()
        self._served = Served(routing, contract, predictors)
        self.swap(contract, routing, predictors)

    @property
    def served(self) -> Served:
        return self._served

    def swap(self, contract: Contract, routing: Routing, predictors: Mapping[str, Predictor]) -> None:
        """Answer by another routing from the next call on. Threads stay with the versions that stay."""
        pools = {version: self._served.pools.get(version) or Pool() for version in predictors}
        self._served = Served(routing, contract, predictors, pools)

    def answer(self, batch: Batch, *, request: str | None = None, has_deadline: bool = True) -> list[Prediction]:
        """A prediction for every row, in order; logged before it is returned.

        request: the caller's id; seen again, the same predictions come back and nothing is logged twice.
        """
        if request is not None and (known := self._recall(request)) is not None:
            return known
        served = self._served
        predictions = self._predict(served, batch, has_deadline=has_deadline)
        self._append(predictions)
        if request is not None:
            self._remember(request, predictions)
        return predictions

    def shadow(self, batch: Batch, predictions: Sequence[Prediction], *, has_deadline: bool = True) -> list[Shadow]:
        """The arm that did not serve a call scores it too; its failures are recorded and hurt nobody."""
        served = self._served
        routing = served.routing
        if not routing.shadow or routing.challenger is None:
            return []
        shadows: list[Shadow] = []
        for arm, other in (("champion", routing.challenger), ("challenger", routing.champion)):
            own = [p.arm == arm and p.rollout == routing.rollout for p in predictions]
            rows = np.flatnonzero(np.array(own, dtype=bool))
            if rows.size:
                shadows += self._shadow(served, batch, rows, other, has_deadline=has_deadline)
        self._append(shadows)
        return shadows

    def score(self, batch: Batch) -> list[Prediction]:
        """A table's rows: the same path, with no one waiting, so without deadlines and with the shadow in line."""
        predictions = self.answer(batch, has_deadline=False)
        self.shadow(batch, predictions, has_deadline=False)
        return predictions

    def _predict(self, served: Served, batch: Batch, *, has_deadline: bool) -> list[Prediction]:
        routing = served.routing
        arms: list[Arm] = [assign(routing.salt, unit, routing.share) for unit in batch.units]
        found: list[Prediction | None] = [None] * len(batch)
        for arm, version in (("champion", routing.champion), ("challenger", routing.challenger)):
            rows = np.flatnonzero(np.array([own == arm for own in arms]))
            if not rows.size or version is None:
                continue
            deadline_s = routing.deadline_ms / 1000 if has_deadline else None
            began = time.perf_counter()
            link = chain(routing, version, served.predictors, deadline_s=deadline_s, pools=served.pools)
            answered = link(take(batch.columns, rows))
            latency_ms = (time.perf_counter() - began) * 1000 / (1 if has_deadline else rows.size)
            for place, row in enumerate(rows.tolist()):
                found[row] = _prediction(routing, batch, row, arms[row], version, answered, place, latency_ms)
        return [prediction for prediction in found if prediction is not None]

    def _shadow(
        self, served: Served, batch: Batch, rows: NDArray[np.intp], version: str, *, has_deadline: bool
    ) -> list[Shadow]:
        routing = served.routing
        predictor = served.predictors.get(version) or Absent(version)
        deadline_s = routing.deadline_ms / 1000 if has_deadline else None
        began = time.perf_counter()
        answered = alone(predictor, deadline_s=deadline_s, pool=served.pools.get(version))(take(batch.columns, rows))
        latency_ms = (time.perf_counter() - began) * 1000 / (1 if has_deadline else rows.size)
        return [
            Shadow(
                id=batch.ids[row],
                model=routing.model,
                version=version,
                rollout=routing.rollout,
                asked_s=float(batch.asked_s[row]),
                value=None if answered.failures[place] else float(answered.values[place]),
                latency_ms=latency_ms,
                failure=answered.failures[place],
                flags=answered.flags[place],
            )
            for place, row in enumerate(rows.tolist())
        ]

    def _recall(self, request: str) -> list[Prediction] | None:
        with self._lock:
            return self._recent.get(request)

    def _remember(self, request: str, predictions: list[Prediction]) -> None:
        with self._lock:
            self._recent[request] = predictions
            while len(self._recent) > REMEMBERED:
                self._recent.popitem(last=False)


def _prediction(
    routing: Routing, batch: Batch, row: int, arm: Arm, version: str, answered: Answered, place: int, latency_ms: float
) -> Prediction:
    return Prediction(
        id=batch.ids[row],
        model=routing.model,
        unit=batch.units[row],
        asked_s=float(batch.asked_s[row]),
        answered_s=time.time(),
        arm=arm,
        version=version,
        served_by=answered.served_by[place],
        value=float(answered.values[place]),
        latency_ms=latency_ms,
        share=routing.share,
        rollout=routing.rollout,
        failure=answered.failures[place],
        flags=batch.flags[row] + answered.flags[place],
        inputs=batch.inputs[row],
    )
