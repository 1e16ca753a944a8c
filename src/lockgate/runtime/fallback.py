"""The fallback chain: every call is answered, by the chosen version, else by the next link, in the end by a constant.

Links are built by wrapping, the constant innermost. Each has the deadline to itself, and a breaker once it has failed for
long.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from lockgate.errors import PredictError
from lockgate.features.columns import Columns, length, take
from lockgate.features.pipeline import Floats
from lockgate.records import Routing
from lockgate.runtime.bounded import Pool
from lockgate.runtime.breaker import COSTLY, Breaker
from lockgate.runtime.predictor import Answer, Predictor

CONSTANT = "constant"


class Answered(NamedTuple):
    """values: shape (n,). By row: who answered (a version's id, or "constant"), why the first link gave no valid answer
    of its own (None where it did), and the input flags of the first link (none where it did not answer).
    """

    values: Floats
    served_by: list[str]
    failures: list[str | None]
    flags: list[tuple[str, ...]]


class Link(Protocol):
    """A link of the chain, with all that lies behind it; it never raises."""

    def __call__(self, columns: Columns, /) -> Answered: ...


class CanPredict(Protocol):
    """A predictor, as far as the chain knows it."""

    @property
    def version(self) -> str: ...

    def predict(self, columns: Columns) -> Answer: ...


@runtime_checkable
class KeepsTime(Protocol):
    """A predictor that keeps a deadline by itself, so that no thread need be given up for it. until: a time.monotonic();
    PredictError "late" where there is no answer by then.
    """

    def predict_by(self, columns: Columns, until: float, /) -> Answer: ...


class Prompt:
    """A predictor of our own code, or of a checked graph: it answers soon, or not at all, and may answer right here."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self.version = predictor.version

    def predict(self, columns: Columns) -> Answer:
        return self.predictor.predict(columns)

    def predict_by(self, columns: Columns, until: float) -> Answer:
        answer = self.predictor.predict(columns)
        if time.monotonic() > until:
            raise PredictError("The answer came too late.", reason="late")
        return answer


class Bounds:
    """What holds one version's calls in, whoever makes them: threads to be given up, and a breaker."""

    def __init__(self, threads: int = 4) -> None:
        self.pool = Pool(threads)
        self.breaker = Breaker()


class Constant:
    """The innermost link: what answers when nothing else can."""

    def __init__(self, value: float, served_by: str = CONSTANT) -> None:
        self._value = value
        self._served_by = served_by

    def __call__(self, columns: Columns) -> Answered:
        n = length(columns)
        return Answered(np.full(n, self._value), [self._served_by] * n, [None] * n, [()] * n)


class Absent:
    """A version that could not be loaded: its calls fail, and the evidence says so."""

    def __init__(self, version: str) -> None:
        self.version = version

    def predict(self, columns: Columns) -> Answer:  # noqa: ARG002 - the shape of a predictor
        raise PredictError(f"Version {self.version[:6]} is not loaded.", reason="not_loaded")


class WithFallback:
    """One link and what lies behind it.

    A batch that raises is halved until the rows that fail are alone, so that a bad row never fails its neighbours.
    With a deadline, all of that is given up when late: by the link itself where it keeps time, else in a thread of its own.
    Without, it is done here.
    """

    def __init__(
        self, link: CanPredict, otherwise: Link, deadline_s: float | None = None, bounds: Bounds | None = None
    ) -> None:
        self._link = link
        self._otherwise = otherwise
        self._deadline_s = deadline_s
        self._bounds = bounds or Bounds()

    def __call__(self, columns: Columns) -> Answered:
        n = length(columns)
        own = Answered(np.full(n, np.nan), [self._link.version] * n, [None] * n, [()] * n)
        try:
            found = self._bounded(columns)
        except PredictError as error:
            found = [(np.arange(n), error.reason)]
        for rows, answer in found:
            _fill(own, rows, answer)
        if own.failures.count(None) < n:  # in large batches it is soon known that none has
            failed = np.array([row for row, reason in enumerate(own.failures) if reason is not None], dtype=np.int64)
            _replace(own, failed, self._otherwise(take(columns, failed)))
        return own

    def _bounded(self, columns: Columns) -> list[_Part]:
        if self._deadline_s is None:
            return self._score(columns, self._link.predict)
        breaker = self._bounds.breaker
        admitted = breaker.admits()
        if not admitted:
            raise PredictError(f"Version {self._link.version[:6]} is left alone for a while.", reason="open")
        try:
            found = self._in_time(columns, self._deadline_s)
        except PredictError as error:
            breaker.saw(error.reason, admitted)
            raise
        breaker.saw(None, admitted)
        return found

    def _in_time(self, columns: Columns, deadline_s: float) -> list[_Part]:
        link = self._link
        if isinstance(link, KeepsTime):
            until = time.monotonic() + deadline_s
            return self._score(columns, lambda rows: link.predict_by(rows, until))
        return self._bounds.pool.run(lambda: self._score(columns, link.predict), deadline_s)

    def _score(self, columns: Columns, predict: Callable[[Columns], Answer]) -> list[_Part]:
        return _halved(columns, np.arange(length(columns)), predict)


def _halved(columns: Columns, rows: _Rows, predict: Callable[[Columns], Answer]) -> list[_Part]:
    """Each stretch of `rows` with its answer, or with the reason of the one row that has none. Raises PredictError for what
    is no row's fault.
    """
    try:
        return [(rows, predict(columns if len(rows) == length(columns) else take(columns, rows)))]
    except PredictError as error:
        if error.reason in COSTLY:
            raise
        if len(rows) <= 1:
            return [(rows, error.reason)]
    half = len(rows) // 2
    return _halved(columns, rows[:half], predict) + _halved(columns, rows[half:], predict)


_Rows = np.ndarray[tuple[int], np.dtype[np.int64]]
_Part = tuple[_Rows, Answer | str]


def chain(
    routing: Routing,
    chosen: str,
    predictors: Mapping[str, CanPredict],
    *,
    deadline_s: float | None,
    bounds: Mapping[str, Bounds] | None = None,
) -> Link:
    """The chosen version first, then the routing's chain behind it; links that are not loaded are left out, unless
    chosen.
    """
    named = {"champion": routing.champion, "baseline": routing.baseline}
    behind = [named.get(name, name) for name in routing.chain if name != CONSTANT]
    order = [version for version in dict.fromkeys((chosen, *behind)) if version is not None]
    link: Link = Constant(routing.constant)
    for version in reversed(order):
        if version in predictors:
            link = WithFallback(predictors[version], link, deadline_s, (bounds or {}).get(version))
        elif version == chosen:
            link = WithFallback(Absent(version), link)
    return link


def alone(predictor: CanPredict, *, deadline_s: float | None, bounds: Bounds | None = None) -> Link:
    """One version with nothing behind it: NaN where it fails. For shadow calls."""
    return WithFallback(predictor, Constant(float("nan")), deadline_s, bounds)


def _fill(own: Answered, rows: _Rows, answer: Answer | str) -> None:
    if isinstance(answer, str):
        for row in rows.tolist():
            own.failures[row] = answer
        return
    own.values[rows] = answer.values
    if len(rows) == len(own.flags):  # in one piece, as nearly always
        own.flags[:] = answer.flags
        return
    for place, row in enumerate(rows.tolist()):
        own.flags[row] = answer.flags[place]


def _replace(own: Answered, rows: _Rows, other: Answered) -> None:
    """Take the other link's answers; the reason stays the first link's."""
    own.values[rows] = other.values
    for place, row in enumerate(rows.tolist()):
        own.served_by[row] = other.served_by[place]
