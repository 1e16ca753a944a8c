"""MLflow's scoring protocol: /invocations in its four JSON forms and as CSV, /ping, /health and /version.

Source: MLflow, "Deploy MLflow Model as a Local Inference Server". One of its servers has one model; ours takes the model's
name behind the address where it has several.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeGuard

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from lockgate.errors import ContractError, NotFound, unknown
from lockgate.features.request import Rows
from lockgate.records import Column
from lockgate.server import body
from lockgate.server.calls import Calls
from lockgate.server.release import RELEASE
from lockgate.server.statuses import Refused, Told
from lockgate.workspace.dataplane import Served

FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
_CSV: dict[str, Any] = {"int": int, "float": float, "bool": bool}
_ERROR_CODES = {
    401: "UNAUTHENTICATED",
    404: "RESOURCE_DOES_NOT_EXIST",
    409: "RESOURCE_CONFLICT",
    503: "TEMPORARILY_UNAVAILABLE",
}


class Params(msgspec.Struct, forbid_unknown_fields=True):
    """MLflow's `params`, as far as ours go: the rows' unit, and the request's id."""

    unit: str | None = None
    id: str | None = None


class Invocations:
    """The routes over one process's calls."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def routes(self) -> list[Route]:
        invoke = self._calls.guarded(self._invoke, worded)
        return [
            Route("/invocations", invoke, methods=["POST"]),
            Route("/invocations/{model}", invoke, methods=["POST"]),
            Route("/ping", self._ping, methods=["GET"]),
            Route("/health", self._ping, methods=["GET"]),
            Route("/version", self._version, methods=["GET"]),
        ]

    async def _ping(self, _request: Request) -> Response:
        return PlainTextResponse("\n", status_code=200 if self._calls.is_ready else 503)

    async def _version(self, _request: Request) -> Response:
        return PlainTextResponse(RELEASE)

    async def _invoke(self, request: Request) -> Response:
        served = self._found(request)
        kind = body.media_type(request)
        if kind not in ("application/json", "text/csv"):
            raise Refused("media_type", f"Send application/json or text/csv, not {kind or 'a body of no type'}.")
        sent = await body.read(request)
        read = _from_csv if kind == "text/csv" else _from_json
        predictions, after = await self._calls.answer(served, lambda served: read(served, sent))
        return JSONResponse({"predictions": [p.value for p in predictions]}, background=after)

    def _found(self, request: Request) -> Served:
        models = self._calls.plane.models
        name = request.path_params.get("model")
        if name is None and len(models) != 1:
            known = ", ".join(sorted(models)) or "none yet"
            raise NotFound(
                f"This server has several models, or none; known: {known}.",
                cure="Ask /invocations/MODEL for one of them.",
            )
        return self._calls.plane.model(name if name is not None else next(iter(models)))


def _from_json(served: Served, sent: bytes) -> Rows:
    told = _decoded(sent)
    forms = [form for form in FORMS if form in told]
    if len(forms) != 1:
        raise ContractError(f"The body holds one of {', '.join(FORMS)}, not {' and '.join(forms) or 'none of them'}.")
    extra = sorted(told.keys() - {forms[0], "params"})
    if extra:
        raise ContractError(unknown("key", extra[0], [*FORMS, "params"]))
    params = _params(told.get("params"))
    rows = _READ[forms[0]](told[forms[0]], [column.name for column in served.contract.sent])
    return served.request.hold(rows, unit=params.unit, request=params.id)


def _decoded(sent: bytes) -> dict[str, Any]:
    """The body's object. Frames with missing numbers come as NaN, which Python's own encoder writes and JSON has not."""
    try:
        told: Any = msgspec.json.decode(sent)
    except msgspec.DecodeError:
        try:
            told = json.loads(sent.decode())
            json.dumps(told, ensure_ascii=False).encode()  # half a surrogate pair is text that nothing can write down
        except (ValueError, RecursionError) as error:
            raise Refused("malformed", f"The body is not JSON: {str(error)[:200]}.") from error
    if not _is_object(told):
        raise ContractError("The body is a JSON object.", cure=f"It holds one of {', '.join(FORMS)}.")
    return told


def _params(told: Any) -> Params:
    try:
        return msgspec.convert({} if told is None else told, Params)
    except msgspec.ValidationError as error:
        raise ContractError(f"params: {error}.", cure="It takes unit and id.") from error


def _split(told: Any, _names: Sequence[str]) -> list[object]:
    """`{"columns": [...], "data": [[...], ...]}`; its index says nothing that a model would know."""
    if not _is_object(told) or not {"columns", "data"} <= told.keys() <= {"columns", "data", "index"}:
        raise ContractError("dataframe_split holds columns and data, and may hold an index.", column="dataframe_split")
    columns = _listed(told["columns"], "dataframe_split.columns")
    if not all(isinstance(name, str) for name in columns):
        raise ContractError("dataframe_split.columns are names.", column="dataframe_split.columns")
    repeated = next((name for place, name in enumerate(columns) if name in columns[:place]), None)
    if repeated is not None:
        raise ContractError(f"The column {repeated!r} comes twice.", column=str(repeated))
    return [_named(row, columns) for row in _listed(told["data"], "dataframe_split.data")]


def _records(told: Any, _names: Sequence[str]) -> list[object]:
    return _listed(told, "dataframe_records")


def _instances(told: Any, names: Sequence[str]) -> list[object]:
    """Rows as objects, or as lists in the order of the contract's columns."""
    return [_named(row, names) if _is_list(row) else row for row in _listed(told, "instances")]


def _inputs(told: Any, names: Sequence[str]) -> list[object]:
    """Columns by name, or rows as `instances` has them."""
    if not _is_object(told):
        return [_named(row, names) if _is_list(row) else row for row in _listed(told, "inputs")]
    columns = {name: [_alone(value) for value in _listed(values, name)] for name, values in told.items()}
    if len({len(values) for values in columns.values()}) > 1:
        name = min(columns, key=lambda name: len(columns[name]))
        raise ContractError(f"The columns of inputs differ in length; {name!r} is the shortest.", column=name)
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


_READ: Mapping[str, Callable[[Any, Sequence[str]], list[object]]] = {
    "dataframe_split": _split,
    "dataframe_records": _records,
    "instances": _instances,
    "inputs": _inputs,
}


def _is_list(told: Any) -> TypeGuard[list[Any]]:
    return isinstance(told, list)


def _is_object(told: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(told, dict)


def _listed(told: Any, place: str) -> list[Any]:
    if not _is_list(told):
        raise ContractError(f"{place} is a list.", column=place)
    return told


def _alone(value: Any) -> Any:
    """3 of [3]: a column of a table is also written as a matrix of one column."""
    return value[0] if _is_list(value) and len(value) == 1 else value


def _named(row: Any, names: Sequence[Any]) -> dict[Any, Any]:
    if not _is_list(row) or len(row) != len(names):
        raise ContractError(f"A row is a list of {len(names)} values: {', '.join(map(str, names))}.")
    return dict(zip(names, row, strict=True))


def _from_csv(served: Served, sent: bytes) -> Rows:
    """CSV has no types, so the contract's are read into it; an empty cell is missing."""
    columns = {column.name: column for column in served.request.contract.sent}
    try:
        table = csv.reader(io.StringIO(sent.decode(), newline=""), strict=True)
        header = next(table, None) or []
        rows = [row for row in table if row]
    except csv.Error as error:
        raise Refused("malformed", f"The body is not CSV: {error}.") from error
    except UnicodeDecodeError as error:
        raise Refused("malformed", "The body is not UTF-8.") from error
    for name in header:
        if name not in columns or header.count(name) > 1:
            wrong = "comes twice" if name in columns else "is not in the contract"
            raise ContractError(f"The column {name!r} {wrong}.", column=name)
    held = [_named(row, header) for row in rows]
    return served.request.hold(
        [{name: _cell(text, columns[name], row) for name, text in cells.items()} for row, cells in enumerate(held)]
    )


def _cell(text: str, column: Column, row: int) -> Any:
    if text == "":
        return None
    kind = _CSV.get(column.type)
    if kind is None:
        return text
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError as error:
        raise ContractError(
            f"Column {column.name!r} of row {row} is {column.type}, and {text[:40]!r} is not.",
            column=column.name,
            row=row,
        ) from error


def worded(told: Told) -> dict[str, object]:
    """MLflow's own form."""
    body: dict[str, object] = {
        "error_code": _ERROR_CODES.get(told.status, "BAD_REQUEST" if told.status < 500 else "INTERNAL_ERROR"),
        "message": told.message,
    }
    return body if told.column is None else body | {"column": told.column}
