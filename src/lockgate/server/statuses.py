"""The one table from an error's code to an HTTP status."""

from __future__ import annotations

from starlette.responses import JSONResponse

from lockgate.errors import ContractError, LockgateError

STATUS = {
    "contract": 422,
    "leak": 422,
    "spec": 422,
    "config": 422,
    "not_found": 404,
    "conflict": 409,
    "malformed": 400,
    "method": 405,
    "too_large": 413,
    "busy": 503,
    "store": 503,
}


def refusal(code: str, message: str, *, column: str | None = None) -> JSONResponse:
    """A refusal in words. A busy server says when to come again."""
    body: dict[str, str] = {"code": code, "message": message}
    if column is not None:
        body["column"] = column
    headers = {"Retry-After": "1"} if STATUS.get(code) == 503 else None
    return JSONResponse({"error": body}, status_code=STATUS.get(code, 500), headers=headers)


def refusal_of(error: LockgateError) -> JSONResponse:
    column = error.column if isinstance(error, ContractError) else None
    return refusal(error.code, str(error), column=column)
