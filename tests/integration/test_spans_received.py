"""Spans as a receiver of OTLP over HTTP gets them from a real worker; nothing of OpenTelemetry where none is asked for."""

from __future__ import annotations

import gzip
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

trace_service = pytest.importorskip(
    "opentelemetry.proto.collector.trace.v1.trace_service_pb2", reason="the extra [otel] is not installed"
)

ROW: dict[str, Any] = {"wait": 3.5, "seats": 120, "carrier": "AA", "plane": "N1"}
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SERVER_KIND, ERROR = 2, 2


class Receiver:
    """Takes spans, as a collector does."""

    def __init__(self) -> None:
        own = self
        self.spans: list[Any] = []
        self.resources: list[dict[str, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                own.take(self.path, self.headers, self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def take(self, path: str, headers: Any, body: bytes) -> None:
        assert (path, headers["Content-Type"]) == ("/v1/traces", "application/x-protobuf")
        if headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        for told in trace_service.ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resources.append(attributes(told.resource))
            self.spans += [span for scope in told.scope_spans for span in scope.spans]

    def named(self, name: str) -> list[Any]:
        return [span for span in self.spans if span.name == name]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def attributes(told: Any) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        kind = value.WhichOneof("value")
        return [plain(one) for one in value.array_value.values] if kind == "array_value" else getattr(value, kind)

    return {pair.key: plain(pair.value) for pair in told.attributes}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def test_a_call_is_a_span_of_its_callers_trace(project, receiver, until):
    first = project.add_constant("first", 0.1, "boom")
    project.publish(first)
    with project.serving(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url, OTEL_BSP_SCHEDULE_DELAY="100") as server:
        headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "X-Request-Id": "shop-1", "User-Agent": "shop/1.0"}
        rows = {"rows": [ROW, ROW | {"wait": 7.0}], "unit": "somebody"}
        answer = server.client.post(f"{server.url}/predict/late?unit=somebody", json=rows, headers=headers)
        assert answer.status_code == 200
        until(lambda: receiver.named("POST /predict/{model}"), "the span")
        port = server.state()["port"]
    (span,) = receiver.named("POST /predict/{model}")
    assert (span.trace_id.hex(), span.parent_span_id.hex(), span.kind) == (TRACE, PARENT, SERVER_KIND)
    told = attributes(span)
    assert "somebody" not in str(told)
    assert told.pop("client.address") == "127.0.0.1"
    assert told == {
        "http.request.method": "POST",
        "http.route": "/predict/{model}",
        "http.response.status_code": 200,
        "url.path": "/predict/late",
        "url.scheme": "http",
        "network.protocol.version": "1.1",
        "server.address": "127.0.0.1",
        "server.port": port,
        "user_agent.original": "shop/1.0",
        "lockgate.request_id": "shop-1",
        "lockgate.model": "late",
        "lockgate.rows": 2,
        "lockgate.version": [first],
        "lockgate.arm": ["champion"],
        "lockgate.served_by": [first, "constant"],
        "lockgate.failure": ["raised"],
    }
    assert receiver.resources[0]["service.name"] == "lockgate"


def test_refusals_are_spans_and_only_our_own_failures_are_errors(project, receiver, until):
    project.publish(project.add_constant("first", 0.1))
    environment = {
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{receiver.url}/v1/traces",
        "OTEL_SERVICE_NAME": "arrivals",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    with project.serving(**environment) as server:
        assert server.post("/predict/late", b"no JSON").status_code == 400
        assert server.get("/no/such").status_code == 404
        lines = b'{"wait": 1.0, "seats": 1, "carrier": "AA", "plane": null}\n' * 600
        kind = {"Content-Type": "application/x-ndjson"}
        assert server.client.post(f"{server.url}/predict/late", content=lines, headers=kind).status_code == 200
    # The worker has ended: what it still held was sent before it went.
    refused, answered = sorted(
        receiver.named("POST /predict/{model}"), key=lambda span: -attributes(span)["http.response.status_code"]
    )
    assert attributes(refused)["http.response.status_code"] == 400
    assert attributes(answered)["lockgate.rows"] == 600
    (lost,) = (span for span in receiver.named("GET") if attributes(span)["url.path"] == "/no/such")
    assert "http.route" not in attributes(lost)
    assert all(span.status.code != ERROR for span in receiver.spans)
    assert not any(span.parent_span_id for span in receiver.spans)
    assert receiver.resources[0]["service.name"] == "arrivals"


def test_a_receiver_that_is_away_costs_no_call(project):
    project.publish(project.add_constant("first", 0.1))
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    with project.serving(**environment, OTEL_BSP_SCHEDULE_DELAY="100") as server:
        assert [server.predict(ROW).status_code for _ in range(20)] == [200] * 20


LOOK = """
import sys
from lockgate.server.tracing import Traced
from lockgate.telemetry.spans import Spans

found = Spans.configured("1.0")
print(found is not None, any(name.split(".")[0] == "opentelemetry" for name in sys.modules))
"""


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "False False"),
        ({"OTEL_SERVICE_NAME": "arrivals"}, "False False"),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, "False False"),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, "False False"),
        ({"OTEL_TRACES_EXPORTER": "console"}, "True True"),
    ],
    ids=str,
)
def test_nothing_is_imported_where_nothing_is_asked_for(environment, expected):
    path = ":".join(entry for entry in sys.path if entry)
    done = subprocess.run(
        [sys.executable, "-c", LOOK], capture_output=True, text=True, check=True, env={"PYTHONPATH": path} | environment
    )
    assert done.stdout.strip() == expected


def test_an_exporter_that_is_not_installed_is_said_and_calls_are_answered(project):
    project.publish(project.add_constant("first", 0.1))
    with project.serving(OTEL_TRACES_EXPORTER="otlp", OTEL_EXPORTER_OTLP_PROTOCOL="made_up") as server:
        assert server.predict(ROW).status_code == 200
    assert "No spans go to the exporter 'otlp_proto_made_up'" in (project.root / "stderr").read_text()
