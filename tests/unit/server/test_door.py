"""Who may come in: asked of real ASGI scopes, without a socket."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import httpx
import pytest
from starlette.responses import JSONResponse

from lockgate.server import tokens
from lockgate.server.door import OPEN, Door

TOKEN = "t" * 32
HELD = tokens.read({"LOCKGATE_TOKEN": f"{'n' * 32}\n{TOKEN}"})


async def inside(scope: Any, receive: Any, send: Any) -> None:
    await JSONResponse({"path": scope["path"]})(scope, receive, send)


def ask(door: Door, path: str = "/predict/late", **headers: str) -> httpx.Response:
    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app=door.around(inside))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(asked())


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def scope(*headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http", "path": "/predict/late", "headers": list(headers)}


@pytest.mark.parametrize("shown", [f"Bearer {TOKEN}", f"bearer {TOKEN}", f"BEARER  {TOKEN} ", f"Bearer {'n' * 32}"])
def test_a_good_token_comes_in(shown):
    assert ask(Door(HELD), authorization=shown).status_code == 200


@pytest.mark.parametrize(
    "shown",
    [
        "",
        "Bearer",
        "Bearer ",
        TOKEN,
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN.upper()}",
        f"Token {TOKEN}",
    ],
)
def test_anything_else_does_not(shown):
    answer = ask(Door(HELD), authorization=shown)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert TOKEN not in answer.text


def test_two_tokens_of_which_one_is_good_do_not():
    good = (b"authorization", b"Bearer " + TOKEN.encode())
    assert Door(HELD).admits(scope(good))
    assert not Door(HELD).admits(scope(good, (b"authorization", b"Bearer other")))
    assert not Door(HELD).admits(scope(good, good))


def test_calls_do_not_take_what_a_browser_adds_by_itself():
    assert ask(Door(HELD), authorization=basic("me", TOKEN)).status_code == 401


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/predict/late", lambda told: told["error"]["code"] == "unauthorized"),
        ("/v2/models/late/infer", lambda told: "token" in told["error"]),
        ("/v2", lambda told: "token" in told["error"]),
        ("/invocations", lambda told: told["error_code"] == "UNAUTHENTICATED" and "token" in told["message"]),
        ("/metrics", lambda told: told["error"]["code"] == "unauthorized"),
        ("/openapi.json", lambda told: told["error"]["code"] == "unauthorized"),
        ("/nosuch", lambda told: told["error"]["code"] == "unauthorized"),
    ],
)
def test_each_protocol_is_refused_in_its_own_form(path, form):
    answer = ask(Door(HELD), path)
    assert answer.status_code == 401
    assert form(answer.json())


@pytest.mark.parametrize("path", sorted(OPEN - {"/readyz"}))
def test_probes_carry_no_token(path):
    assert ask(Door(HELD), path).json() == {"path": path}


def test_readiness_without_a_token_is_told_without_details():
    assert ask(Door(HELD), "/readyz").json() == {"path": "/v2/health/ready"}
    assert ask(Door(HELD), "/readyz", authorization=f"Bearer {TOKEN}").json() == {"path": "/readyz"}


@pytest.mark.parametrize("path", ["/healthz/", "//healthz", "/HEALTHZ", "/healthz/../predict/late", "/ping/x"])
def test_what_only_looks_like_a_probe_needs_one(path):
    async def asked() -> int:
        told: list[Any] = []

        async def send(message: Any) -> None:
            told.append(message)

        await Door(HELD).around(inside)({**scope(), "path": path, "method": "GET"}, lambda: None, send)  # type: ignore[arg-type]
        return told[0]["status"]

    assert asyncio.run(asked()) == 401


def test_a_page_takes_any_name_with_the_token_as_password():
    door = Door(HELD, is_pages=True)
    for name in ("me", "", "you:"):
        assert ask(door, "/", authorization=basic(name, TOKEN)).status_code == (401 if ":" in name else 200)
    assert ask(door, "/", authorization=f"Bearer {TOKEN}").status_code == 200
    answer = ask(door, "/", authorization=basic("me", "x"))
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Basic realm="lockgate"')
    for broken in ("Basic", "Basic !", "Basic AA", "Basic " + "é"):
        assert not door.admits(scope((b"authorization", broken.encode())))
    assert ask(door, "/healthz").status_code == 401, "the pages have no probes"


def test_a_page_is_not_framed_or_kept():
    answer = ask(Door(HELD, is_pages=True), "/", authorization=f"Bearer {TOKEN}")
    assert answer.headers["content-security-policy"] == "frame-ancestors 'none'"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8081", "127.0.0.1:8081", "[::1]:8081", "LOCALHOST", "models.lan:1"]
)
def test_a_page_of_this_machine_is_shown_by_its_own_names(host):
    assert ask(Door(None, host="models.lan", is_pages=True), "/", host=host).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example:8081", "127.0.0.1.evil.example", "localhost.evil.example", "", "[::", "a@b@c"]
)
def test_a_page_is_not_shown_by_a_name_that_was_made_to_point_here(host):
    answer = ask(Door(None, is_pages=True), "/", host=host)
    assert answer.status_code == 421
    assert "Host" in answer.json()["error"]["message"]


def test_a_call_from_another_site_is_refused_where_no_token_is():
    for origin in ("http://evil.example", "null", "https://127.0.0.1.evil.example", "http://[", ""):
        answer = ask(Door(None), origin=origin)
        assert answer.status_code == 421, origin
        assert "Origin" in answer.json()["error"]["message"]
    assert ask(Door(None), origin="http://localhost:3000").status_code == 200


def test_a_program_may_write_host_as_it_likes():
    assert ask(Door(None), host="models.internal").status_code == 200


def test_a_token_is_enough_for_a_browser_of_any_site():
    assert ask(Door(HELD), origin="https://app.example", authorization=f"Bearer {TOKEN}").status_code == 200


def test_refusals_are_json():
    answer = ask(Door(HELD))
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.content)["error"]["message"].startswith("This server wants a token")
