"""The data plane over HTTP: every protocol's routes over the same calls, kept at the newest routing."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lockgate.server.calls import MOST_IN_HAND, Calls
from lockgate.server.connections import Connections, Limits
from lockgate.server.events import EventRoutes
from lockgate.server.exposed import Exposed
from lockgate.server.invocations import Invocations
from lockgate.server.native import Native
from lockgate.server.open_inference import OpenInference
from lockgate.server.openapi import OpenApi
from lockgate.server.quick import Admits, QuickWay
from lockgate.server.release import RELEASE
from lockgate.server.shares import Shares
from lockgate.server.statuses import refusal
from lockgate.server.tracing import Traced
from lockgate.telemetry.spans import Spans
from lockgate.workspace.dataplane import DataPlane

REFRESH_S = 0.2
PROTOCOLS = (
    Native,
    EventRoutes,
    OpenInference,
    Invocations,
    OpenApi,
)  # another protocol is one file, and one word here
_log = logging.getLogger("lockgate.server")


class Inference:
    """The routes over one data plane. is_draining: readiness is off, calls in hand finish."""

    def __init__(self, plane: DataPlane, *, most_in_hand: int = MOST_IN_HAND) -> None:
        self._plane = plane
        self.calls = Calls(plane, most_in_hand=most_in_hand)
        self._exposed = Exposed(self.calls)
        self._spans = Spans.configured(RELEASE)

    @property
    def is_draining(self) -> bool:
        return self.calls.is_draining

    @is_draining.setter
    def is_draining(self, value: bool) -> None:
        self.calls.is_draining = value

    @property
    def skipped_shadows(self) -> int:
        return self.calls.skipped_shadows

    def connections(self, limits: Limits, admits: Admits, shares: Shares | None = None) -> Connections:
        """The connections of a worker, at which the quick way answers. admits: whether a request may come in; shares: where
        the other workers see how many there are.
        """
        quick = QuickWay(self.calls, self._spans, admits)
        held = Connections(limits, admits, quick.takes, lambda: self.calls.is_draining, shares)
        self._exposed.connections = held
        return held

    def app(self) -> Starlette:
        routes = [
            *(route for protocol in PROTOCOLS for route in protocol(self.calls).routes()),
            Route("/healthz", self._healthz, methods=["GET"]),
            Route("/readyz", self._readyz, methods=["GET"]),
            *self._exposed.routes(),
        ]
        plane = self._plane
        traced = Middleware(
            Traced, series=plane.series, spans=self._spans, is_model=lambda name: plane.found(name) is not None
        )
        refusals: Any = {HTTPException: _no_route}
        return Starlette(routes=routes, middleware=[traced], lifespan=self._lifespan, exception_handlers=refusals)

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncGenerator[None]:
        await asyncio.to_thread(self._plane.refresh)
        refresher = asyncio.create_task(self._keep_fresh())
        self._exposed.reporter.start()
        try:
            yield
        finally:
            refresher.cancel()
            self.calls.close()
            self._exposed.reporter.close()
            if self._spans is not None:
                self._spans.close()

    async def _keep_fresh(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_S)
            try:
                await asyncio.to_thread(self._plane.refresh, REFRESH_S)
            except Exception:  # noqa: BLE001 - the last routing stays in force whatever the outside does
                _log.exception("The routing could not be refreshed.")

    async def _healthz(self, _request: Request) -> Response:
        return JSONResponse({"alive": True})

    async def _readyz(self, _request: Request) -> Response:
        body: dict[str, Any] = {
            "ready": self.calls.is_ready,
            "pid": os.getpid(),
            "revisions": {name: served.routing.revision for name, served in self._plane.models.items()},
            "models": sorted(self._plane.models),
            "drills": {name: drill.routing.revision for name, drill in self._plane.drills.items()},
            "loaded": sorted(self._plane.loaded),
            "problems": dict(self._plane.problems),
            "skipped_shadows": self.skipped_shadows,
            "log": {"spilled": self._plane.log.spilled, "dropped": self._plane.log.dropped},
        }
        return JSONResponse(body, status_code=200 if self.calls.is_ready else 503)


async def _no_route(_request: Request, error: Exception) -> Response:
    """The framework's own refusals, in our form."""
    if not isinstance(error, HTTPException):
        raise error
    code = {404: "not_found", 405: "method"}.get(error.status_code, "malformed")
    answer = refusal(code, f"{error.detail}.")
    answer.headers.update(error.headers or {})
    return answer
