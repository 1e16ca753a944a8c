"""The page of an A/B: arms, intervals over time, slices, sample ratio; and the same as JSON."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from lockgate.errors import NotFound, SpecError
from lockgate.records import Version
from lockgate.report import ab
from lockgate.workspace import ab as trials
from lockgate.workspace.workspace import Workspace


def routes(workspace: Workspace) -> list[BaseRoute]:
    """Pages that read the records and write nothing."""
    records = workspace.wiring.records

    def drawn(request: Request, *, is_whole: bool) -> Response:
        found = _found(workspace, request)
        if isinstance(found, Response):
            return found
        names = {version.id: version.short for version in records.all(Version, found.rollout.model)}
        return HTMLResponse((ab.page if is_whole else ab.body)(found.rollout, found.state, found.result, names))

    def whole(request: Request) -> Response:
        return drawn(request, is_whole=True)

    def now(request: Request) -> Response:
        return drawn(request, is_whole=False)

    def figures(request: Request) -> Response:
        found = _found(workspace, request)
        if isinstance(found, Response):
            return found
        return Response(msgspec.json.encode(found.result), media_type="application/json")

    return [Route("/ab/{rollout}", whole), Route("/ab/{rollout}/now", now), Route("/api/ab/{rollout}", figures)]


def _found(workspace: Workspace, request: Request) -> trials.Shown | Response:
    try:
        return trials.shown(workspace.wiring, request.path_params["rollout"])
    except (NotFound, SpecError) as error:
        return PlainTextResponse(f"{error.message}\n{error.cure}", status_code=404)
