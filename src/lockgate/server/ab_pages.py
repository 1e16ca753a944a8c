"""The page of an A/B: arms, intervals over time, slices, sample ratio; and the same as JSON."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from lockgate.decide.ab_result import AbResult
from lockgate.errors import NotFound, SpecError
from lockgate.records import AbState, Rollout, Version
from lockgate.report import ab
from lockgate.workspace.workspace import Workspace


def routes(workspace: Workspace) -> list[BaseRoute]:
    """Pages that read the records and write nothing."""
    records = workspace.wiring.records

    def drawn(request: Request, *, is_whole: bool) -> Response:
        name: str = request.path_params["rollout"]
        found = _found(workspace, name)
        if isinstance(found, Response):
            return found
        rollout = records.get(Rollout, name)
        assert rollout is not None
        state = records.get(AbState, name) or AbState(rollout=name, model=rollout.model)
        names = {version.id: version.short for version in records.all(Version, rollout.model)}
        return HTMLResponse((ab.page if is_whole else ab.body)(rollout, state, found, names))

    def whole(request: Request) -> Response:
        return drawn(request, is_whole=True)

    def now(request: Request) -> Response:
        return drawn(request, is_whole=False)

    def figures(request: Request) -> Response:
        found = _found(workspace, request.path_params["rollout"])
        if isinstance(found, Response):
            return found
        return Response(msgspec.json.encode(found), media_type="application/json")

    return [Route("/ab/{rollout}", whole), Route("/ab/{rollout}/now", now), Route("/api/ab/{rollout}", figures)]


def _found(workspace: Workspace, name: str) -> AbResult | Response:
    try:
        return workspace.ab_result(name)
    except (NotFound, SpecError) as error:
        return PlainTextResponse(f"{error.message}\n{error.cure}", status_code=404)
