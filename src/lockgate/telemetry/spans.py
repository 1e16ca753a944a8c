"""A span for each request, where OpenTelemetry is installed and its own environment says where spans go; else nothing of it
is imported, and a request costs a look at None.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lockgate.records import Prediction
from lockgate.telemetry import otel

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span

_log = logging.getLogger("lockgate.spans")


class Spans:
    """Spans of one process. Exported behind the calls' backs: a receiver that is slow or away costs no call."""

    def __init__(self, provider: TracerProvider, release: str) -> None:
        from opentelemetry import context, propagate, trace

        self._provider = provider
        self._tracer = provider.get_tracer("lockgate", release)
        self._trace, self._context, self._propagate = trace, context, propagate

    @classmethod
    def configured(cls, release: str, environment: Mapping[str, str] | None = None) -> Spans | None:
        """None where nothing asks for spans; also, and said in the log, where what is asked for is not installed."""
        environment = os.environ if environment is None else environment
        names = otel.exporters(environment)
        if not names:
            return None
        if not otel.is_installed():
            _log.error("Spans are asked for by the environment, and cannot be made: pip install 'lockgate[otel]'.")
            return None
        found = [exporter for name in names if (exporter := otel.exporter(name, "traces", _log)) is not None]
        return cls(_provider(found, release, environment), release) if found else None

    def start(self, scope: Mapping[str, Any], request: str, *, ago_s: float = 0.0) -> Running:
        """A server's span, under the caller's where its `traceparent` (or whatever OTEL_PROPAGATORS names) says so. ago_s:
        of a request that is over already, how long it took.
        """
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        parent = self._propagate.extract(headers)
        attributes = {name: value for name, value in _of_request(scope, headers, request) if value not in ("", None)}
        method, began_ns = str(attributes["http.request.method"]), time.time_ns() - int(ago_s * 1e9)
        span = self._tracer.start_span(method, parent, self._trace.SpanKind.SERVER, attributes, start_time=began_ns)
        token = self._context.attach(self._trace.set_span_in_context(span, parent))
        return Running(span, method, lambda: self._context.detach(token))

    def close(self) -> None:
        """Send what waits, for as long as the exporter's own time limit."""
        self._provider.shutdown()


class Running:
    """One request's span while it is answered."""

    def __init__(self, span: Span, method: str, leave: Any) -> None:
        self._span, self._method, self._leave = span, method, leave
        self._rows = 0
        self._said: dict[str, dict[str, None]] = {}  # by attribute, each distinct value once, in order

    def answered(self, predictions: Sequence[Prediction]) -> None:
        """What answered rows of it; many rows are answered in stretches, and of both arms."""
        if not self._span.is_recording():
            return
        self._rows += len(predictions)
        for name in ("model", "version", "arm", "served_by", "failure"):
            said = self._said.setdefault(name, {})
            said |= dict.fromkeys(getattr(prediction, name) for prediction in predictions)
            said.pop(None, None)  # type: ignore[call-overload]

    def end(self, route: str, status: int | None, error: BaseException | None = None) -> None:
        """route: the pattern that matched, "" where none did; status: None where no answer was begun."""
        from opentelemetry.trace import StatusCode

        if self._rows:
            self._span.set_attribute("lockgate.rows", self._rows)
            self._span.set_attribute("lockgate.model", next(iter(self._said.pop("model"))))
        for name, said in self._said.items():
            self._span.set_attribute(f"lockgate.{name}", list(said))
        if route:
            self._span.update_name(f"{self._method} {route}")
            self._span.set_attribute("http.route", route)
        if status is not None:
            self._span.set_attribute("http.response.status_code", status)
        if error is not None:
            self._span.record_exception(error)
        if error is not None or status is None or status >= 500:
            self._span.set_attribute("error.type", type(error).__name__ if error else str(status or "_OTHER"))
            self._span.set_status(StatusCode.ERROR)
        self._span.end()
        self._leave()


_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"))


def _of_request(
    scope: Mapping[str, Any], headers: Mapping[str, str], request: str
) -> Iterable[tuple[str, str | int | None]]:
    """The attributes by OpenTelemetry's conventions for HTTP servers, and the request's id. Without the query: units stand
    there, who may be persons.
    """
    method = scope["method"]
    yield "http.request.method", method if method in _METHODS else "_OTHER"
    yield "url.path", scope["path"]
    yield "url.scheme", scope.get("scheme", "http")
    yield "network.protocol.version", scope.get("http_version")
    yield "user_agent.original", headers.get("user-agent")
    yield "client.address", (scope.get("client") or (None,))[0]
    host, _, port = headers.get("host", "").rpartition(":")
    yield "server.address", host or port
    yield "server.port", int(port) if host and port.isdecimal() else None
    yield "lockgate.request_id", request


def _provider(found: Sequence[SpanExporter], release: str, environment: Mapping[str, str]) -> TracerProvider:
    """The process's own, so that spans of a user's feature steps go the same way."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=otel.resource(release, environment))
    for exporter in found:
        provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return provider
