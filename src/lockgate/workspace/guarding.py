"""The door to a guard: `lockgate.guard`, the chain, router, shadow and log around a callable of somebody else's service."""

from __future__ import annotations

import hashlib
import inspect
import logging
import math
import os
import re
import time
import weakref
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from functools import partial, update_wrapper
from pathlib import Path
from typing import Any, ParamSpec, Protocol, TypeVar, cast, overload

from lockgate.errors import ContractError, PredictError, SpecError, unknown
from lockgate.runtime.answers import NO_NUMBER, TASKS, AnyTask, Check, check_of
from lockgate.runtime.links import Constant, Link, is_async
from lockgate.serve.guarded import Guarded, Reply, Terms
from lockgate.serve.outcomes import outcome
from lockgate.serve.pick import Where, clean, inputs_of, pick
from lockgate.serve.split import Split, Splits
from lockgate.store.routing_file import RoutingFiles
from lockgate.workspace.finding import home
from lockgate.workspace.guard_log import GuardLog, log_of
from lockgate.workspace.naming import name_of, version_of

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

DEADLINE_MS = 1000.0
THREADS = 32
TASKS_AT_ONCE = 1000
_log = logging.getLogger("lockgate.guard")


class _Known(Protocol):
    """What every guarded callable carries beside its own name, docstring and signature."""

    __name__: str
    __qualname__: str
    guard: Guarded
    log: GuardLog | None
    model: str
    version: str

    def outcome(self, id: str, value: float, *, at: datetime | float | None = None) -> bool:  # noqa: A002 - the log's word
        """Write what turned out to be true of a prediction; the latest counts. at: when it came true, now where left out.

        False without a workspace, where nothing is logged. Raises ContractError for what cannot be an outcome of the task.
        """
        ...


class GuardedFunction(_Known, Protocol[P, T_co]):
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T_co: ...

    def answer(self, *args: P.args, **kwargs: P.kwargs) -> Reply[T_co]:
        """The same call, with who answered it and why."""
        ...


class GuardedCoroutine(_Known, Protocol[P, T_co]):
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T_co]: ...

    def answer(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, Reply[T_co]]:
        """The same call, with who answered it and why."""
        ...


class guard:  # noqa: N801 - it is used as a decorator
    """Guard a callable, sync or async: every call is answered, by it or by the next link of `fallback`, and logged.

    >>> @guard("late_arrival", fallback=[rule, 0.23], deadline_ms=40, task="binary")
    ... async def predict(row: dict) -> float: ...
    >>> await predict(row)  # a value, whatever the function does
    >>> (await predict.answer(row)).served_by

    fallback: callables, sync or async, called with the same arguments, and a constant at the end.
    deadline_ms: for each link; None: none, and what blocks runs in the caller's own thread.
    task: "binary", a finite number in [0, 1]; "regression", a finite number; "any", any object, held to guardrails only.
    value: takes the number out of an answer that is none. valid: whether an answer is one, asked before `value`.
    raises: errors that are the caller's own, let through from whichever link raises them.
    unit, id: where a call says whom it is about and what the caller knows it by: a parameter, a column of its row, or a
    callable with the same arguments. Split traffic is sticky by unit; the same id again is answered alike, logged once.
    inputs: the columns or parameters that the log keeps of a call; none where left out.
    at_once: threads, or awaited calls, that each link may hold; 32 and 1000 where left out.
    version, challenger_version: what the log calls them; a digest of name and source where left out.
    challenger, share, shadow: another callable that gets this share of the units, or is called beside.
    workspace: the project's folder, found from the working directory upwards where left out.

    Raises SpecError for what cannot be, NotFound for a workspace that is not there; both where the function is defined.
    """

    def __init__(
        self,
        model: str,
        *,
        fallback: Sequence[Any],
        task: AnyTask,
        deadline_ms: float | None = DEADLINE_MS,
        value: Callable[[Any], float] | None = None,
        valid: Callable[[Any], bool] | None = None,
        raises: tuple[type[BaseException], ...] = (),
        unit: Where | None = None,
        id: Where | None = None,  # noqa: A002 - the log's word
        inputs: Sequence[str] = (),
        at_once: int | None = None,
        version: str | None = None,
        challenger: Callable[..., Any] | None = None,
        challenger_version: str | None = None,
        share: float = 0.0,
        shadow: bool = False,
        workspace: str | Path | None = None,
    ) -> None:
        if not re.fullmatch(r"\w[\w.-]*", model):
            raise SpecError(f"{model!r} names no model.", cure="Letters, digits, _, - and dots.")
        self._model = model
        self._task: AnyTask = _known_task(task)
        self._check = check_of(task, value, valid)
        self._behind, self._constant = _chain(fallback, self._check, model, task)
        self._deadline_s = _deadline(deadline_ms)
        self._raises = raises
        self._unit, self._id, self._inputs = unit, id, inputs
        self._at_once = at_once
        if at_once is not None and at_once < 1:
            raise SpecError(f"at_once is {at_once}.", cure="Let at least one call run.")
        self._version, self._challenger_version = (
            _name("version", version),
            _name("challenger_version", challenger_version),
        )
        self._challenger = challenger
        if challenger is None and (share or shadow):
            raise SpecError(f"{model} shares its traffic with no challenger.", cure="Give challenger=, a callable.")
        if not 0 <= share <= 1:
            raise SpecError(f"A share of {share} is no share.", cure="Give a number from 0 to 1.")
        self._share, self._shadow = share, shadow
        self._home = home(workspace)

    @overload
    def __call__(  # type: ignore[overload-overlap] # every coroutine function is a function; the first that fits counts
        self, function: Callable[P, Coroutine[Any, Any, T]], /
    ) -> GuardedCoroutine[P, T]: ...
    @overload
    def __call__(self, function: Callable[P, T], /) -> GuardedFunction[P, T]: ...
    def __call__(self, function: Callable[..., Any], /) -> Any:
        _refuse_pieces(function)
        versions = self._versions(function)
        champion, *others = versions
        own = Split(champion) if not others else self._split(champion, others[0])
        read = None if self._home is None else partial(RoutingFiles(self._home / "routing").read, self._model)
        log = None if self._home is None else log_of(self._home)
        held = Guarded(
            Terms(
                self._model,
                None if self._unit is None else pick(self._unit, function),
                None if self._id is None else pick(self._id, function),
                inputs_of(self._inputs, function) if self._inputs else None,
            ),
            {version: self._link(version, own) for version, own in versions.items()},
            [self._link(name_of(link), link) for link in self._behind],
            self._constant,
            Splits(own, versions, read),
            log,
        )
        _guards.add(held)
        wrapped = _wrapped(function, held, _Said(self._model, is_logged=log is not None))
        wrapped.guard, wrapped.log, wrapped.model, wrapped.version = held, log, self._model, champion
        wrapped.outcome = partial(_tell_outcome, self._model, self._task, log)
        return wrapped

    def _versions(self, function: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
        """The champion's first."""
        champion = self._version or version_of(function)
        if self._challenger is None:
            return {champion: function}
        bare = _unguarded(self._challenger)
        _refuse_pieces(bare)
        other = self._challenger_version or version_of(bare)
        if other == champion:
            raise SpecError(f"Both versions of {self._model} are called {champion!r}.", cure="Name them apart.")
        return {champion: function, other: bare}

    def _split(self, champion: str, challenger: str) -> Split:
        """Named after what it compares: the same in every process, and after a restart."""
        both = f"{self._model}\x1f{champion}\x1f{challenger}"
        rollout = f"code-{hashlib.sha256(both.encode()).hexdigest()[:8]}"
        return Split(champion, challenger, self._share, salt=rollout, rollout=rollout, shadow=self._shadow)

    def _link(self, name: str, function: Callable[..., Any]) -> Link:
        at_once = self._at_once or (TASKS_AT_ONCE if is_async(function) else THREADS)
        return Link(name, function, self._check, deadline_s=self._deadline_s, at_once=at_once, raises=self._raises)


class _Said:
    """That nothing is logged, said once, at the first call: by then the service has set up its logging."""

    def __init__(self, model: str, *, is_logged: bool) -> None:
        self._model = model
        self.is_due = not is_logged

    def say(self) -> None:
        self.is_due = False
        _log.warning(
            "%s is guarded and not logged: there is no workspace in %s or above. Make one with: lockgate init; or name "
            "it: guard(..., workspace=...).",
            self._model,
            Path.cwd(),
        )


def _wrapped(function: Callable[..., Any], held: Guarded, said: _Said) -> Any:
    """A plain function: what looks at it, a web framework say, sees what it saw before."""
    if is_async(function):

        async def answer_async(*args: Any, **kwargs: Any) -> Reply[Any]:
            if said.is_due:
                said.say()
            return await held.answer_async((args, kwargs))

        async def awaited(*args: Any, **kwargs: Any) -> Any:
            if said.is_due:
                said.say()
            return (await held.answer_async((args, kwargs))).value

        update_wrapper(awaited, function)  # first: what is guarded already carries an `answer` of its own
        awaited.answer = answer_async  # type: ignore[attr-defined]
        return awaited

    def answer(*args: Any, **kwargs: Any) -> Reply[Any]:
        if said.is_due:
            said.say()
        return held.answer((args, kwargs))

    def called(*args: Any, **kwargs: Any) -> Any:
        if said.is_due:
            said.say()
        return held.answer((args, kwargs)).value

    update_wrapper(called, function)
    called.answer = answer  # type: ignore[attr-defined]
    return called


def _tell_outcome(
    model: str,
    task: AnyTask,
    log: GuardLog | None,
    id: str,  # noqa: A002 - the log's word
    value: float,
    *,
    at: datetime | float | None = None,
) -> bool:
    if task == "any":
        raise SpecError(
            f"{model} is of task 'any': no metric can judge its outcomes.",
            cure='Guard it as "binary" or "regression", with value= where the answer is no number.',
        )
    now_s = time.time()
    id = clean(str(id))  # noqa: A001 - a number, say, by which a database knows it
    if isinstance(at, datetime) and at.tzinfo is None:
        raise ContractError(f"The outcome of {id!r} came true at {at}, of no time zone.", column="at")
    at_s = now_s if at is None else at.timestamp() if isinstance(at, datetime) else float(at)
    if not math.isfinite(at_s):
        raise ContractError(f"The outcome of {id!r} came true at {at_s}, which is no time.", column="at")
    told = outcome(id, float(value), at_s, model=model, task=task, now_s=now_s)
    if log is None:
        return False
    log.append([told])
    return True


def _known_task(task: AnyTask) -> AnyTask:
    if cast("str", task) == "multiclass":
        raise SpecError(
            "A guard of several classes is not there yet: a prediction's value is one number.",
            cure='Use task="any", with value= for the number to keep.',
        )
    if task not in TASKS:
        raise SpecError(unknown("task", task, TASKS))
    return task


def _name(setting: str, version: object) -> str | None:
    """What the log calls a version: a number there would make it unreadable."""
    if version is not None and not isinstance(version, str):
        raise SpecError(f"{setting} is {version!r}, which is no text.", cure=f'Write {setting}="{version}".')
    return version


def _deadline(deadline_ms: float | None) -> float | None:
    if deadline_ms is not None and not 0 < deadline_ms < math.inf:
        raise SpecError(f"A deadline of {deadline_ms} ms cannot be kept.", cure="Give a number above 0, or None.")
    return None if deadline_ms is None else deadline_ms / 1000


def _chain(
    fallback: Sequence[Any], check: Check, model: str, task: AnyTask
) -> tuple[list[Callable[..., Any]], Constant]:
    """The callables, and the constant, which must be a valid answer itself; of task "any" an excuse will do."""
    if isinstance(fallback, str | bytes) or not isinstance(fallback, Sequence):
        raise SpecError(f"The fallback of {model} is {fallback!r}.", cure="Give a list: callables, then a constant.")
    links = list(fallback)
    if not links or callable(links[-1]):
        raise SpecError(
            f"The fallback of {model} ends in no constant.",
            cure="Put the answer last that is given when all else fails.",
        )
    *behind, constant = links
    for place, link in enumerate(behind):
        if not callable(link):
            raise SpecError(f"fallback[{place}] of {model} is {link!r}.", cure="Only the last link is a constant.")
        _refuse_pieces(link)
    try:
        return [_unguarded(link) for link in behind], Constant(constant, check(constant))
    except PredictError as error:
        if task == "any":
            return [_unguarded(link) for link in behind], Constant(constant, NO_NUMBER)
        raise SpecError(
            f"The fallback of {model} ends in {constant!r}, no valid answer itself: {error.message}"
        ) from error


def _unguarded(function: Callable[..., Any]) -> Callable[..., Any]:
    """A guarded one would have a chain of its own inside this one."""
    is_guarded = isinstance(getattr(function, "guard", None), Guarded)
    return cast("Callable[..., Any]", cast("Any", function).__wrapped__) if is_guarded else function


def _refuse_pieces(function: Callable[..., Any]) -> None:
    if isinstance(function, staticmethod | classmethod):
        raise SpecError(
            f"{function!r} is guarded from outside.", cure="Put @staticmethod or @classmethod above @guard."
        )
    if not callable(function):
        raise SpecError(f"{function!r} cannot be called.", cure="Guard a function: @guard(...)")
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        raise SpecError(
            f"{name_of(function)} answers piece by piece, which cannot be guarded yet: what was sent is not taken back.",
            cure="Guard the function that gives the whole answer.",
        )


_guards: weakref.WeakSet[Guarded] = weakref.WeakSet()


def _renew() -> None:
    for held in list(_guards):
        held.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
