"""One connection, held to bounds which uvicorn leaves to a proxy before it: how slow, and how much of a head.

Its httptools protocol has no deadline before a request is whole, no bound on heads or on requests sent ahead. `Connection`
adds them, and two habits: a request is handed to the app once its body is whole, so that slow bodies take up no place
among the calls in hand; and a caller that closes its half after asking is answered all the same. A request that comes in
one piece, as nearly all do, passes by four comparisons and starts no timer.
"""

from __future__ import annotations

import logging
from asyncio import Transport
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from lockgate.server.body import LARGEST_BODY
from lockgate.server.connections import FULL, Connections
from lockgate.server.statuses import Told, native

if TYPE_CHECKING:
    import asyncio

    from uvicorn._types import ASGI3Application
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

LARGEST_HEAD = 32 * 1024
MOST_HEADERS = 100
LONGEST_LENGTH = 19  # digits; more of them are turned into no number by Python, which raises beyond 4,300
MOST_AHEAD = 64  # requests sent before the first is answered
SLOWEST = 16 * 1024  # bytes a second; a body that comes faster gets the time it needs
LARGEST_HELD = 256 * 1024 * 1024  # bodies in the making, of a whole worker
NO_PART, HEAD, BODY = 0, 1, 2
_log = logging.getLogger("lockgate.server")

MALFORMED = Told("malformed", "This is no HTTP request.")
TOO_LONG = Told("malformed", f"A Content-Length has {LONGEST_LENGTH} digits at most.")
LATE = Told("slow", "The request did not arrive in time.")
HEAD_TOO_LARGE = Told("head_too_large", f"A head may hold {LARGEST_HEAD // 1024} KiB and {MOST_HEADERS} headers.")
TOO_LARGE = Told("too_large", f"A body may hold {LARGEST_BODY // 2**20} MiB; send fewer rows at once.")


def protocol(connections: Connections) -> type[asyncio.Protocol]:
    """Connections of one account, as uvicorn's `http` setting takes them."""
    return type("Connection", (Connection,), {"all": connections})


class Connection(HttpToolsProtocol):
    """See the module. `all` is set by `protocol`."""

    all: ClassVar[Connections]

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._part = HEAD  # which part of a request is being read
        self._since = self.loop.time()  # since when; 0 until it is known to come in pieces
        self._got = 0  # bytes of it
        self._held = 0  # bytes of a body that is not answered yet, as far as it came in pieces
        self._chunk = 0
        self._unsent = (0, 0.0)  # bytes that wait to be sent, and since when they are as many
        self._waiting: tuple[RequestResponseCycle, ASGI3Application] | None = None
        self._in_hand: RequestResponseCycle | None = None  # the newest that was handed over
        self._is_offer = False  # of another protocol
        self._is_over = False  # nothing more is read
        self._wrong = MALFORMED
        self.all.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._waiting = None
        self._let_go()
        self.all.leave(self)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        if self._is_over:
            return
        self._chunk = len(data)
        assert self.parser is not None  # until the connection is lost
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as stop:
            self._read_as_it_is(data[stop.args[0] :])
            return
        except httptools.HttpParserError:
            self.refuse(self._wrong)
            return
        if self._part or self.cycle.scope is not self.scope or self.cycle.response_complete:
            self._read_on(len(data))

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """The caller has closed its half: what it asked before is answered."""
        if self._is_free or self._part:
            return None
        self._finish_with_this_one()
        return True

    def on_headers_complete(self) -> None:
        may_be_large = self._part == HEAD or self._chunk > LARGEST_HEAD
        if len(self.headers) > MOST_HEADERS or (may_be_large and self._head() > LARGEST_HEAD):
            self._wrong = HEAD_TOO_LARGE
            raise ValueError(self._wrong.message)
        for name, value in self.headers:
            if name == b"content-length" and len(value) > LONGEST_LENGTH:
                self._wrong = TOO_LONG
                raise ValueError(self._wrong.message)
        self._is_offer = self.parser.should_upgrade()
        if self._is_offer:
            if self.parser.get_method() == b"CONNECT":
                raise ValueError("This is no proxy.")
            return
        if len(self.pipeline) >= MOST_AHEAD:
            self._wrong = FULL
            raise ValueError("Too many requests were sent ahead.")
        before = self.cycle
        super().on_headers_complete()
        if self.pipeline and self.all.is_leaving() and not before.response_started:
            before.keep_alive = True  # the last one sent ahead is told to go, with its answer
        self._part, self._since, self._got = BODY, 0.0, 0
        self.headers = []  # a trailer is not a header: it could carry a token that no proxy has seen

    def on_body(self, body: bytes) -> None:
        if self._waiting is not None:
            self.cycle.body += body
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._is_offer:
            return
        self._part, self._since = NO_PART, 0.0
        self.all.newcomers.pop(self, None)
        if self._waiting is None:
            super().on_message_complete()
        else:
            self.cycle.more_body = False
            self.cycle.message_event.set()
            self._start_waiting()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """The app hears of a request once it is whole."""
        if cycle.more_body:
            self._waiting = (cycle, app)
            if self._part == BODY:  # behind another until now
                self._hold(cycle, len(cycle.body))
        else:
            self._hand_over(cycle, app)

    def _hand_over(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """To the quick way, or to the app. Not in this turn where the loop is reading still: `takes` answers later."""
        self._in_hand = cycle
        if self.all.is_leaving() and not self.pipeline:
            cycle.keep_alive = False  # so the answer says; a connection that just closes costs its caller a call
        to_app = partial(super()._start_asgi_task, cycle, app)
        try:
            is_taken = not cycle.more_body and self.all.takes(cycle, to_app)
        except Exception:  # noqa: BLE001 - within the parser, where whoever asked would wait for ever
            _log.exception("The quick way failed.")
            is_taken = False
        if not is_taken:
            to_app()

    def _start_waiting(self) -> None:
        if self._waiting is not None:
            (cycle, app), self._waiting = self._waiting, None
            self._hand_over(cycle, app)

    def _answered(self) -> None:
        self._let_go()
        self.on_response_complete()

    def _read_as_it_is(self, rest: bytes) -> None:
        """Upgrade is an offer, made by Java's client with each request, and its parser leaves out the body: the request is
        read again without it.
        """
        assert self.parser is not None
        line = b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        kept = [b"%s: %s" % (name, value) for name, value in self.headers if name != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(b"\r\n".join([line, *kept, b"", rest]))

    def _read_on(self, size: int) -> None:
        """A part that has not come whole: from here on it is timed and counted."""
        if self._part == NO_PART:
            self._part, self._since, self._got = HEAD, 0.0, 0
        is_first = not self._got
        self._since = self._since or self.loop.time()
        if self._has_begun:
            self._got += 1 if is_first else size  # a first piece may hold the end of the request before
        if self._part == HEAD:
            if self._got > LARGEST_HEAD:
                self.refuse(HEAD_TOO_LARGE)
        elif self._waiting is not None:
            self._hold(self._waiting[0], size)

    def _hold(self, cycle: RequestResponseCycle, size: int) -> None:
        """A body in the making. Who would be refused in any case is refused at once, in the words of the app."""
        cycle.on_response = self._answered
        is_first = not self._held  # whatever came before it on this connection
        self._held += size
        self.all.held += size
        is_refused = is_first and (_declared(cycle.scope["headers"]) > LARGEST_BODY or not self.all.admits(cycle.scope))
        if is_refused or len(cycle.body) > LARGEST_BODY:
            self._start_waiting()
        elif self._got > 2 * LARGEST_BODY:  # more framing than body
            self.refuse(TOO_LARGE)
        elif self.all.held > LARGEST_HELD:
            self.refuse(FULL)
        elif cycle.waiting_for_100_continue:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            cycle.waiting_for_100_continue = False

    def look(self, now: float) -> None:
        """Once a second: has it had its time?"""
        if self._part and self._since:
            limits = self.all.limits
            allowed = limits.head_s if self._part == HEAD else limits.body_s
            if self._waiting is not None:
                allowed += self._got / SLOWEST
            if now - self._since > allowed:
                if self._got:
                    self.refuse(LATE)
                else:
                    self.drop("silent")
        unsent = self.transport.get_write_buffer_size()
        if unsent != self._unsent[0]:
            self._unsent = (unsent, now)
        elif unsent and now - self._unsent[1] > self.all.limits.body_s:
            self.all.closed["unread"] += 1
            self.transport.abort()

    def refuse(self, told: Told) -> None:
        """In words where the line is free for them; else what was asked before is answered, and then it closes."""
        self._is_over = True
        self.all.closed[told.code] += 1
        if self.pipeline and self.pipeline[0][0] is self.cycle and self._in_hand is not None:
            self._finish_without_the_last(self._in_hand)
            return
        if self._part != BODY and not self._is_free:
            self.cycle.keep_alive = False
            return
        if not self.transport.is_closing() and (self._part != BODY or self._waiting is not None):
            self.transport.write(_worded(told))
        self._waiting = None
        self.transport.close()

    def drop(self, reason: str) -> None:
        self._is_over = True
        if not self.transport.is_closing():
            self.all.closed[reason] += 1
            self.transport.close()

    @property
    def is_waiting(self) -> bool:
        """Is nothing of its asked for and unanswered?"""
        is_reading = self._part != NO_PART and (self._waiting is not None or self._part == HEAD)
        is_idle = self.timeout_keep_alive_task is not None
        is_answered = self._is_free or self._waiting is not None
        return (is_reading or is_idle) and is_answered and not self.transport.is_closing()

    @property
    def waits_since(self) -> float:
        timer = self.timeout_keep_alive_task
        return self._since if timer is None else timer.when() - self.timeout_keep_alive

    @property
    def _is_free(self) -> bool:
        """Is nothing being answered, or waiting to be?"""
        return self._last is None or self._last.response_complete

    @property
    def _has_begun(self) -> bool:
        """Is a request being read, and not a blank line before it?"""
        return self._part == BODY or self.scope is not (None if self._last is None else self._last.scope)

    @property
    def _last(self) -> RequestResponseCycle | None:
        return self.cycle  # uvicorn says that there always is one

    def _finish_with_this_one(self) -> None:
        self._is_over = True
        self.cycle.keep_alive = False

    def _finish_without_the_last(self, in_hand: RequestResponseCycle) -> None:
        """The newest, which waits behind others and was not to be read to its end, is forgotten."""
        if self._part == BODY:
            self.pipeline.popleft()
            self.cycle = self.pipeline[0][0] if self.pipeline else in_hand
        self._part = NO_PART
        self.cycle.keep_alive = False

    def _let_go(self) -> None:
        self.all.held -= self._held
        self._held = 0

    def _head(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)


def _declared(headers: Iterable[tuple[bytes, bytes]]) -> int:
    return next((int(value) for name, value in headers if name == b"content-length"), 0)


def _worded(told: Told) -> bytes:
    body = msgspec.json.encode(native(told))
    again = b"retry-after: 1\r\n" if told.status == 503 else b""
    head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n" % len(body)
    return b"".join([STATUS_LINE[told.status], head, again, b"\r\n", body])
