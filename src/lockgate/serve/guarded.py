"""One guarded callable: each call is assigned, answered by the chain, logged, and made again in shadow."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, replace
from typing import Any, Generic, NamedTuple, TypeVar

from lockgate.errors import PredictError
from lockgate.records import Prediction
from lockgate.records.prediction import Arm, Scalar
from lockgate.runtime import links as chain
from lockgate.runtime.links import AnyLink, Arguments, Constant, Found, Link, Missing
from lockgate.serve.mirrored import Entries, Mirrored
from lockgate.serve.pick import Pick
from lockgate.serve.plain import Ids
from lockgate.serve.requests import Asked, Recent
from lockgate.serve.split import Split, Splits

T_co = TypeVar("T_co", covariant=True)
TELL_EVERY_S = 60.0
_log = logging.getLogger("lockgate.guard")
_ids = Ids()


@dataclass(frozen=True, slots=True)
class Reply(Generic[T_co]):
    """What a guarded call was answered with, and the prediction that records it.

    prediction.value is the number that the log keeps of the answer. error: what the assigned version raised, where its
    failure was that.
    """

    value: T_co
    prediction: Prediction
    error: BaseException | None = None

    @property
    def id(self) -> str:
        """What an outcome is told by."""
        return self.prediction.id

    @property
    def served_by(self) -> str:
        """A version, a fallback's "module:function", or "constant"."""
        return self.prediction.served_by

    @property
    def failure(self) -> str | None:
        """Why the assigned version gave no valid answer of its own in time; None where it did."""
        return self.prediction.failure

    @property
    def version(self) -> str:
        """The assigned version, whoever answered in the end."""
        return self.prediction.version

    @property
    def arm(self) -> Arm:
        return self.prediction.arm

    @property
    def latency_ms(self) -> float:
        return self.prediction.latency_ms


class Terms(NamedTuple):
    """What is asked of a call's arguments: whom it is about, the caller's id for it, what the log keeps of it."""

    model: str
    unit: Pick | None = None
    request: Pick | None = None
    inputs: Callable[[Arguments], tuple[Scalar, ...]] | None = None


class _Routed(NamedTuple):
    """One call on its way. mirrored: its arguments, copied for the shadow before anyone could change them."""

    id: str
    unit: str
    split: Split
    arm: Arm
    version: str
    asked_s: float
    began: float
    inputs: tuple[Scalar, ...]
    shadow: str | None
    mirrored: Arguments | None


class Guarded:
    """links: by version, those that traffic may be split between; behind: the fallback callables, in order."""

    def __init__(
        self,
        terms: Terms,
        links: Mapping[str, Link],
        behind: Sequence[Link],
        constant: Constant,
        splits: Splits,
        log: Entries | None,
    ) -> None:
        self._terms = terms
        self._links = links
        self._behind = behind
        self._constant = constant
        self._splits = splits
        self._entries = log
        self._chains: dict[tuple[str, str], list[AnyLink]] = {}
        self._told: dict[str, float] = {}
        self.mirror = Mirrored(terms.model, links, log)
        self._requests = Recent[Reply[Any]]()

    def renew(self) -> None:
        """In a forked child: nothing that belongs to the parent's threads is used any longer."""
        for link in (*self._links.values(), *self._behind):
            link.renew()
        self.mirror = Mirrored(self._terms.model, self._links, self._entries)
        self._requests = Recent[Reply[Any]]()

    @property
    def problem(self) -> str | None:
        """Why the routing board is not followed; None while it is, or where there is none."""
        return self._splits.problem

    def answer(self, asked: Arguments) -> Reply[Any]:
        """Never raises for the callable's sake. A request id seen before is answered alike, and logged once."""
        request = self._picked(self._terms.request, asked)
        if request is None:
            return self._answer(asked, _ids.next())
        while True:
            known, is_first = self._requests.claim(request, 1)
            if is_first:
                with _Claim(self._requests, request, known) as claim:
                    return claim.settled(self._answer(asked, request))
            try:
                return _again(known.answered.result())
            except CancelledError:  # whoever was first got no answer
                continue

    async def answer_async(self, asked: Arguments) -> Reply[Any]:
        """The same in the caller's event loop."""
        request = self._picked(self._terms.request, asked)
        if request is None:
            return await self._answer_async(asked, _ids.next())
        while True:
            known, is_first = self._requests.claim(request, 1)
            if is_first:
                with _Claim(self._requests, request, known) as claim:
                    return claim.settled(await self._answer_async(asked, request))
            waiting = asyncio.wrap_future(known.answered)
            await asyncio.wait({waiting})
            if not waiting.cancelled():
                return _again(waiting.result())

    def _answer(self, asked: Arguments, name: str) -> Reply[Any]:
        routed = self._routed(asked, name)
        found = chain.answer(self._chain(routed), self._constant, asked)
        reply = self._reply(routed, found)
        if self._entries is not None:
            self._entries.append([reply.prediction])
        if routed.mirrored is not None:
            self.mirror.call(reply.prediction, routed.shadow, routed.mirrored)
        return reply

    async def _answer_async(self, asked: Arguments, name: str) -> Reply[Any]:
        routed = self._routed(asked, name)
        found = await chain.answer_async(self._chain(routed), self._constant, asked)
        reply = self._reply(routed, found)
        if self._entries is not None:
            await self._entries.append_async([reply.prediction])
        if routed.mirrored is not None:
            self.mirror.call_async(reply.prediction, routed.shadow, routed.mirrored)
        return reply

    def _routed(self, asked: Arguments, name: str) -> _Routed:
        split, terms = self._splits.now(), self._terms
        unit = self._picked(terms.unit, asked) or name
        arm, version = split.draw(unit)
        shadow = split.other(arm)
        return _Routed(
            id=name,
            unit=unit,
            split=split,
            arm=arm,
            version=version,
            asked_s=time.time(),
            began=time.perf_counter(),
            inputs=self._inputs(asked),
            shadow=shadow,
            mirrored=None if shadow is None else chain.copied(asked),
        )

    def _chain(self, routed: _Routed) -> Sequence[AnyLink]:
        """The assigned version, the champion where that is another, and the fallback's callables."""
        champion = routed.split.champion
        found = self._chains.get((routed.version, champion))
        if found is None:
            names = dict.fromkeys((routed.version, champion))
            found = [*(self._links.get(name) or Missing(name) for name in names), *self._behind]
            self._chains[routed.version, champion] = found
        return found

    def _reply(self, routed: _Routed, found: Found) -> Reply[Any]:
        if found.failure is not None:
            self._tell(routed, found)
        prediction = Prediction(
            id=routed.id,
            model=self._terms.model,
            unit=routed.unit,
            asked_s=routed.asked_s,
            answered_s=time.time(),
            arm=routed.arm,
            version=routed.version,
            served_by=found.served_by,
            value=found.number,
            latency_ms=(time.perf_counter() - routed.began) * 1000,
            share=routed.split.share,
            rollout=routed.split.rollout,
            failure=found.failure,
            inputs=routed.inputs,
        )
        return Reply(found.answer, prediction, found.error)

    def _tell(self, routed: _Routed, found: Found) -> None:
        """Each kind of failure at most once a minute: the log of predictions counts them all."""
        reason, now_s = found.failure or "", time.monotonic()
        if now_s >= self._told.get(reason, 0.0):
            self._told[reason] = now_s + TELL_EVERY_S
            _log.warning(
                "%s (version %s) gave no valid answer, %s: %s %s answered. More of the kind is not told for a minute.",
                self._terms.model,
                routed.version,
                reason,
                found.error if isinstance(found.error, PredictError) else "see below.",
                found.served_by,
                exc_info=None if isinstance(found.error, PredictError) else found.error,
            )

    def _picked(self, pick: Pick | None, asked: Arguments) -> str | None:
        if pick is None:
            return None
        try:
            return pick(asked)
        except Exception:  # noqa: BLE001 - the owner's code; a call is answered all the same
            self._stumbled("unit or id")
            return None

    def _inputs(self, asked: Arguments) -> tuple[Scalar, ...]:
        if self._terms.inputs is None:
            return ()
        try:
            return self._terms.inputs(asked)
        except Exception:  # noqa: BLE001 - a property that raises, say
            self._stumbled("inputs")
            return ()

    def _stumbled(self, what: str) -> None:
        if time.monotonic() >= self._told.get(what, 0.0):
            self._told[what] = time.monotonic() + TELL_EVERY_S
            _log.warning("%s: %s could not be told from a call.", self._terms.model, what, exc_info=True)


class _Claim:
    """A request that this caller came first with: whatever ends it without an answer lets the next one try."""

    def __init__(self, requests: Recent[Reply[Any]], name: str, asked: Asked[Reply[Any]]) -> None:
        self._requests, self._name, self._asked = requests, name, asked

    def __enter__(self) -> _Claim:
        return self

    def settled(self, reply: Reply[Any]) -> Reply[Any]:
        # Without the error: its frames would keep alive all that the call has held.
        # A copy: the first caller may change what it was given.
        self._asked.answered.set_result(replace(reply, value=chain.own(reply.value), error=None))
        return reply

    def __exit__(self, *_: object) -> None:
        if not self._asked.answered.done():
            self._requests.forget(self._name)
            self._asked.answered.cancel()


def _again(reply: Reply[Any]) -> Reply[Any]:
    """For a retry: an answer that its caller may change as it likes."""
    value = chain.own(reply.value)
    return reply if value is reply.value else replace(reply, value=value)
