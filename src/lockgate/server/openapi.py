"""The OpenAPI document, made from the contracts in force: every route of every protocol, with what it takes and answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lockgate.features.event import json_schema as event_schema
from lockgate.features.json_schema import DRAFT, NAME, any_schema, json_schema
from lockgate.features.request import LONGEST_NAME
from lockgate.records import Stream
from lockgate.serve.outcomes import LONGEST_ID
from lockgate.server import binary_tensors, open_protocol, tensors
from lockgate.server.calls import Calls
from lockgate.server.door import OPEN
from lockgate.server.invocations import FORMS
from lockgate.server.lines import MEDIA_TYPES
from lockgate.server.release import RELEASE
from lockgate.workspace.dataplane import Served

JSON = "application/json"
NDJSON = MEDIA_TYPES[0]
Schema = dict[str, Any]


class OpenApi:
    """The route over one process's calls."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def routes(self) -> list[Route]:
        return [Route("/openapi.json", self._calls.guarded(self._document), methods=["GET"])]

    async def _document(self, _request: Request) -> Response:
        plane = self._calls.plane
        return JSONResponse(document(plane.models, plane.intake.streams))


def document(models: Mapping[str, Served], streams: Mapping[str, Stream] = {}) -> Schema:
    """OpenAPI 3.1 over the models that are served. Each has paths of its own, for each has a contract of its own; and so has
    each source, whose events are of a shape of their own.
    """
    paths = dict(_of_the_server(is_alone=len(models) == 1))
    for name, served in sorted(models.items()):
        paths |= _of_a_model(name, served)
    for name, stream in sorted(streams.items()):
        paths |= _of_a_source(name, stream)
    for path, methods in paths.items():
        for operation in methods.values():
            if path not in OPEN:
                operation["responses"].setdefault("401", _UNASKED)
                operation["security"] = [{}, {"token": []}]
    schemas = {f"{name}.rows": _rows(served) for name, served in sorted(models.items())}
    if len(models) == 1:
        (served,) = models.values()
        paths["/invocations"] = _invocations(served)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Lockgate", "version": RELEASE, "description": "Predictions by the models of one workspace."},
        "jsonSchemaDialect": DRAFT,
        "paths": paths,
        "components": {"schemas": _SCHEMAS | schemas, "securitySchemes": {"token": _TOKEN}},
    }


def _rows(served: Served) -> Schema:
    """A request's rows, as any contract in force takes them."""
    if len(served.read) == 1:
        return json_schema(served.contract)
    return any_schema(served.request.contract, served.read)


def _of_the_server(*, is_alone: bool) -> Mapping[str, Schema]:
    ready = {503: ("nothing is served yet, or the server drains", JSON, {"type": "object"})}
    series = {200: ("the series", "text/plain", {"type": "string"})}
    plain = {200: ("yes", "text/plain", {"type": "string"})}
    not_ready = {503: ("no model is served yet, or the server drains", "text/plain", {"type": "string"})}
    return {
        "/healthz": {"get": _operation("Is the process alive?", _told("yes"))},
        "/readyz": {"get": _operation("Are models served?", _told("yes") | ready)},
        "/metrics": {"get": _operation("Every worker's series, as Prometheus reads them", series | _busy("Error"))},
        "/openapi.json": {"get": _operation("This document", _told("OpenAPI 3.1") | _busy("Error"))},
        "/ping": {"get": _operation("MLflow: are models served?", plain | not_ready)},
        "/health": {"get": _operation("MLflow: the same", plain | not_ready)},
        "/version": {"get": _operation("Lockgate's version", plain)},
        "/v2": {"get": _operation("v2: this server", _told("its name and version") | _busy("V2Error"))},
        "/v2/health/live": {"get": _operation("v2: is the process alive?", _told("yes") | _busy("V2Error"))},
        "/v2/health/ready": {"get": _operation("v2: are models served?", _told("yes") | ready)},
    } | (
        {}
        if is_alone
        else {"/invocations": {"post": _operation("MLflow: for one model alone", _errors("MlflowError"))}}
    )


def _of_a_model(name: str, served: Served) -> Mapping[str, Schema]:
    rows = {"$ref": f"#/components/schemas/{_escaped(name)}.rows"}
    one_row = {"$ref": f"#/components/schemas/{_escaped(name)}.rows/properties/rows/items"}
    metadata = _told("what it takes") | _errors("Error", 404, 503)
    found: dict[str, Schema] = {
        f"/predict/{name}": {
            "post": _operation(
                f"Predictions of {name}",
                {
                    200: ("a prediction for every row, in order", JSON, _ref("Predictions")),
                    **_errors("Error"),
                },
                takes={JSON: rows, NDJSON: {"type": "string", "description": f"lines of {one_row['$ref']}"}},
                query=("unit", "id"),
            )
        },
        f"/outcomes/{name}": {
            "post": _operation(
                f"What turned out to be true of predictions of {name}",
                _told("how many were kept", _ref("Accepted")) | _errors("Error"),
                takes={JSON: _ref("Outcomes")},
            )
        },
        f"/models/{name}": {"get": _operation(f"What {name} takes, and who serves it", metadata)},
        f"/invocations/{name}": _invocations(served),
    }
    found[f"/predict/{name}"]["post"]["responses"]["200"]["content"][NDJSON] = {
        "schema": {"type": "string", "description": "a line of #/components/schemas/Prediction or Error for every row"}
    }
    for version in ("", *(f"/versions/{version}" for version in served.routing.versions)):
        found |= _v2(f"/v2/models/{name}{version}", served)
    return found


def _of_a_source(name: str, stream: Stream) -> Mapping[str, Schema]:
    kept = _object({"kept": {"type": "integer"}, "known_before": {"type": "integer"}})
    errors = _errors("Error", 400, 401, 404, 409, 413, 415, 422, 503)
    answers = _told("how many were new, and how many were there already", kept) | errors
    return {f"/events/{name}": {"post": _operation(f"Events of {name}", answers, takes={JSON: event_schema(stream)})}}


def _v2(path: str, served: Served) -> Mapping[str, Schema]:
    ready = _told("yes") | {503: ("the version is not loaded", JSON, {"type": "object"})} | _errors("V2Error", 404)
    answers = _told("the outputs", _ref("V2Answer")) | _errors("V2Error")
    infer = _operation("v2: predictions", answers, takes={JSON: _v2_request(served)})
    octets = {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}
    infer["requestBody"]["content"]["application/octet-stream"] = octets
    infer["responses"]["200"]["content"]["application/octet-stream"] = octets
    infer["parameters"] = [
        {
            "name": binary_tensors.HEADER,
            "in": "header",
            "schema": {"type": "integer", "minimum": 0},
            "description": "bytes of JSON before the tensors' own, in the binary tensor data extension",
        }
    ]
    return {
        path: {"get": _operation("v2: the model's tensors", _told("its tensors") | _errors("V2Error", 404, 503))},
        f"{path}/ready": {"get": _operation("v2: is it loaded?", ready)},
        f"{path}/infer": {"post": infer},
    }


def _v2_request(served: Served) -> Schema:
    names = [column.name for column in served.request.contract.sent]
    fewest = min(len(contract.sent) for contract in served.read)
    tensor: Schema = {
        "type": "object",
        "required": ["name", "datatype", "shape"],
        "additionalProperties": False,
        "properties": {
            "name": {"enum": names},
            "datatype": {"enum": list(tensors.DATATYPES)},
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1, "maxItems": 2},
            "data": {"type": "array"},
            "parameters": {
                "type": "object",
                "properties": {"binary_data_size": {"type": ["integer", "null"], "minimum": 0}},
                "additionalProperties": False,
            },
        },
    }
    output: Schema = {
        "type": "object",
        "required": ["name"],
        "additionalProperties": False,
        "properties": {
            "name": {"enum": list(open_protocol.OUTPUTS)},
            "parameters": {
                "type": "object",
                "properties": {"binary_data": {"type": ["boolean", "null"]}},
                "additionalProperties": False,
            },
        },
    }
    parameters = {"binary_data_output": {"type": "boolean"}, "unit": NAME}
    return {
        "type": "object",
        "required": ["inputs"],
        "additionalProperties": False,
        "properties": {
            "id": NAME,
            "parameters": {"type": "object", "properties": parameters, "additionalProperties": False},
            "inputs": {"type": "array", "items": tensor, "minItems": fewest, "maxItems": len(names)},
            "outputs": {"type": ["array", "null"], "items": output},
        },
    }


def _invocations(served: Served) -> Schema:
    row: Schema = _rows(served)["properties"]["rows"]["items"]
    rows: Schema = {"type": "array", "minItems": 1, "items": row}
    lists: Schema = {"type": "array", "minItems": 1, "items": {"type": "array"}}
    columns = {"type": "object", "additionalProperties": {"type": "array"}}
    split = {
        "type": "object",
        "required": ["columns", "data"],
        "additionalProperties": False,
        "properties": {
            "columns": {"type": "array", "items": {"type": "string"}},
            "data": lists,
            "index": {"type": "array"},
        },
    }
    forms = dict(zip(FORMS, (split, rows, {"anyOf": [rows, lists]}, {"anyOf": [columns, rows, lists]}), strict=True))
    params = {
        "type": ["object", "null"],
        "properties": {"unit": NAME, "id": NAME},
        "additionalProperties": False,
    }
    one_of = [
        {
            "type": "object",
            "required": [form],
            "additionalProperties": False,
            "properties": {form: schema, "params": params},
        }
        for form, schema in forms.items()
    ]
    answers = _told("a value for every row, in order", _ref("MlflowAnswer")) | _errors("MlflowError")
    takes: dict[str, Schema] = {JSON: {"oneOf": one_of}, "text/csv": {"type": "string"}}
    return {"post": _operation("MLflow: predictions", answers, takes=takes)}


_Answers = Mapping[int, tuple[str, str, Schema]]
_MEANS = {
    400: "the body is not what it says it is",
    401: "the server wants a token; answered in each protocol's own form",
    404: "no such model, or version",
    409: "the request id came with other rows before, or the router alone chooses the version",
    413: "the body is too large",
    415: "a body of another kind",
    422: "a row breaks the contract; the column is named",
    503: "too many calls, or a store that is away; Retry-After says when to come again",
}


def _operation(
    summary: str, answers: _Answers, *, takes: Mapping[str, Schema] = {}, query: Sequence[str] = ()
) -> Schema:
    found: Schema = {
        "summary": summary,
        "responses": {
            str(status): {"description": said, "content": {kind: {"schema": schema}}}
            for status, (said, kind, schema) in answers.items()
        },
    }
    if takes:
        content = {kind: {"schema": schema} for kind, schema in takes.items()}
        found["requestBody"] = {"required": True, "content": content}
    if query:
        schema = {"type": "string"}  # with no maxLength: with a JSON body it is passed over, however long
        said = f"of {NDJSON} alone, {LONGEST_NAME} characters at most; a JSON body says it itself"
        found["parameters"] = [{"name": name, "in": "query", "schema": schema, "description": said} for name in query]
    return found


def _told(said: str, schema: Schema | None = None) -> dict[int, tuple[str, str, Schema]]:
    return {200: (said, JSON, schema or {"type": "object"})}


def _errors(shape: str, *statuses: int) -> dict[int, tuple[str, str, Schema]]:
    return {status: (_MEANS[status], JSON, _ref(shape)) for status in statuses or _MEANS}


def _busy(shape: str) -> dict[int, tuple[str, str, Schema]]:
    return _errors(shape, 503)


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _object(required: Mapping[str, Schema], **more: Schema) -> Schema:
    return {"type": "object", "required": list(required), "properties": dict(required) | more}


_TEXT: Schema = {"type": "string"}
_TOKEN: Schema = {"type": "http", "scheme": "bearer", "description": "where the server was started with LOCKGATE_TOKEN"}
_UNASKED: Schema = {"description": _MEANS[401], "content": {JSON: {"schema": {"type": "object"}}}}
_SCHEMAS: Schema = {
    "Error": _object({"error": _object({"code": _TEXT, "message": _TEXT}, column=_TEXT)}),
    "V2Error": _object({"error": _TEXT}, column=_TEXT),
    "MlflowError": _object({"error_code": _TEXT, "message": _TEXT}, column=_TEXT),
    "Prediction": _object(
        {
            "id": _TEXT,
            "value": {"type": "number"},
            "version": _TEXT,
            "arm": {"enum": ["champion", "challenger"]},
            "served_by": _TEXT,
            "failure": {"type": ["string", "null"]},
            "flags": {"type": "array", "items": _TEXT},
        }
    ),
    "Predictions": _object({"predictions": {"type": "array", "items": _ref("Prediction")}}),
    "Outcomes": {
        "type": "object",
        "required": ["outcomes"],
        "additionalProperties": False,
        "properties": {
            "outcomes": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["value"],
                    "additionalProperties": False,
                    "properties": {
                        "id": _TEXT | {"maxLength": LONGEST_ID},
                        "unit": _TEXT | {"minLength": 1, "maxLength": LONGEST_ID},
                        "metric": _TEXT,
                        "value": {"type": "number"},
                        "at": {"type": ["string", "null"], "format": "date-time"},
                    },
                },
            }
        },
    },
    "Accepted": _object({"accepted": {"type": "integer"}}),
    "MlflowAnswer": _object({"predictions": {"type": "array", "items": {"type": "number"}}}),
    "V2Answer": _object(
        {
            "model_name": _TEXT,
            "model_version": _TEXT,
            "outputs": {
                "type": "array",
                "items": _object(
                    {
                        "name": _TEXT,
                        "datatype": {"enum": ["FP64", "BYTES"]},
                        "shape": {"type": "array", "items": {"type": "integer"}},
                    }
                ),
            },
        },
        id=_TEXT,
    ),
}
