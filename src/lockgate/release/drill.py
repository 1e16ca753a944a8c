"""The drill, without its clockwork: which way back is rehearsed, by which routings, and what is ruled on what was seen."""

from __future__ import annotations

import hashlib
from typing import Literal, NamedTuple

import msgspec

from lockgate.errors import SpecError
from lockgate.records import Routing, Ruling
from lockgate.records.drill import Drill, drill_name

BOUND_MS = 1000.0


class Way(NamedTuple):
    """The way back of a model now: `leaves` would lose the traffic, `to` would get it."""

    leaves: str
    to: str


class Seen(NamedTuple):
    """What was measured. missing: why the drill was given up, where it was; said: by the first call
    that was refused or cut.
    """

    back_ms: tuple[float, ...] = ()
    there_ms: tuple[float, ...] = ()
    calls: int = 0
    refused: int = 0
    cut: int = 0
    astray: int = 0
    fell_back: int = 0
    missing: str | None = None
    said: str = ""


def way_back(routing: Routing, to: str | None) -> Way:
    """As `lockgate rollback` would go: out of a rollout to the champion, else to the champion before, or to `to`.

    Raises SpecError where there is no way back.
    """
    if routing.challenger is not None and to in (None, routing.champion):
        return Way(routing.challenger, routing.champion)
    target = to or routing.previous
    if target is None or target == routing.champion:
        raise SpecError(
            f"{routing.model} has no earlier champion to go back to, so there is no way back to rehearse.",
            cure="Promote a second version first, or name one with --to VERSION.",
        )
    return Way(routing.champion, target)


def routings(routing: Routing, way: Way, revision: int) -> tuple[Routing, Routing]:
    """The drill's routing before and after the way back: the model's own, under the drill's name."""
    own = msgspec.structs.replace(
        routing,
        model=drill_name(routing.model),
        challenger=None,
        rollout=None,
        salt="",
        share=0.0,
        shadow=False,
        arms=(),
    )
    before = msgspec.structs.replace(own, champion=way.leaves, previous=way.to, revision=revision)
    after = msgspec.structs.replace(own, champion=way.to, previous=way.leaves, revision=revision + 1)
    return before, after


def ruled(
    model: str,
    way: Way,
    seen: Seen,
    *,
    on: Literal["server", "own"],
    workers: int,
    event_s: float,
    now_s: float,
    by: str,
) -> Drill:
    """Pass where every way back was at the last worker within a second, and no call was refused, cut or led astray."""
    problem = _problem(seen)
    named = f"{model}\x1f{way.leaves}\x1f{way.to}\x1f{now_s!r}"
    drill = Drill(
        id=f"d{hashlib.blake2b(named.encode(), digest_size=4).hexdigest()}",
        model=model,
        ruling=Ruling.PASS if problem is None else Ruling.FAIL,
        sentence="",
        leaves=way.leaves,
        to=way.to,
        on=on,
        workers=workers,
        back_ms=seen.back_ms,
        there_ms=seen.there_ms,
        calls=seen.calls,
        refused=seen.refused,
        cut=seen.cut,
        astray=seen.astray,
        fell_back=seen.fell_back,
        bound_ms=BOUND_MS,
        at_s=event_s,
        written_s=now_s,
        by=by,
    )
    return msgspec.structs.replace(drill, sentence=_sentence(drill, problem))


def _problem(seen: Seen) -> str | None:
    if seen.missing is not None:
        return seen.missing
    for count, what in ((seen.refused, "refused"), (seen.cut, "cut"), (seen.astray, "answered by the wrong version")):
        if count:
            said = f": {seen.said}" if seen.said and what != "answered by the wrong version" else "."
            return f"{count:,} of {seen.calls:,} calls {'was' if count == 1 else 'were'} {what}{said}"
    slow = [took for took in seen.back_ms if took > BOUND_MS]
    if slow:
        return f"{len(slow)} of {len(seen.back_ms)} times the last worker took more than {BOUND_MS / 1000:g} s."
    return None if seen.back_ms else "The way back was not gone once."


def _sentence(drill: Drill, problem: str | None) -> str:
    whose = "the server's" if drill.on == "server" else "its own"
    told = f"The way back of {drill.model}, rehearsed {len(drill.back_ms)} times on {whose} {drill.workers} worker"
    told += "" if drill.workers == 1 else "s"
    if drill.p99_ms is None or drill.median_ms is None or drill.worst_ms is None:
        return f"{told}: {problem}"
    told += f", was at the last one in {drill.median_ms:.0f} ms (median), {drill.p99_ms:.0f} ms (p99), "
    told += f"{drill.worst_ms:.0f} ms at worst, under {drill.calls:,} calls"
    return f"{told}; none was refused." if problem is None else f"{told}. {problem}"
