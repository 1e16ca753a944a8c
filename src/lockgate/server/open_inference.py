"""The Open Inference Protocol v2 over HTTP, as KServe and Triton speak it: health, metadata, infer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lockgate.errors import Conflict, ContractError, NotFound, unknown
from lockgate.features.request import Rows
from lockgate.records import Prediction, Routing
from lockgate.server import body, tensors
from lockgate.server.calls import Calls
from lockgate.server.release import RELEASE
from lockgate.server.statuses import Told
from lockgate.workspace.dataplane import Served

HEADER = "Inference-Header-Content-Length"


class Output(NamedTuple):
    datatype: str
    of: Callable[[Prediction], Any]


def _failure(prediction: Prediction) -> str:
    return prediction.failure or ""


def _flags(prediction: Prediction) -> str:
    return "; ".join(prediction.flags)


# Who answered and why belongs to an answer: a client that asks for nothing gets all of them.
OUTPUTS = {
    "value": Output("FP64", attrgetter("value")),
    **{name: Output("BYTES", attrgetter(name)) for name in ("id", "version", "arm", "served_by")},
    "failure": Output("BYTES", _failure),
    "flags": Output("BYTES", _flags),
}


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
        return JSONResponse({"name": "lockgate", "version": RELEASE, "extensions": ["binary_tensor_data"]})

    async def _live(self, _request: Request) -> Response:
        return JSONResponse({"live": True})

    async def _ready(self, _request: Request) -> Response:
        is_ready = self._calls.is_ready
        return JSONResponse({"ready": is_ready}, status_code=200 if is_ready else 503)

    async def _model_ready(self, request: Request) -> Response:
        served = self._found(request)
        version = request.path_params.get("version") or served.routing.champion
        is_ready = version in served.caller.served.predictors
        told = {"name": served.routing.model, "ready": is_ready}
        return JSONResponse(told, status_code=200 if is_ready else 503)

    async def _model(self, request: Request) -> Response:
        served = self._found(request)
        inputs = [(column.name, tensors.datatype(column)) for column in served.contract.asked]
        outputs = [(name, output.datatype) for name, output in OUTPUTS.items()]
        described = {
            "name": served.routing.model,
            "versions": list(served.routing.versions),
            "platform": "lockgate",
            "inputs": [_tensor(name, kind, [-1]) for name, kind in inputs],
            "outputs": [_tensor(name, kind, [-1]) for name, kind in outputs],
        }
        return JSONResponse(described)

    async def _infer(self, request: Request) -> Response:
        served = self._found(request)
        _refuse_choice(served.routing, request.path_params.get("version"))
        sent = await body.read(request)
        asked, rows = await self._calls.run(lambda: tensors.read(sent, request.headers.get(HEADER)))
        wanted = _wanted(asked)

        def held(served: Served) -> Rows:
            return served.request.hold(rows, unit=asked.parameters.unit, request=asked.id)

        predictions, after = await self._calls.answer(served, held)
        answer = _answer(served.routing, asked, wanted, predictions)
        answer.background = after
        return answer

    def _found(self, request: Request) -> Served:
        """The model that the path names. Raises NotFound where it, or its version, is not served."""
        served = self._calls.plane.model(request.path_params["model"])
        version = request.path_params.get("version")
        if version is not None and version not in served.routing.versions:
            raise NotFound(unknown("version", version, served.routing.versions))
        return served


def _refuse_choice(routing: Routing, version: str | None) -> None:
    """A version may be named where it gets every call anyway. Raises Conflict otherwise: the router chooses, by chance,
    and a caller's own choice would spoil the comparison.
    """
    all_to = {0.0: routing.champion, 1.0: routing.challenger}.get(routing.share if routing.challenger else 0.0)
    if version not in (None, all_to):
        raise Conflict(
            f"Version {version} does not answer all calls of {routing.model}, and the router alone chooses.",
            cure="Leave the version out of the address; the answer says which one it was.",
        )


def _wanted(asked: tensors.Request) -> dict[str, bool]:
    """The outputs to give, and whether each goes as bytes. Raises ContractError for one that there is not."""
    default = asked.parameters.binary_data_output
    if asked.outputs is None:
        return dict.fromkeys(OUTPUTS, default)
    for output in asked.outputs:
        if output.name not in OUTPUTS:
            raise ContractError(unknown("output", output.name, OUTPUTS), column=output.name)
    own = {output.name: output.parameters.binary_data for output in asked.outputs}
    return {name: default if is_binary is None else is_binary for name, is_binary in own.items()}


def _answer(
    routing: Routing, asked: tensors.Request, wanted: dict[str, bool], predictions: Sequence[Prediction]
) -> Response:
    told: list[dict[str, object]] = []
    tail: list[bytes] = []
    for name, is_binary in wanted.items():
        output = OUTPUTS[name]
        values = [output.of(prediction) for prediction in predictions]
        tensor = _tensor(name, output.datatype, [len(values)])
        if is_binary:
            tail.append(tensors.encoded(values, output.datatype))
            told.append(tensor | {"parameters": {"binary_data_size": len(tail[-1])}})
        else:
            told.append(tensor | {"data": values})
    head: dict[str, object] = {"model_name": routing.model, "model_version": routing.champion, "outputs": told}
    json = msgspec.json.encode(head if asked.id is None else head | {"id": asked.id})
    if not tail:
        return Response(json, media_type="application/json")
    headers = {HEADER: str(len(json))}
    return Response(json + b"".join(tail), media_type="application/octet-stream", headers=headers)


def _tensor(name: str, datatype: str, shape: list[int]) -> dict[str, object]:
    return {"name": name, "datatype": datatype, "shape": shape}


def worded(told: Told) -> dict[str, object]:
    """The protocol's own form: one sentence. The column stands in it, and beside it for whoever looks."""
    body: dict[str, object] = {"error": told.message}
    return body if told.column is None else body | {"column": told.column}
