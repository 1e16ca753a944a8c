"""The HTTP face's bounds, in this process: too many calls, a shadow that hangs, a drain."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from lockgate.records import Prediction, Shadow
from lockgate.server import calls
from lockgate.server.inference import Inference
from lockgate.workspace.dataplane import DataPlane

ROW: dict[str, Any] = {"wait": 3.5, "seats": 120, "carrier": "AA", "plane": "N1"}


def ask(project: Any, story: Callable[[httpx.AsyncClient, Inference], Awaitable[None]], **bounds: Any) -> None:
    """Tell a story to the application, with its lifespan around it."""

    async def told() -> None:
        face = Inference(DataPlane(project.home), **bounds)
        app = face.app()
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(app.router.lifespan_context(app))
            transport = httpx.ASGITransport(app=app)
            client = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://face"))
            await story(client, face)

    asyncio.run(told())


async def predict(client: httpx.AsyncClient, **more: Any) -> httpx.Response:
    return await client.post("/predict/late", json={"rows": [ROW], **more})


def test_too_many_calls_are_sent_away_with_a_time_to_come_back_and_the_others_answered(project: Any):
    project.publish(project.add_constant("slow", 0.9, "slow"), deadline_ms=5000.0)

    async def story(client: httpx.AsyncClient, _: Inference) -> None:
        answers = await asyncio.gather(*(predict(client) for _ in range(5)))
        assert sorted(answer.status_code for answer in answers) == [200, 200, 503, 503, 503]
        refused = next(answer for answer in answers if answer.status_code == 503)
        assert refused.headers["retry-after"] == "1"
        assert refused.json()["error"]["code"] == "busy"
        assert (await client.get("/healthz")).status_code == 200
        assert (await predict(client)).status_code == 200, "those in hand are done, so there is room again"

    ask(project, story, most_in_hand=2)


def test_health_is_told_at_once_while_calls_take_their_time(project: Any):
    project.publish(project.add_constant("slow", 0.9, "slow"), deadline_ms=5000.0)

    async def story(client: httpx.AsyncClient, _: Inference) -> None:
        call = asyncio.create_task(predict(client))
        await asyncio.sleep(0.1)
        health = await asyncio.wait_for(client.get("/healthz"), 0.5)
        assert health.status_code == 200
        assert not call.done()
        assert (await call).json()["predictions"][0]["value"] == 0.9

    ask(project, story)


def test_shadows_beyond_the_bound_are_skipped_and_counted(project: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(calls, "MOST_SHADOWS", 2)
    champion, challenger = project.add_constant("champion", 0.1), project.add_constant("challenger", 0.9, "slow")
    project.publish(champion, challenger=challenger, shadow=True, rollout="r", salt="s", deadline_ms=3000.0)

    async def story(client: httpx.AsyncClient, face: Inference) -> None:
        for number in range(5):
            answer = await asyncio.wait_for(predict(client, id=f"q{number}"), 0.9)
            assert answer.json()["predictions"][0]["value"] == 0.1
        assert face.skipped_shadows == 3
        assert (await client.get("/readyz")).json()["skipped_shadows"] == 3

    ask(project, story)
    assert sum(isinstance(e, Prediction) for e in project.log()) == 5
    assert sum(isinstance(e, Shadow) for e in project.log()) == 1, "the one under way is finished, nothing is begun"


def test_a_draining_worker_is_alive_and_not_ready_and_still_answers(project: Any):
    project.publish(project.add_constant("first", 0.1))

    async def story(client: httpx.AsyncClient, face: Inference) -> None:
        assert (await client.get("/readyz")).status_code == 200
        face.is_draining = True
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/healthz")).status_code == 200
        assert (await predict(client)).status_code == 200

    ask(project, story)


def test_without_any_model_it_is_alive_and_not_ready(project: Any):
    async def story(client: httpx.AsyncClient, _: Inference) -> None:
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["models"]) == (503, [])
        assert (await predict(client)).status_code == 404

    ask(project, story)
