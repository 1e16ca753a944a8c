"""The Open Inference Protocol v2 over HTTP, as KServe and Triton speak it: health, metadata, infer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lockgate.features.request import Rows
from lockgate.records import Prediction, Routing
from lockgate.server import binary_tensors, body, open_protocol, tensors
from lockgate.server.binary_tensors import HEADER
from lockgate.server.calls import Calls
from lockgate.server.release import RELEASE
from lockgate.server.statuses import Told
from lockgate.server.tensors import Tensor
from lockgate.workspace.dataplane import Served


class OpenInference:
    """The routes over one process's calls."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def routes(self) -> list[Route]:
        return [
            self._route("/v2", self._server),
            self._route("/v2/health/live", self._live),
            self._route("/v2/health/ready", self._ready),
            *(
                self._route(f"/v2/models/{{model}}{version}{tail}", handle, method)
                for version in ("", "/versions/{version}")
                for tail, handle, method in (
                    ("", self._model, "GET"),
                    ("/ready", self._model_ready, "GET"),
                    ("/infer", self._infer, "POST"),
                )
            ),
        ]

    def _route(self, path: str, handle: Any, method: str = "GET") -> Route:
        return Route(path, self._calls.guarded(handle, worded), methods=[method])

    async def _server(self, _request: Request) -> Response:
        described = {"name": open_protocol.NAME, "version": RELEASE, "extensions": open_protocol.EXTENSIONS}
        return JSONResponse(described)

    async def _live(self, _request: Request) -> Response:
        return JSONResponse({"live": True})

    async def _ready(self, _request: Request) -> Response:
        is_ready = self._calls.is_ready
        return JSONResponse({"ready": is_ready}, status_code=200 if is_ready else 503)

    async def _model_ready(self, request: Request) -> Response:
        served = self._found(request)
        is_ready = open_protocol.is_ready(served, request.path_params.get("version"))
        told = {"name": served.routing.model, "ready": is_ready}
        return JSONResponse(told, status_code=200 if is_ready else 503)

    async def _model(self, request: Request) -> Response:
        model = open_protocol.described(self._found(request))
        described = {
            "name": model.name,
            "versions": list(model.versions),
            "platform": open_protocol.NAME,
            "inputs": [_worded_tensor(tensor) for tensor in model.inputs],
            "outputs": [_worded_tensor(tensor) for tensor in model.outputs],
        }
        return JSONResponse(described)

    async def _infer(self, request: Request) -> Response:
        served = self._found(request)
        open_protocol.refuse_choice(served.routing, request.path_params.get("version"))
        sent = await body.read(request)
        asked, rows = await self._calls.run(lambda: binary_tensors.read(sent, request.headers.get(HEADER)))
        wanted = _wanted(asked)

        def held(served: Served) -> Rows:
            return served.request.hold(rows, unit=asked.parameters.unit, request=asked.id)

        predictions, after = await self._calls.answer(served, held)
        answer = _answer(served.routing, asked, wanted, predictions)
        answer.background = after
        return answer

    def _found(self, request: Request) -> Served:
        return open_protocol.found(self._calls.plane, request.path_params["model"], request.path_params.get("version"))


def _wanted(asked: binary_tensors.Request) -> dict[str, bool]:
    """The outputs to give, and whether each goes as bytes. Raises ContractError for one that there is not."""
    default = asked.parameters.binary_data_output
    if asked.outputs is None:
        return dict.fromkeys(open_protocol.OUTPUTS, default)
    own = {output.name: output.parameters.binary_data for output in asked.outputs}
    open_protocol.refuse_unknown(own)
    return {name: default if is_binary is None else is_binary for name, is_binary in own.items()}


def _answer(
    routing: Routing, asked: binary_tensors.Request, wanted: dict[str, bool], predictions: Sequence[Prediction]
) -> Response:
    told: list[dict[str, object]] = []
    tail: list[bytes] = []
    for name, is_binary in wanted.items():
        tensor, values = open_protocol.filled(name, predictions)
        if is_binary:
            tail.append(tensors.to_bytes(values, tensor.datatype))
            told.append(_worded_tensor(tensor) | {"parameters": {"binary_data_size": len(tail[-1])}})
        else:
            told.append(_worded_tensor(tensor) | {"data": values})
    head: dict[str, object] = {"model_name": routing.model, "model_version": routing.champion, "outputs": told}
    json = msgspec.json.encode(head if asked.id is None else head | {"id": asked.id})
    if not tail:
        return Response(json, media_type="application/json")
    headers = {HEADER: str(len(json))}
    return Response(json + b"".join(tail), media_type="application/octet-stream", headers=headers)


def _worded_tensor(tensor: Tensor) -> dict[str, object]:
    return {"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape}


def worded(told: Told) -> dict[str, object]:
    """The protocol's own form: one sentence. The column stands in it, and beside it for whoever looks."""
    body: dict[str, object] = {"error": told.message}
    return body if told.column is None else body | {"column": told.column}
