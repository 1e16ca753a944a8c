"""One model's calls: assigned, answered by the chain, logged, and scored by the other arm in shadow."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lockgate.decide.assign import assign
from lockgate.errors import Conflict, PredictError
from lockgate.features.columns import Columns, take
from lockgate.features.request import Plain
from lockgate.records import Contract, Prediction, Routing, Shadow
from lockgate.records.prediction import Arm, LogEntry
from lockgate.runtime.fallback import Absent, Answered, Bounds, CanPredict, Prompt, alone, chain
from lockgate.runtime.predictor import Answer
from lockgate.runtime.quick import quick
from lockgate.serve import plain
from lockgate.serve.batch import Batch
from lockgate.serve.requests import Asked, Requests
from lockgate.serve.served import Served

Append = Callable[[Sequence[LogEntry]], object]


class Caller:
    """Answers calls of one model under one contract; safe to use from many threads."""

    def __init__(
        self, contract: Contract, routing: Routing, predictors: Mapping[str, CanPredict], append: Append
    ) -> None:
        self._append = append
        self._requests = Requests()
        self._served = _served(contract, routing, predictors, {})

    @property
    def served(self) -> Served:
        return self._served

    def swap(self, routing: Routing, predictors: Mapping[str, CanPredict]) -> None:
        """Answer by another routing from the next call on. Threads stay with the versions that stay."""
        self._served = _served(self._served.contract, routing, predictors, self._served.bounds)

    def under(self, contract: Contract, routing: Routing, predictors: Mapping[str, CanPredict]) -> Caller:
        """The same model's next caller, for rows of another contract: it knows the same request ids and keeps the threads.
        Rows that were read for this one are answered here still, in the order of columns that they were read in.
        """
        other = Caller(contract, routing, {}, self._append)
        other._requests = self._requests
        other._served = _served(contract, routing, predictors, self._served.bounds)
        return other

    def answer(self, batch: Batch, *, request: str | None = None, has_deadline: bool = True) -> list[Prediction]:
        """A prediction for every row, in order; logged before it is returned.

        request: the caller's id; seen again, the same predictions come back and nothing is logged twice, also where the
        first call is still being answered. Raises Conflict where the id came with other rows before.
        """
        if request is None:
            return self._answer(batch, has_deadline=has_deadline)
        asked, is_first = self._requests.claim(request, len(batch))
        if not is_first:
            return _same(asked.answered.result(), batch, request, self._served.contract)
        try:
            predictions = self._answer(batch, has_deadline=has_deadline)
        except BaseException as error:
            self._requests.forget(request)
            asked.answered.set_exception(error)
            raise
        asked.answered.set_result(predictions)
        return predictions

    def answer_plain(self, asked: Sequence[Plain]) -> list[list[Prediction] | None]:
        """The same for the plain rows of several requests, at once and in this thread, in one line of the log; None for those
        that `answer` has to answer, of which nothing is logged then.
        """
        named = Counter(one.id for one in asked if one.id)
        is_new = [not one.id or (named[one.id] == 1 and one.id not in self._requests) for one in asked]
        new = [one for one, is_one in zip(asked, is_new, strict=True) if is_one]
        answered = iter(plain.answer(self._served, new, now_s=time.time()) if new else ())
        found = [next(answered) if is_one else None for is_one in is_new]
        claimed: list[tuple[str, Asked[list[Prediction]], list[Prediction]]] = []
        for place, (one, predictions) in enumerate(zip(asked, found, strict=True)):
            if predictions and one.id:
                known, is_first = self._requests.claim(one.id, len(predictions))
                if is_first:
                    claimed.append((one.id, known, predictions))
                else:  # another thread began with this id meanwhile: its answer counts
                    found[place] = None
        try:
            self._append([prediction for predictions in found if predictions for prediction in predictions])
        except BaseException as error:
            for request, known, _ in claimed:
                self._requests.forget(request)
                known.answered.set_exception(error)
            raise
        for _, known, predictions in claimed:
            known.answered.set_result(predictions)
        return found

    def shadow(
        self,
        batch: Batch,
        predictions: Sequence[Prediction],
        *,
        request: str | None = None,
        has_deadline: bool = True,
    ) -> list[Shadow]:
        """The arm that did not serve a call scores it too, once per request id; its failures are recorded and hurt
        nobody.
        """
        served = self._served
        routing = served.routing
        if not routing.shadow or routing.challenger is None or not self._requests.claim_shadow(request):
            return []
        shadows: list[Shadow] = []
        for arm, other in (("champion", routing.challenger), ("challenger", routing.champion)):
            own = np.array([p.arm == arm and p.rollout == routing.rollout for p in predictions], dtype=bool)
            for rows, is_left in _parts(own, batch):
                by = replace(served, predictors=_barring(served, other)) if is_left else served
                shadows += self._shadow(by, batch, rows, other, has_deadline=has_deadline)
        self._append(shadows)
        return shadows

    def score(self, batch: Batch) -> list[Prediction]:
        """A table's rows: the same path, with no one waiting, so without deadlines and with the shadow in line."""
        predictions = self.answer(batch, has_deadline=False)
        self.shadow(batch, predictions, has_deadline=False)
        return predictions

    def _answer(self, batch: Batch, *, has_deadline: bool) -> list[Prediction]:
        predictions = self._predict(self._served, batch, has_deadline=has_deadline)
        self._append(predictions)
        return predictions

    def _predict(self, served: Served, batch: Batch, *, has_deadline: bool) -> list[Prediction]:
        routing = served.routing
        share = 0.0 if routing.challenger is None else routing.share
        arms: list[Arm] = [assign(routing.salt, unit, share) for unit in batch.units]
        found: dict[int, Prediction] = {}
        for arm, version in (("champion", routing.champion), ("challenger", routing.challenger)):
            if version is None:
                continue
            for rows, is_left in _parts(np.array([own == arm for own in arms], dtype=bool), batch):
                predictors = _barring(served, version) if is_left else served.predictors
                deadline_s = routing.deadline_ms / 1000 if has_deadline else None
                began = time.perf_counter()
                link = chain(routing, version, predictors, deadline_s=deadline_s, bounds=served.bounds)
                answered = link(take(batch.columns, rows))
                latency_ms = (time.perf_counter() - began) * 1000 / (1 if has_deadline else rows.size)
                numbers: list[int] = rows.tolist()
                for place, row in enumerate(numbers):
                    found[row] = _prediction(
                        routing, batch, row, answered, place, arm=arms[row], version=version, latency_ms=latency_ms
                    )
        return [found[row] for row in range(len(batch))]

    def _shadow(
        self, served: Served, batch: Batch, rows: NDArray[np.intp], version: str, *, has_deadline: bool
    ) -> list[Shadow]:
        routing = served.routing
        predictor = served.predictors.get(version) or Absent(version)
        deadline_s = routing.deadline_ms / 1000 if has_deadline else None
        began = time.perf_counter()
        answered = alone(predictor, deadline_s=deadline_s, bounds=served.bounds.get(version))(take(batch.columns, rows))
        latency_ms = (time.perf_counter() - began) * 1000 / (1 if has_deadline else rows.size)
        numbers: list[int] = rows.tolist()
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
            for place, row in enumerate(numbers)
        ]


def _served(
    contract: Contract, routing: Routing, predictors: Mapping[str, CanPredict], bounds: Mapping[str, Bounds]
) -> Served:
    prompt = {version: link.predictor for version, link in predictors.items() if isinstance(link, Prompt)}
    ways = {version: quick(predictor, contract.asked) for version, predictor in prompt.items()}
    return Served(
        routing,
        contract,
        predictors,
        bounds={version: bounds.get(version) or Bounds() for version in predictors},
        quick={version: way for version, way in ways.items() if way is not None},
    )


class _Barred:
    """A version that the contract keeps a row from: the row's call fails for it, and what lies behind it answers."""

    def __init__(self, version: str) -> None:
        self.version = version

    def predict(self, columns: Columns) -> Answer:  # noqa: ARG002 - the shape of a predictor
        raise PredictError("The contract leaves this row to the fallback.", reason="contract")


def _parts(chosen: NDArray[np.bool_], batch: Batch) -> Iterator[tuple[NDArray[np.intp], bool]]:
    """The chosen rows, those that the contract leaves to the fallback apart, and whether they are those."""
    for is_left in (False, True):
        rows = np.flatnonzero(chosen & (batch.falls_back == is_left))
        if rows.size:
            yield rows, is_left


def _barring(served: Served, version: str) -> dict[str, CanPredict]:
    """The predictors for rows that the contract leaves to the fallback: neither arm's version may score them, for they
    break the one contract of both; the baseline or the constant answers.
    """
    arms = (version, served.routing.champion, served.routing.challenger)
    others: dict[str, CanPredict] = {name: found for name, found in served.predictors.items() if name not in arms}
    return others | {version: _Barred(version)}


def _same(known: list[Prediction], batch: Batch, request: str, contract: Contract) -> list[Prediction]:
    """An id that is used again for other rows must not be answered with the first rows' predictions. What was computed here
    may be another by now.
    """
    sent = [place for place, column in enumerate(contract.asked) if column.aggregate is None]
    rows = zip(known, batch.inputs, strict=False)
    if len(known) != len(batch) or any([p.inputs[at] for at in sent] != [own[at] for at in sent] for p, own in rows):
        raise Conflict(f"The request id {request!r} came with other rows before.", cure="Give each request its own id.")
    return known


def _prediction(
    routing: Routing,
    batch: Batch,
    row: int,
    answered: Answered,
    place: int,
    *,
    arm: Arm,
    version: str,
    latency_ms: float,
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
