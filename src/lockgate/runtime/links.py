"""The fallback chain for one call of one callable, sync or async; `fallback` is the same for rows and loaded versions.

Every link has the deadline to itself, its own breaker and its own bound. What blocks runs in threads that may be given up;
what awaits runs in the caller's loop and is cancelled. A link raises nothing but PredictError, except for errors that its
owner declared to be the caller's own, and for calls that do not fit its signature.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
import threading
from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from functools import partial
from types import CoroutineType
from typing import Any, NamedTuple, cast

import numpy as np

from lockgate.errors import INTERRUPTIONS, PredictError
from lockgate.runtime.answers import Check
from lockgate.runtime.bounded import Pool
from lockgate.runtime.breaker import Breaker
from lockgate.runtime.fallback import CONSTANT
from lockgate.runtime.tasks import Tasks, in_thread

CHANGEABLE = frozenset({dict, list, set})
"""What is copied before it is given to one who might change it; arrays are beside them."""
_UNCHANGING = frozenset({float, int, str, bool, bytes, type(None)})
Arguments = tuple[tuple[Any, ...], Mapping[str, Any]]
Given = tuple[Any, float]
"""An answer, and the number that the log keeps of it."""


class Found(NamedTuple):
    """answer: as it was given. number: what the log keeps of it. failure, error: why the first link gave no valid answer
    of its own, None where it did.
    """

    answer: Any
    number: float
    served_by: str
    failure: str | None
    error: BaseException | None


class _CallersOwn(Exception):
    """Carries an error of the caller's own past everything that would take it for the model's."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


class Link:
    """One callable as a link. name: what `served_by` says. at_once: the threads it may hold, or the tasks.

    deadline_s: None runs what blocks right here, in the caller's thread, for as long as it takes.
    """

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        check: Check,
        *,
        deadline_s: float | None,
        at_once: int,
        raises: tuple[type[BaseException], ...] = (),
    ) -> None:
        self.name = name
        self.function = function
        self.is_async = is_async(function)
        self._check = check
        self._deadline_s = deadline_s
        self._at_once = at_once
        self._raises = raises
        self.renew()

    def twin(self) -> Link:
        """The same callable with bounds of its own: what its shadow calls hold is not missing elsewhere."""
        return Link(
            self.name,
            self.function,
            self._check,
            deadline_s=self._deadline_s,
            at_once=self._at_once,
            raises=self._raises,
        )

    def renew(self) -> None:
        """Threads do not come along when a process forks; nor does what they left locked."""
        self._pool = Pool(self._at_once)
        self._tasks = Tasks(self._at_once)
        self._breaker = Breaker()

    def call(self, asked: Arguments) -> Given:
        """The answer, for a caller that may wait. Raises PredictError, or the caller's own error."""
        admitted = self._breaker.admits()
        if not admitted:
            raise self._left_alone()
        try:
            given = self._waited(asked)
        except BaseException as error:  # noqa: BLE001 - raised again below, for what it is
            found = self._seen(error, admitted)
        else:
            self._breaker.saw(None, admitted)
            return given
        raise found  # out here, so that it comes with the context it had

    async def call_async(self, asked: Arguments) -> Given:
        """The same for a caller in an event loop, which goes on meanwhile."""
        admitted = self._breaker.admits()
        if not admitted:
            raise self._left_alone()
        try:
            if self.is_async:
                given = await self._tasks.run(partial(self._awaited, asked), self._deadline_s)
            else:
                given = await in_thread(self._pool, self._carried(asked), self._deadline_s)
        except BaseException as error:  # noqa: BLE001 - raised again below, for what it is
            found = self._seen(error, admitted)
        else:
            self._breaker.saw(None, admitted)
            return given
        raise found

    def _waited(self, asked: Arguments) -> Given:
        if not self.is_async and self._deadline_s is None:
            return self._here(asked)
        deadline_s = threading.TIMEOUT_MAX if self._deadline_s is None else self._deadline_s
        return self._pool.run(self._carried(asked), deadline_s)

    def _carried(self, asked: Arguments) -> Callable[[], Given]:
        """The call as a thread makes it, with what the caller's context holds."""
        context = copy_context()
        return lambda: context.run(self._in_thread, asked)

    def _here(self, asked: Arguments) -> Given:
        try:
            return self._checked(self.function(*asked[0], **asked[1]))
        except INTERRUPTIONS:
            raise
        except BaseException as error:
            raise self._told(error, asked) from error

    def _in_thread(self, asked: Arguments) -> Given:
        """In a thread of ours whatever is raised is the callable's doing: no one interrupts or cancels it there."""
        try:
            if self.is_async:
                return asyncio.run(self._in_time(asked))
            return self._checked(self.function(*asked[0], **asked[1]))
        except BaseException as error:
            if isinstance(error, _CallersOwn | PredictError):
                raise
            raise self._told(error, asked) from error

    async def _in_time(self, asked: Arguments) -> Given:
        clock = asyncio.timeout(self._deadline_s)
        try:
            async with clock:
                return await self._awaited(asked)
        except TimeoutError as error:
            raise (PredictError("It was cancelled.", reason="late") if clock.expired() else error) from error

    async def _awaited(self, asked: Arguments) -> Given:
        """Never SystemExit out of a task: it would end the loop."""
        try:
            return self._checked(await self.function(*asked[0], **asked[1]))
        except (asyncio.CancelledError, *INTERRUPTIONS):
            raise
        except BaseException as error:
            raise self._told(error, asked) from error

    def _checked(self, answer: Any) -> Given:
        if isinstance(answer, CoroutineType):
            answer.close()
            raise PredictError(f"{self.name} gave a coroutine: define it with async def.", reason="shape")
        return answer, self._check(answer)

    def _told(self, error: BaseException, asked: Arguments) -> _CallersOwn | PredictError:
        if isinstance(error, self._raises) or (isinstance(error, TypeError) and not self._fits(asked)):
            return _CallersOwn(error)
        return error if isinstance(error, PredictError) else self._raised(error)

    def _raised(self, error: BaseException) -> PredictError:
        found = PredictError(f"{self.name} raised {type(error).__name__}.", reason="raised")
        found.__cause__ = error
        return found

    def _fits(self, asked: Arguments) -> bool:
        """Arguments that the callable does not take are a mistake in the caller's program, and not a model's failure."""
        try:
            inspect.signature(self.function).bind(*asked[0], **asked[1])
        except TypeError:
            return False
        except ValueError:  # it has no signature to look at
            return True
        return True

    def _seen(self, error: BaseException, admitted: int) -> BaseException:
        """What the breaker learns of it, and what is raised on."""
        if isinstance(error, _CallersOwn):
            self._breaker.saw(None, admitted)
            return error.error
        if isinstance(error, PredictError):
            # Awaited calls that stand at their bound are many, and not late: that is no reason to leave the rest unasked.
            if error.reason != "busy" or not self.is_async:
                self._breaker.saw(error.reason, admitted)
            return error
        if isinstance(error, Exception):  # no thread to be had, say
            self._breaker.saw("busy", admitted)
            return PredictError(f"{self.name} could not be called: {error}.", reason="busy")
        return error  # the caller was cancelled or interrupted

    def _left_alone(self) -> PredictError:
        return PredictError(f"{self.name} is left alone for a while.", reason="open")


class Missing:
    """A version that is not there: its calls fail, and the evidence says so."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._error = PredictError(f"There is no version {name} in this process.", reason="not_loaded")

    def call(self, asked: Arguments) -> Given:  # noqa: ARG002 - the shape of a link
        raise self._error

    async def call_async(self, asked: Arguments) -> Given:  # noqa: ARG002 - the shape of a link
        raise self._error


AnyLink = Link | Missing


class Constant:
    """The innermost link: what answers when nothing else can. A dict, list or set is given as a copy each time."""

    def __init__(self, answer: Any, number: float) -> None:
        self._answer = answer
        self._number = number

    def found(self, failure: str | None, error: BaseException | None) -> Found:
        answer = copy.deepcopy(self._answer) if type(self._answer) in CHANGEABLE else self._answer
        return Found(answer, self._number, CONSTANT, failure, error)


def answer(links: Sequence[AnyLink], constant: Constant, asked: Arguments) -> Found:
    """The first valid answer; the reason stays the first link's. Each but the last gets arguments of its own to change."""
    first: PredictError | None = None
    last = links[-1] if links else None
    for link in links:
        try:
            given, number = link.call(asked if link is last else copied(asked))
        except PredictError as error:
            first = first or error
        else:
            return _found(given, number, link.name, first)
    return constant.found(first.reason if first else None, _cause(first))


async def answer_async(links: Sequence[AnyLink], constant: Constant, asked: Arguments) -> Found:
    """The same in the caller's event loop."""
    first: PredictError | None = None
    last = links[-1] if links else None
    for link in links:
        try:
            given, number = await link.call_async(asked if link is last else copied(asked))
        except PredictError as error:
            first = first or error
        else:
            return _found(given, number, link.name, first)
    return constant.found(first.reason if first else None, _cause(first))


def copied(asked: Arguments) -> Arguments:
    """For one that runs beside others, or before them. What cannot be copied is shared."""
    args, kwargs = asked
    return tuple([own(value) for value in args]), {name: own(value) for name, value in kwargs.items()}


def own(value: Any) -> Any:
    """A copy of what its holder may change: a dict, a list, a set, an array."""
    kind = cast("type[object]", type(value))
    if kind is np.ndarray:
        return value.copy()
    if kind not in CHANGEABLE:
        return value
    if kind is dict and _UNCHANGING.issuperset(map(type, value.values())):
        return value.copy()
    try:
        return copy.deepcopy(value)
    except Exception:  # noqa: BLE001 - a lock in it, say
        return copy.copy(value)


def _found(given: Any, number: float, name: str, first: PredictError | None) -> Found:
    return Found(given, number, name, first.reason if first else None, _cause(first))


def _cause(error: PredictError | None) -> BaseException | None:
    return None if error is None else (error.__cause__ or error)


def is_async(function: Callable[..., Any]) -> bool:
    """Also of a partial, and of an object whose `__call__` is async."""
    while isinstance(function, partial):
        function = cast("Callable[..., Any]", function.func)  # type: ignore[redundant-cast]
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004
