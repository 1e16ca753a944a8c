"""All connections of a worker: how many there may be, who makes room for a newcomer, and who has had its time."""

from __future__ import annotations

import logging
from asyncio import AbstractEventLoop
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from lockgate.server.shares import Shares
from lockgate.server.statuses import Told

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

FILES_APART = 128  # open files that are no connections: the log, models, libraries
LOOK_S = 1.0
SAY_S = 60.0
_log = logging.getLogger("lockgate.server")

FULL = Told("busy", "Too many calls are waiting; try again in a second.")


class Opened(Protocol):
    """One connection, as far as the account of all of them knows it. waits_since: on the loop's clock."""

    loop: AbstractEventLoop
    connections: set[Any]

    @property
    def is_waiting(self) -> bool: ...
    @property
    def waits_since(self) -> float: ...
    def look(self, now: float) -> None: ...
    def refuse(self, told: Told) -> None: ...
    def drop(self, reason: str) -> None: ...


class Limits(NamedTuple):
    """As `records.ServerSpec` has them."""

    connections: int = 1000
    head_s: float = 10.0
    body_s: float = 30.0
    idle_s: float = 30.0


LIMITS = Limits()


class Connections:
    """All connections of one worker. admits: whether a request may come in; of who may not, no body is kept. closed: how
    many were closed before their time, by reason. takes: whether a whole request is answered without the app. is_leaving:
    whether callers are to be told that their next request goes to another connection. shares: where the other workers see
    how many there are.
    """

    def __init__(
        self,
        limits: Limits,
        admits: Callable[[Mapping[str, Any]], bool] = lambda _scope: True,
        takes: Callable[[RequestResponseCycle, Callable[[], None]], bool] = lambda _cycle, _go_on: False,
        is_leaving: Callable[[], bool] = lambda: False,
        shares: Shares | None = None,
    ) -> None:
        self.limits = limits._replace(connections=within_open_files(limits.connections))
        self.admits, self.takes, self.is_leaving = admits, takes, is_leaving
        self.shares = shares or Shares()
        self.held = 0
        self.closed: Counter[str] = Counter()
        self.newcomers: dict[Opened, None] = {}  # no whole request yet; the oldest first
        self._open: set[Any] = set()
        self._loop: AbstractEventLoop | None = None
        self._said: Counter[str] = Counter()
        self._say_at = 0.0

    @property
    def count(self) -> int:
        """Those open now."""
        return len(self._open)

    def enter(self, connection: Opened) -> None:
        """Where there is no room, whoever has waited longest without asking anything makes it."""
        self._open = connection.connections
        self.shares.tell(len(self._open))
        self.newcomers[connection] = None
        if self._loop is None:
            self._loop = connection.loop
            self._loop.call_later(LOOK_S, self._look)
        if len(self._open) > self.limits.connections and not self._make_room(connection):
            connection.refuse(FULL)

    def leave(self, connection: Opened) -> None:
        """It is lost."""
        self.newcomers.pop(connection, None)
        self.shares.tell(len(self._open))

    def _make_room(self, newest: Opened) -> bool:
        for oldest in self.newcomers:
            if oldest is newest:
                break
            del self.newcomers[oldest]
            oldest.drop("crowded")
            return True
        # Looking at all of them is dear, so a tenth goes at once.
        waiting = sorted((c for c in self._open if c is not newest and c.is_waiting), key=lambda c: c.waits_since)
        for connection in waiting[: 1 + len(waiting) // 10]:
            connection.drop("crowded")
        return bool(waiting)

    def _look(self) -> None:
        assert self._loop is not None
        now = self._loop.time()
        for connection in list(self._open):
            connection.look(now)
        if self.closed != self._said and now >= self._say_at:
            fresh = self.closed - self._said
            _log.warning("Connections closed: %s.", ", ".join(f"{n} {reason}" for reason, n in sorted(fresh.items())))
            self._said, self._say_at = self.closed.copy(), now + SAY_S
        self._loop.call_later(LOOK_S, self._look)


def within_open_files(most: int) -> int:
    """As many connections as there may be open files, once the soft bound on those is raised to the hard one."""
    try:
        import resource
    except ImportError:  # Windows, which has no such bound
        return most
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = most + FILES_APART if hard == resource.RLIM_INFINITY else hard
    soft = max(resource.getrlimit(resource.RLIMIT_NOFILE)[0], wanted)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    except (ValueError, OSError):  # macOS has a lower bound of its own
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return max(1, min(most, soft - FILES_APART))
