"""What stands around every request, whatever answers it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import httpx
import pytest

from lockgate.server.tracing import Traced, route_of
from lockgate.telemetry import request_id
from lockgate.telemetry.series import Series

ID = "X-Request-Id"
SCOPE = {"type": "http", "method": "GET", "path": "/", "headers": []}
START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}


async def broken(scope: Any, receive: Any, send: Any) -> None:
    raise RuntimeError("a bug of ours")


async def broken_half_way(scope: Any, receive: Any, send: Any) -> None:
    await send(dict(START))
    await send({"type": "http.response.body", "body": b"ha", "more_body": True})
    raise RuntimeError("half way")


async def slow_to_leave(scope: Any, receive: Any, send: Any) -> None:
    scope["path_params"] = {"model": scope["path"].strip("/")}
    await send(dict(START))
    await send({"type": "http.response.body", "body": request_id.current.get().encode()})
    await asyncio.sleep(0.3)  # what is done once the answer is on its way is nobody's waiting


async def gone(scope: Any, receive: Any, send: Any) -> None:
    raise asyncio.CancelledError


@pytest.fixture
def ask():
    """Ask `app` once, under a request id; the answer, and what was counted."""

    def asked(app: Any, path: str = "/late") -> tuple[httpx.Response, dict[str, Any]]:
        series = Series()
        traced = Traced(app, series=series, spans=None, is_model=lambda name: name == "late")

        async def one() -> httpx.Response:
            transport = httpx.ASGITransport(traced)
            async with httpx.AsyncClient(transport=transport, base_url="http://worker") as client:
                return await client.get(path, headers={ID: "night-9"})

        answer = asyncio.run(one())
        return answer, series.totals().by_name

    return asked


def test_our_own_bug_is_a_500_in_our_form_and_the_log_names_the_request(ask, caplog):
    with caplog.at_level(logging.ERROR, "lockgate.server"):
        answer, counted = ask(broken)
    assert (answer.status_code, answer.json()["error"]["code"], answer.headers[ID]) == (500, "bug", "night-9")
    assert "a bug of ours" in caplog.text
    assert counted["lockgate_http_requests_total"] == {("(unknown)", "", "500"): [1]}


def test_an_answer_that_was_begun_is_left_cut_short_and_said_in_the_log(caplog):
    series, sent = Series(), []
    traced = Traced(broken_half_way, series=series, spans=None, is_model=lambda _: True)

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(traced(SCOPE, None, send))  # type: ignore[arg-type]
    assert [message.get("more_body") for message in sent] == [None, True], (
        "the server sees that there is more, and hangs up"
    )
    assert "half way" in caplog.text
    assert list(series.totals().by_name["lockgate_http_requests_total"]) == [("(unknown)", "", "200")]


def test_a_request_takes_as_long_as_its_answer_and_no_longer(ask):
    answer, counted = ask(slow_to_leave)
    assert answer.text == "night-9"
    ((_, numbers),) = counted["lockgate_request_duration_seconds"].items()
    assert numbers[-1] < 0.2


@pytest.mark.parametrize(("path", "model"), [("/late", "late"), ("/made_up", "")])
def test_a_model_that_there_is_not_names_no_series(ask, path, model):
    _, counted = ask(slow_to_leave, path)
    assert list(counted["lockgate_request_duration_seconds"]) == [("(unknown)", model)]


def test_a_request_that_was_given_up_is_counted_as_abandoned():
    series = Series()
    traced = Traced(gone, series=series, spans=None, is_model=lambda _: True)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(traced(SCOPE, None, None))  # type: ignore[arg-type]
    assert list(series.totals().by_name["lockgate_http_requests_total"]) == [("(unknown)", "", "499")]


def test_a_route_is_its_pattern_also_where_the_framework_does_not_say_it():
    scope = {"path": "/v2/models/late/infer", "path_params": {"model": "late"}}
    assert route_of(scope) == ""
    assert route_of(scope | {"endpoint": broken}) == "/v2/models/{model}/infer"
