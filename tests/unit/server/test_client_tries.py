"""The client's manners: one id for all tries, waits that are asked for, errors as the server meant them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import numpy as np
import pytest

from lockgate.errors import Conflict, ContractError, NotFound, SpecError, StoreError
from lockgate.server.client import AsyncClient, Client

PREDICTION = {"value": 0.5, "version": "v", "arm": "champion", "served_by": "v", "failure": None, "flags": []}


class Door(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A real transport that answers from a list: a status, an error to raise, or both with headers."""

    def __init__(self, *plan: Any) -> None:
        self._plan = list(plan)
        self.asked: list[dict[str, Any]] = []
        self.at: list[float] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        sent = json.loads(request.content)
        self.asked.append(sent)
        self.at.append(time.monotonic())
        step = self._plan.pop(0) if self._plan else 200
        if isinstance(step, Exception):
            raise step
        status, headers, error = step if isinstance(step, tuple) else (step, {}, {"code": "busy", "message": "Busy."})
        if status == 200:
            told = {"predictions": [PREDICTION | {"id": f"{sent['id']}-{n}"} for n in range(len(sent["rows"]))]}
            return httpx.Response(200, json=told)
        return httpx.Response(status, headers=headers, json={"error": error})

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        return self.handle_request(request)


def predict(door: Door, is_async: bool, **how: Any) -> Any:
    if not is_async:
        with Client("http://door", transport=door, **how) as client:
            return client.predict("m", [{"x": 1}])

    async def ask() -> Any:
        async with AsyncClient("http://door", transport=door, **how) as client:
            return await client.predict("m", [{"x": 1}])

    return asyncio.run(ask())


both = pytest.mark.parametrize("is_async", [False, True])


@both
def test_every_try_of_a_call_carries_the_same_id_and_every_call_another(is_async):
    door = Door(503, httpx.ConnectError("cut"), httpx.ReadTimeout("late"), httpx.RemoteProtocolError("cut"), 502, 200)
    (answer,) = predict(door, is_async)
    ids = {sent["id"] for sent in door.asked}
    assert len(door.asked) == 6
    assert ids == {answer.id.removesuffix("-0")}
    other = Door()
    predict(other, is_async)
    assert other.asked[0]["id"] not in ids


@both
def test_a_retry_after_in_seconds_is_waited_for(is_async):
    door = Door((503, {"Retry-After": "1"}, {"code": "busy", "message": "Busy."}))
    predict(door, is_async)
    assert door.at[1] - door.at[0] >= 1.0


def test_a_retry_after_as_a_date_is_waited_for():
    at = datetime.now(UTC) + timedelta(seconds=2.5)  # a date has whole seconds
    door = Door((503, {"Retry-After": format_datetime(at, usegmt=True)}, {"code": "busy", "message": "Busy."}))
    predict(door, is_async=False)
    assert door.at[1] - door.at[0] >= 1.0


@pytest.mark.parametrize("said", ["soon", "-1", "1e9999", "", "²"])
def test_a_retry_after_that_says_nothing_is_not_waited_for(said):
    door = Door((503, {"Retry-After": said.encode()}, {"code": "busy", "message": "Busy."}))
    predict(door, is_async=False)
    assert door.at[1] - door.at[0] < 0.5


@both
def test_patience_ends_with_the_reason_and_without_waiting_for_nothing(is_async):
    door = Door(*[httpx.ConnectError("nobody there")] * 1000)
    began = time.monotonic()
    with pytest.raises(StoreError, match="nobody there"):
        predict(door, is_async, patience_s=0.5)
    assert time.monotonic() - began < 1.0
    assert len(door.asked) > 2
    hour = Door((503, {"Retry-After": "3600"}, {"code": "busy", "message": "Busy."}))
    began = time.monotonic()
    with pytest.raises(StoreError, match="status 503"):
        predict(hour, is_async, patience_s=5)
    assert time.monotonic() - began < 1.0, "an hour is beyond its patience, and it knows that at once"


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (422, "contract", ContractError),
        (400, "malformed", ContractError),
        (413, "too_large", ContractError),
        (404, "not_found", NotFound),
        (409, "conflict", Conflict),
        (500, "bug", StoreError),
    ],
)
def test_what_is_final_is_asked_once_and_raised_as_the_server_meant_it(status, code, kind):
    door = Door((status, {}, {"code": code, "message": "Column 'x' is wrong.", "column": "x"}))
    with pytest.raises(kind, match="'x' is wrong") as caught:
        predict(door, is_async=False)
    assert len(door.asked) == 1
    assert getattr(caught.value, "column", "x") == "x"


def test_numbers_of_numpy_times_and_nan_are_sent_as_json_has_them():
    door = Door()
    with Client("http://door", transport=door) as client:
        client.predict(
            "m", [{"a": np.float64(1.5), "b": np.int64(2), "c": float("nan"), "d": datetime(2026, 1, 1, tzinfo=UTC)}]
        )
    assert door.asked[0]["rows"] == [{"a": 1.5, "b": 2, "c": None, "d": "2026-01-01T00:00:00Z"}]


def test_what_json_cannot_hold_is_refused_before_it_is_sent():
    door = Door()
    with Client("http://door", transport=door) as client, pytest.raises(ContractError, match="type object"):
        client.predict("m", [{"a": object()}])
    assert door.asked == []


def test_an_address_that_is_none_is_refused():
    with pytest.raises(SpecError, match="http://localhost"):
        Client("localhost:8080")


def test_the_client_loads_nothing_of_the_server():
    code = "import sys, lockgate.server.client; print(sorted({m.partition('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "'httpx'" in loaded
    assert not [name for name in ("starlette", "uvicorn", "onnxruntime", "numpy", "polars") if f"'{name}'" in loaded]
