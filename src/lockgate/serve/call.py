"""One model's calls: assigned, answered by the chain, logged, and scored by the other arm in shadow."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lockgate.decide.assign import Drawn, draw
from lockgate.errors import Conflict
from lockgate.features.columns import take
from lockgate.features.request import Plain
from lockgate.records import Contract, Prediction, Routing, Shadow
from lockgate.records.prediction import Arm, LogEntry
from lockgate.runtime.fallback import Absent, Bounds, CanPredict, Prompt, alone, chain
from lockgate.runtime.quick import quick
from lockgate.serve import plain
from lockgate.serve.answers import ArmAnswers, Scored, arms, recorded
from lockgate.serve.batch import Batch
from lockgate.serve.differing import Barred, Way, flagged, told_apart, without
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
            return _same(asked.answered.result(), batch, request, asked.contract, self._served.contract)
        asked.contract = self._served.contract
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
                    known.contract = self._served.contract
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
        own: list[Arm | None] = [p.arm if p.rollout == routing.rollout else None for p in predictions]
        shadows = self._shadows(served, batch, own, has_deadline=has_deadline)
        self._append(shadows)
        return shadows

    def score(self, batch: Batch) -> list[Prediction]:
        """A table's rows: the same path, with no one waiting, so without deadlines and with the shadow in line."""
        return self.keep(self.scored(batch))

    def scored(self, batch: Batch) -> Scored:
        """The rows with what the models say of them; nothing is logged before `keep`, which another thread may do."""
        served = self._served
        answers = _answers(served, batch, has_deadline=False)
        routing = served.routing
        if not routing.shadow or routing.challenger is None:
            return Scored(served, batch, answers, [])
        return Scored(served, batch, answers, self._shadows(served, batch, arms(answers, batch), has_deadline=False))

    def keep(self, scored: Scored) -> list[Prediction]:
        """Log what was answered, with the other arm's say; gives a prediction for every row, in order."""
        found = recorded(scored.served.routing, scored.batch, scored.answers)
        self._append(found)
        self._append(scored.shadows)
        return found

    def _answer(self, batch: Batch, *, has_deadline: bool) -> list[Prediction]:
        served = self._served
        found = recorded(served.routing, batch, _answers(served, batch, has_deadline=has_deadline))
        self._append(found)
        return found

    def _shadows(self, served: Served, batch: Batch, arms: Sequence[Arm | None], *, has_deadline: bool) -> list[Shadow]:
        """What the other arm says of each call; None in `arms` for a call of another rollout."""
        routing = served.routing
        if not routing.shadow or routing.challenger is None:
            return []
        shadows: list[Shadow] = []
        for arm, other in _scored_too(routing):
            own = np.array([one == arm for one in arms], dtype=bool)
            for rows, is_left, barred in _parts(own, batch):
                by = replace(served, predictors=_way(served, other, is_left=is_left, barred=barred).predictors)
                shadows += self._shadow(by, batch, rows, other, has_deadline=has_deadline)
        return shadows

    def _shadow(
        self, served: Served, batch: Batch, rows: NDArray[np.intp], version: str, *, has_deadline: bool
    ) -> list[Shadow]:
        routing = served.routing
        predictor = served.predictors.get(version) or Absent(version)
        deadline_s = routing.deadline_ms / 1000 if has_deadline else None
        began = time.perf_counter()
        answered = alone(predictor, deadline_s=deadline_s, bounds=served.bounds.get(version))(take(batch.columns, rows))
        answered = flagged(answered, batch.by_version.get(version), rows)
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


def _parts(chosen: NDArray[np.bool_], batch: Batch) -> Iterator[tuple[NDArray[np.intp], bool, frozenset[str]]]:
    """The chosen rows, those that the contract leaves to the fallback apart, and whether they are those; and those apart that
    some versions may not answer, with these versions.
    """
    for is_left in (False, True):
        rows = np.flatnonzero(chosen & (batch.falls_back == is_left))
        if rows.size:
            for own, barred in told_apart(batch.by_version, rows):
                yield own, is_left, barred


def _way(served: Served, version: str, *, is_left: bool, barred: frozenset[str]) -> Way:
    """Who is asked about such rows."""
    predictors = _barring(served, version) if is_left else served.predictors
    return without(Way(served.routing, predictors, served.bounds), version, barred)


def _barring(served: Served, version: str) -> dict[str, CanPredict]:
    """The predictors for rows that the contract leaves to the fallback: neither arm's version may score them, for they
    break the one contract of both; the baseline or the constant answers.
    """
    arms = (version, served.routing.champion, *served.routing.challengers)
    others: dict[str, CanPredict] = {name: found for name, found in served.predictors.items() if name not in arms}
    return others | {version: Barred(version)}


def _same(
    known: list[Prediction], batch: Batch, request: str, before: Contract | None, contract: Contract
) -> list[Prediction]:
    """An id that is used again for other rows must not be answered with the first rows' predictions. What was computed here
    may be another by now, and what another contract read is compared as far as both name it. before: by which the first rows
    were read.
    """
    held = {column.name: place for place, column in enumerate((before or contract).asked)}
    sent = [
        (held[column.name], place)
        for place, column in enumerate(contract.asked)
        if column.aggregate is None and column.name in held
    ]
    rows = zip(known, batch.inputs, strict=False)
    if len(known) != len(batch) or any(p.inputs[was] != own[at] for p, own in rows for was, at in sent):
        raise Conflict(f"The request id {request!r} came with other rows before.", cure="Give each request its own id.")
    return known


def _answers(served: Served, batch: Batch, *, has_deadline: bool) -> list[ArmAnswers]:
    """Every row assigned, and answered by the chain of its arm's version; by arm, in the order of their rows."""
    routing = served.routing
    found: list[ArmAnswers] = []
    for arm, version, chosen in _assigned(routing, batch):
        for rows, is_left, barred in _parts(chosen, batch):
            way = _way(served, version, is_left=is_left, barred=barred)
            deadline_s = routing.deadline_ms / 1000 if has_deadline else None
            began = time.perf_counter()
            link = chain(way.routing, version, way.predictors, deadline_s=deadline_s, bounds=way.bounds)
            answered = link(batch.columns if rows.size == len(batch) else take(batch.columns, rows))
            latency_ms = (time.perf_counter() - began) * 1000 / (1 if has_deadline else rows.size)
            answered = flagged(answered, batch.by_version.get(version), rows)
            found.append(ArmAnswers(rows, arm, version, answered, latency_ms))
    return found


def _assigned(routing: Routing, batch: Batch) -> Iterator[tuple[Arm, str, NDArray[np.bool_]]]:
    """Each arm that has a version, and which rows are its own."""
    if routing.challenger is None or routing.share <= 0:
        every: NDArray[np.bool_] = np.ones(len(batch), dtype=bool)
        yield "champion", routing.champion, every
        return
    lots = [draw(routing, unit) for unit in batch.units]
    for one in (Drawn("champion", routing.champion), *(Drawn("challenger", own) for own in routing.challengers)):
        chosen: NDArray[np.bool_] = np.array([lot == one for lot in lots], dtype=bool)
        yield one.arm, one.version, chosen


def _scored_too(routing: Routing) -> tuple[tuple[Arm, str], ...]:
    """By the arm that served: whose say is wanted besides. Of an A/B's calls the champion's alone, as a covariate."""
    if routing.arms or routing.challenger is None:
        return (("challenger", routing.champion),)
    return (("champion", routing.challenger), ("challenger", routing.champion))
