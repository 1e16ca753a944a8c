"""The one table from an error's code to an HTTP status, and the form in which each protocol tells it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

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
    "unauthorized": 401,
    "foreign": 421,
    "method": 405,
    "slow": 408,
    "too_large": 413,
    "head_too_large": 431,
    "media_type": 415,
    "busy": 503,
    "store": 503,
}


class Told(NamedTuple):
    """What is wrong, before a protocol words it."""

    code: str
    message: str
    column: str | None = None

    @property
    def status(self) -> int:
        return STATUS.get(self.code, 500)


class Refused(Exception):
    """A request that cannot be read as what it says it is: the faces' own refusal, of no interest below them."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.told = Told(code, message)


Shape = Callable[[Told], object]


def native(told: Told) -> dict[str, object]:
    """`{"error": {"code": ..., "message": ..., "column": ...}}`, the last where there is one."""
    body = {"code": told.code, "message": told.message}
    return {"error": body if told.column is None else body | {"column": told.column}}


def refusal(code: str, message: str, *, column: str | None = None, shape: Shape = native) -> JSONResponse:
    """A refusal in words. A busy server says when to come again."""
    return answer(Told(code, message, column), shape)


def refusal_of(error: LockgateError, *, shape: Shape = native) -> JSONResponse:
    return answer(told_of(error), shape)


def answer(told: Told, shape: Shape = native) -> JSONResponse:
    headers = {"Retry-After": "1"} if told.status == 503 else None
    return JSONResponse(shape(told), status_code=told.status, headers=headers)


def told_of(error: LockgateError) -> Told:
    return Told(error.code, str(error), error.column if isinstance(error, ContractError) else None)
