"""Around every request, whatever answers it: its id, its span, its place in the series. Plain ASGI, and pieces of it for
whoever answers without this.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, MutableMapping, Sequence
from contextvars import ContextVar
from typing import Any

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lockgate.records import Prediction
from lockgate.server.statuses import Told, native
from lockgate.telemetry import request_id
from lockgate.telemetry.series import Series
from lockgate.telemetry.spans import Running, Spans

ABANDONED = 499  # in series alone: the client went before an answer was begun
UNKNOWN = "(unknown)"  # of a route or a column that there is not
_span: ContextVar[Running | None] = ContextVar("span", default=None)
_log = logging.getLogger("lockgate.server")


def answered(predictions: Sequence[Prediction]) -> None:
    """Say in this request's span what answered it; nothing where there are no spans."""
    span = _span.get()
    if span is not None:
        span.answered(predictions)


class Traced:
    """ASGI around ASGI. is_model: whether there is such a model: a series is not named by what a caller makes up."""

    def __init__(self, app: ASGIApp, *, series: Series, spans: Spans | None, is_model: Callable[[str], bool]) -> None:
        self._app, self._series, self._spans, self._is_model = app, series, spans, is_model

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        name = request_id.request_id(scope["headers"])
        request_id.current.set(name)  # the task is the request's own: nothing is to be put back
        span: Running | None = None
        if self._spans is not None:
            span = self._spans.start(scope, name)
            _span.set(span)
        own, error = header(name), None
        status, ended = 0, 0.0

        async def send_on(message: Message) -> None:
            nonlocal status, ended
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), own]
                await send(message)
            else:
                await send(message)
                if not message.get("more_body"):
                    ended = time.perf_counter()

        try:
            await self._app(scope, receive, send_on)
        except Exception as raised:  # noqa: BLE001 - our own bug: said in the log, and answered
            error = raised
            _log.error("A request failed.", exc_info=raised)
            if not status:
                await _fail(send_on)
        finally:
            route, model = route_of(scope), self._model(scope)
            self._series.request(route or UNKNOWN, model, status or ABANDONED, (ended or time.perf_counter()) - began)
            if span is not None:
                span.end(route, status or None, error)

    def _model(self, scope: Scope) -> str:
        """The model of this name, where there is one."""
        model: str = scope.get("path_params", {}).get("model", "")
        return model if model and self._is_model(model) else ""


async def _fail(send: Send) -> None:
    """A 500 in our form. An answer that was begun stays cut short, and the client sees it."""
    told = Told("bug", "Lockgate itself failed; the log of the server says where.")
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": told.status, "headers": headers})
    await send({"type": "http.response.body", "body": msgspec.json.encode(native(told))})


def header(name: str) -> tuple[bytes, bytes]:
    """The header that tells a request's id back."""
    return request_id.HEADER, name.encode("ascii")


def route_of(scope: MutableMapping[str, Any]) -> str:
    """The pattern that matched, "/predict/{model}"; empty where none did."""
    route = scope.get("route")
    if route is not None:
        return str(route.path)
    if "endpoint" not in scope:
        return ""
    # An older Starlette does not say which route it took: its parameters stand in the path.
    names = {str(value): name for name, value in scope.get("path_params", {}).items()}
    return "/".join(f"{{{names[part]}}}" if part in names else part for part in scope["path"].split("/"))
