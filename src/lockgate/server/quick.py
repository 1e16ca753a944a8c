"""The quick way: small plain `/predict` requests are answered at their connection, before routes, tasks, threads and tables.

Whatever is not plain (another protocol, a bad row, a version that is not compiled, a log that waits for the disk, a caller
that is not let in) goes on to the application as it came, and is answered or refused there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from lockgate.features.request import Plain
from lockgate.records import Prediction
from lockgate.serve.plain import ids
from lockgate.server.calls import DRAWN, Calls, read_by_callers
from lockgate.server.together import Together
from lockgate.telemetry import request_id
from lockgate.telemetry.spans import Spans
from lockgate.workspace.dataplane import Served

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

PREFIX = "/predict/"
ROUTE = "/predict/{model}"  # as the series and spans name it, whichever way answered
LARGEST = 64 * 1024
_JSON = ("application/json", "application/json; charset=utf-8", "application/json;charset=utf-8", "")
_PLAIN_TYPES = frozenset(kind.encode() for kind in _JSON) | {b"application/x-www-form-urlencoded"}  # curl -d says so
_HEAD = STATUS_LINE[200] + b"content-type: application/json\r\n"
_encode = msgspec.json.Encoder().encode

Scope = Mapping[str, Any]
Admits = Callable[[Scope], bool]
GoOn = Callable[[], None]


class QuickWay:
    """The quick way of one process. admits: whether a request may come in."""

    def __init__(self, calls: Calls, spans: Spans | None, admits: Admits) -> None:
        self._calls, self._spans, self._admits = calls, spans, admits
        self._together = Together()

    def takes(self, cycle: RequestResponseCycle, go_on: GoOn) -> bool:
        """Whether a request that has come whole is answered here. go_on: hands it to the application after all."""
        scope: Scope = cycle.scope
        path: str = scope["path"]
        if not path.startswith(PREFIX) or not _is_small(scope) or cycle.flow.write_paused or not self._admits(scope):
            return False
        began, body = time.perf_counter(), bytes(cycle.body)
        found = self._calls.plain(path[len(PREFIX) :], body)
        if found is None:
            return False
        served, asked = found
        if asked.id is None:
            # Drawn once: a second draw for what the long way has to answer would assign the call by another lot.
            asked = asked._replace(drawn=ids.next())
            kept: Any = cycle.scope
            kept[DRAWN] = asked.drawn
        self._together.ask(served.caller, asked, partial(self._answer, cycle, go_on, served, asked, body, began))
        return True

    def _answer(
        self,
        cycle: RequestResponseCycle,
        go_on: GoOn,
        served: Served,
        asked: Plain,
        body: bytes,
        began: float,
        predictions: list[Prediction] | None,
    ) -> None:
        if predictions is None:
            go_on()
            return
        try:
            self._tell(cycle, served, asked, body, began, predictions)
        except BaseException:
            if not cycle.response_complete:
                cycle.transport.close()  # nothing else would: whoever asked must not wait for ever
            raise

    def _tell(
        self,
        cycle: RequestResponseCycle,
        served: Served,
        asked: Plain,
        body: bytes,
        began: float,
        predictions: list[Prediction],
    ) -> None:
        name = request_id.request_id(cycle.scope["headers"])
        _write(cycle, _encode({"predictions": list(map(read_by_callers, predictions))}), name)
        took_s = time.perf_counter() - began
        self._calls.plane.series.request(ROUTE, served.routing.model, 200, took_s)
        if self._spans is not None:
            span = self._spans.start(cycle.scope, name, ago_s=took_s)
            span.answered(predictions)
            span.end(ROUTE, 200)
        if served.routing.shadow:
            self._calls.shadow_plain(served, body, asked, predictions)


def _write(cycle: RequestResponseCycle, body: bytes, name: str) -> None:
    """The whole answer at once, and uvicorn's own words for what is over then."""
    if cycle.disconnected:
        return
    last = b"" if cycle.keep_alive else b"connection: close\r\n"
    told = b"content-length: %d\r\n%s: %s\r\n%s\r\n" % (len(body), request_id.HEADER, name.encode("ascii"), last)
    cycle.response_started = cycle.response_complete = True
    cycle.transport.write(b"".join((_HEAD, told, body)))
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()


def _is_small(scope: Scope) -> bool:
    """A JSON body of few bytes, sent as it is."""
    if scope["method"] != "POST":
        return False
    headers = dict(reversed(scope["headers"]))  # the first of a name counts, as on the long way
    size = headers.get(b"content-length", b"")
    return (
        size.isdigit()
        and int(size) <= LARGEST
        and headers.get(b"content-type", b"") in _PLAIN_TYPES
        and b"content-encoding" not in headers
    )
