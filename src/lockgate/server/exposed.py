"""What a worker tells of itself, and `/metrics`: any worker answers for all."""

from __future__ import annotations

import asyncio
import json
import platform
from collections.abc import Iterator
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lockgate.errors import StoreError
from lockgate.runtime.hosted import Hosted
from lockgate.server.calls import Calls
from lockgate.server.connections import Connections
from lockgate.server.release import RELEASE
from lockgate.server.statuses import refusal_of
from lockgate.server.supervisor import STATE
from lockgate.telemetry import process
from lockgate.telemetry.exposition import exposition
from lockgate.telemetry.reporter import Reporter, Sample
from lockgate.telemetry.totals import Labels
from lockgate.workspace.dataplane import Served

BUILD: Sample = ("lockgate_build_info", (RELEASE, platform.python_version()), 1.0)


class Exposed:
    """The series of one worker over its calls."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        plane = calls.plane
        self.reporter = Reporter(
            plane.home, "worker", plane.series, measure=lambda: list(self._measured()), routed=lambda: plane.versions
        )
        self.connections: Connections | None = None  # of the worker's door, where there is one
        self._children: dict[Labels, int] = {}  # by model and version, the child that was seen last

    def routes(self) -> list[Route]:
        return [metrics(self.reporter)]

    def _measured(self) -> Iterator[Sample]:
        calls, plane = self._calls, self._calls.plane
        yield BUILD
        yield "lockgate_workers_up", (), 1.0
        yield "lockgate_workers_ready", (), float(calls.is_ready)
        yield "lockgate_calls_in_hand", (), float(calls.held)
        yield "lockgate_calls_in_hand_limit", (), float(calls.most_in_hand)
        yield "lockgate_calls_waiting", (), float(calls.waiting)
        yield "lockgate_shadows_skipped_total", (), float(calls.skipped_shadows)
        if self.connections is not None:
            yield "lockgate_connections_open", (), float(self.connections.count)
            for reason, closed in self.connections.closed.items():
                yield "lockgate_connections_closed_total", (reason,), float(closed)
        yield "lockgate_log_spilled", (), float(plane.log.spilled)
        yield "lockgate_log_dropped_total", (), float(plane.log.dropped)
        yield "lockgate_problems", (), float(len(plane.problems))
        for model, served in plane.models.items():
            yield "lockgate_routing_revision", (model,), float(served.routing.revision)
            yield from self._of_versions(model, served)
        wanted = _wanted(plane.home)
        if wanted is not None:
            yield "lockgate_workers_wanted", (), float(wanted)

    def _of_versions(self, model: str, served: Served) -> Iterator[Sample]:
        now = served.caller.served
        for version, bounds in now.bounds.items():
            yield "lockgate_breaker_open", (model, version), float(bounds.breaker.is_open)
        for version, predictor in now.predictors.items():
            if isinstance(predictor, Hosted):
                yield from self._of_child((model, version), predictor.pid)

    def _of_child(self, labels: Labels, pid: int | None) -> Iterator[Sample]:
        yield "lockgate_model_processes", labels, float(pid is not None)
        if pid is None:
            return
        if self._children.get(labels) != pid:
            self._children[labels] = pid
            self._calls.plane.series.add("lockgate_model_process_starts_total", labels)
        memory = process.resident_bytes(pid)
        if memory is not None:
            yield "lockgate_model_process_resident_memory_bytes", labels, memory


def metrics(reporter: Reporter) -> Route:
    """GET /metrics, as text or OpenMetrics by the Accept header."""

    async def answer(request: Request) -> Response:
        try:
            # Not in the calls' threads: a scrape must not wait for models that hang.
            body, kind = await asyncio.to_thread(lambda: exposition(reporter.all(), request.headers.get("accept", "")))
        except StoreError as error:
            return refusal_of(error)
        return Response(body, headers={"Content-Type": kind})

    return Route("/metrics", answer, methods=["GET"])


def _wanted(home: Path) -> int | None:
    """How many workers the supervisor keeps; None where none is at work."""
    try:
        return len(json.loads((home / STATE).read_bytes())["workers"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
