"""Events as they happen: `POST /events/{source}`."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lockgate.server import body
from lockgate.server.calls import Calls


class EventRoutes:
    """The route over one process's calls. Answered once the events are safe; the same again is counted, and kept once."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def routes(self) -> list[Route]:
        return [Route("/events/{source}", self._calls.guarded(self._events), methods=["POST"])]

    async def _events(self, request: Request) -> Response:
        source = request.path_params["source"]
        sent = await body.read(request)
        taken = await self._calls.run(lambda: self._calls.plane.intake.take(source, sent))
        return JSONResponse({"kept": taken.kept, "known_before": taken.known_before})
