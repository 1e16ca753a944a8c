"""What telling costs: CPU time of counting a call, of a request's id and its line, of a flush, a scrape and a span.

    python benchmarks/telemetry_cost.py

The best of nine rounds each, by the CPU clock of the one thread; a call of an empty function stands beside as a yardstick.
"""

from __future__ import annotations

import asyncio
import importlib.util
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from lockgate.records import Prediction
from lockgate.server.tracing import Traced
from lockgate.telemetry.exposition import exposition
from lockgate.telemetry.reporter import Reporter
from lockgate.telemetry.request_id import request_id
from lockgate.telemetry.series import Series
from lockgate.telemetry.spans import Spans

ROUNDS = 9
HEADERS = [
    (b"host", b"localhost:8080"),
    (b"user-agent", b"client/1.0"),
    (b"accept", b"*/*"),
    (b"content-type", b"application/json"),
    (b"content-length", b"64"),
]
SCOPE: dict[str, Any] = {
    "type": "http",
    "method": "POST",
    "path": "/predict/late",
    "path_params": {"model": "late"},
    "route": SimpleNamespace(path="/predict/{model}"),
    "headers": HEADERS,
}


def predictions(rows: int, *, spread: float = 0.0) -> list[Prediction]:
    """spread: by how many ms the latency of each row differs from the one before; rows answered together share one."""
    return [
        Prediction(
            id=f"r1-{row}",
            model="late",
            unit="u1",
            asked_s=1.7e9,
            answered_s=1.7e9,
            arm="champion",
            version="3f6c1a0b9d2e4f58",
            served_by="3f6c1a0b9d2e4f58",
            value=0.5,
            latency_ms=0.03 + row * spread,
        )
        for row in range(rows)
    ]


def cost_us(work: Callable[[], object], times: int = 20_000) -> float:
    """Of one call of `work`."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.thread_time()
        for _ in range(times):
            work()
        best = min(best, time.thread_time() - began)
    return best / times * 1e6


async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - the shape of ASGI
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


async def send(message: Any) -> None:
    pass


async def asgi_us(application: Any, times: int = 10_000) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.thread_time()
        for _ in range(times):
            await application(dict(SCOPE), None, send)
        best = min(best, time.thread_time() - began)
    return best / times * 1e6


def span_us() -> float | None:
    """Made, described and ended; its export is the exporter's own."""
    if importlib.util.find_spec("opentelemetry") is None:
        return None
    from opentelemetry.sdk.trace import TracerProvider

    spans, one = Spans(TracerProvider(), "0"), predictions(1)

    def work() -> None:
        running = spans.start(SCOPE, "r-1")
        running.answered(one)
        running.end("/predict/{model}", 200)

    return cost_us(work, 2_000)


def main() -> None:
    series = Series()
    one, many, apart = predictions(1), predictions(64), predictions(64, spread=0.1)
    traced = Traced(app, series=series, spans=None, is_model=lambda _: True)
    taken = [*HEADERS, (b"x-request-id", b"0af7651916cd43dd8448eb211c80319c")]
    with tempfile.TemporaryDirectory() as folder:
        reporter = Reporter(Path(folder), "worker", series, measure=list, routed=set)
        series.count(one)
        gathered = reporter.all()
        table = [
            ("an empty function", cost_us(lambda: None)),
            ("a call counted", cost_us(lambda: series.count(one))),
            ("a row of 64 answered together", cost_us(lambda: series.count(many), 1_000) / 64),
            ("a row of 64 of other latencies", cost_us(lambda: series.count(apart), 1_000) / 64),
            ("a request's line in the series", cost_us(lambda: series.request("/predict/{model}", "late", 200, 1e-4))),
            ("a request's id, made", cost_us(lambda: request_id(HEADERS))),
            ("a request's id, taken", cost_us(lambda: request_id(taken))),
            ("all of it around an ASGI app", asyncio.run(asgi_us(traced)) - asyncio.run(asgi_us(app))),
            ("a flush, once a second", cost_us(reporter.tell, 100)),
            ("a scrape: all processes' files", cost_us(reporter.all, 100)),
            ("a scrape: its text", cost_us(lambda: exposition(gathered, ""), 100)),
        ]
        reporter.close()
    span = span_us()
    for what, took_us in [*table, *([] if span is None else [("a span", span)])]:
        print(f"{what:<32} {took_us:9.2f} us")


if __name__ == "__main__":
    main()
