"""The quick way in: small plain `/predict` requests are answered on the spot, before routes, threads and tables.

Whatever is not plain (another protocol, a bad row, a version that is not compiled, a log that waits for the disk) goes on to
the routes with its body as it came, and is answered there.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec
from starlette.applications import Starlette

from lockgate.server import tracing
from lockgate.server.calls import Calls, read_by_callers
from lockgate.telemetry import request_id
from lockgate.telemetry.spans import Spans

PREFIX = "/predict/"
ROUTE = "/predict/{model}"
LARGEST = 64 * 1024
_JSON = ("application/json", "application/json; charset=utf-8", "application/json;charset=utf-8", "")
_PLAIN_TYPES = frozenset(kind.encode() for kind in _JSON) | {b"application/x-www-form-urlencoded"}  # curl -d says so
_encode = msgspec.json.Encoder().encode

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class QuickWay(Starlette):
    """The application, with the quick way in front of its routes."""

    def __init__(self, calls: Calls, spans: Spans | None = None, **rest: Any) -> None:
        super().__init__(**rest)
        self._calls, self._spans = calls, spans

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX) or not _is_small(scope):
            await super().__call__(scope, receive, send)
            return
        began = time.perf_counter()
        message = await receive()
        if not message.get("more_body") and await self._answered(scope, message, send, began):
            return
        await super().__call__(scope, _again(message, receive), send)

    async def _answered(self, scope: Scope, message: Message, send: Send, began: float) -> bool:
        model = scope["path"][len(PREFIX) :]
        answer = await self._calls.answer_plain(model, message.get("body", b""))
        if answer is None:
            return False
        name = request_id.request_id(scope["headers"])
        body = _encode({"predictions": [read_by_callers(prediction) for prediction in answer]})
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), tracing.header(name)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        took_s = time.perf_counter() - began
        self._calls.plane.series.request(ROUTE, model, 200, took_s)
        if self._spans is not None:
            span = self._spans.start(scope, name, ago_s=took_s)
            span.answered(answer)
            span.end(ROUTE, 200)
        return True


def _is_small(scope: Scope) -> bool:
    """A JSON body of few bytes, sent as it is."""
    if scope["method"] != "POST":
        return False
    headers = dict(scope["headers"])
    size = headers.get(b"content-length", b"")
    return (
        size.isdigit()
        and int(size) <= LARGEST
        and headers.get(b"content-type", b"") in _PLAIN_TYPES
        and b"content-encoding" not in headers
    )


def _again(first: Message, receive: Receive) -> Receive:
    """The message that was taken, then those behind it."""
    taken = [first]

    async def again() -> Message:
        return taken.pop() if taken else await receive()

    return again
