"""Lockgate's own protocol: /predict, /outcomes and what a model takes."""

from __future__ import annotations

import time

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lockgate.features.check import sent_rules
from lockgate.records import Outcome
from lockgate.serve import outcomes
from lockgate.server import body, lines
from lockgate.server.calls import DRAWN, Calls, read_by_callers
from lockgate.server.statuses import refusal
from lockgate.workspace.dataplane import Served

_encode = msgspec.json.Encoder().encode


class Native:
    """The routes over one process's calls."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._lines = lines.Lines(calls)

    def routes(self) -> list[Route]:
        guarded = self._calls.guarded
        return [
            Route("/predict/{model}", guarded(self._predict), methods=["POST"]),
            Route("/outcomes/{model}", guarded(self._outcomes), methods=["POST"]),
            Route("/models/{model}", guarded(self._metadata), methods=["GET"]),
        ]

    async def _predict(self, request: Request) -> Response:
        served = self._calls.plane.model(request.path_params["model"])
        if body.media_type(request) in lines.MEDIA_TYPES:
            return await self._lines.predict(served, request)
        sent = await body.read(request)
        drawn = request.scope.get(DRAWN)
        predictions, after = await self._calls.answer(
            served, lambda served: served.request.decode(sent)._replace(drawn=drawn)
        )
        told = _encode({"predictions": [read_by_callers(p) for p in predictions]})
        return Response(told, media_type="application/json", background=after)

    async def _outcomes(self, request: Request) -> Response:
        name = request.path_params["model"]
        task = self._calls.plane.model(name).routing.task
        sent, metrics = await body.read(request), self._calls.plane.metrics(name)
        told: list[Outcome] = outcomes.decode(sent, model=name, task=task, now_s=time.time(), metrics=metrics)
        dropped = await self._calls.run(lambda: self._calls.plane.append(told))
        if dropped:
            lost = f"{dropped:,} of {len(told):,} outcomes were not kept: the prediction log cannot be written."
            return refusal("store", f"{lost} Send them again; one that comes twice counts once.")
        return JSONResponse({"accepted": len(told)})

    async def _metadata(self, request: Request) -> Response:
        served = self._calls.plane.model(request.path_params["model"])
        routing = served.routing
        described = {
            "model": routing.model,
            "champion": routing.champion,
            "challenger": routing.challenger,
            "share": routing.share,
            "arms": {arm.version: arm.share for arm in routing.arms},
            "revision": routing.revision,
            "columns": [msgspec.to_builtins(column) for column in served.contract.sent],
            "also_read": _also_read(served),
            "computed": sorted(served.contract.aggregates),
            "rules": [msgspec.to_builtins(rule.rule) for rule in sent_rules(served.contract)],
        }
        return JSONResponse(described)


def _also_read(served: Served) -> dict[str, list[str]]:
    """By version, what its rows hold, where that is not what the champion's do."""
    return {
        version: [column.name for column in served.differing[version].sent]
        for version in served.routing.readers[1:]
        if version in served.differing and served.differing[version] != served.contract
    }
