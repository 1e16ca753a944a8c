"""Whatever protocol a call came by: it is routed, shadowed, counted against the bound and refused as any other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from lockgate.records import Prediction, Shadow
from lockgate.server.inference import Inference
from lockgate.workspace.dataplane import DataPlane

ROW: dict[str, Any] = {"wait": 6.5, "seats": 120, "carrier": "AA", "plane": "N1"}
TENSORS = [
    {"name": name, "datatype": kind, "shape": [1], "data": [ROW[name]]}
    for name, kind in (("wait", "FP64"), ("seats", "INT64"), ("carrier", "BYTES"), ("plane", "BYTES"))
]
BY = {
    "/predict/late": ({"rows": [ROW]}, "application/json"),
    "/v2/models/late/infer": ({"inputs": TENSORS}, "application/json"),
    "/invocations": ({"instances": [ROW]}, "application/json"),
    "/predict/late?": (ROW, "application/x-ndjson"),
}


def ask(project: Any, story: Callable[[httpx.AsyncClient, Inference], Awaitable[None]], **bounds: Any) -> None:
    async def told() -> None:
        face = Inference(DataPlane(project.home), **bounds)
        app = face.app()
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://face") as client:
                await story(client, face)
                await asyncio.sleep(0.2)  # shadows are called once the answer is on its way

    asyncio.run(told())


async def post(client: httpx.AsyncClient, path: str) -> httpx.Response:
    body, kind = BY[path]
    return await client.post(path.rstrip("?"), content=json.dumps(body), headers={"Content-Type": kind})


@pytest.mark.parametrize("path", BY)
def test_the_other_arm_scores_it_too_and_both_are_logged(project, path):
    champion, challenger = project.add_constant("champion", 0.1), project.add_constant("challenger", 0.9)
    project.publish(champion, challenger=challenger, shadow=True, rollout="r", salt="s")

    async def story(client: httpx.AsyncClient, _: Inference) -> None:
        answer = await post(client, path)
        assert answer.status_code == 200
        assert "0.1" in answer.text

    ask(project, story)
    (prediction,) = (entry for entry in project.log() if isinstance(entry, Prediction))
    (shadow,) = (entry for entry in project.log() if isinstance(entry, Shadow))
    assert (prediction.version, prediction.arm, shadow.version) == (champion, "champion", challenger)
    assert shadow.id == prediction.id


@pytest.mark.parametrize("path", BY)
def test_beyond_the_bound_it_is_sent_away_in_the_protocols_words_with_a_time_to_come_back(project, path):
    project.publish(project.add_constant("only", 0.1))

    async def story(client: httpx.AsyncClient, _: Inference) -> None:
        answer = await post(client, path)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "try again" in answer.text

    ask(project, story, most_in_hand=0)


@pytest.mark.parametrize("path", BY)
def test_a_model_that_fails_is_answered_by_the_fallback(project, path):
    project.publish(project.add_constant("broken", 0.5, "boom"), baseline=project.add_constant("base", 0.4))

    async def story(client: httpx.AsyncClient, _: Inference) -> None:
        answer = await post(client, path)
        assert answer.status_code == 200
        assert "0.4" in answer.text

    ask(project, story)
    (prediction,) = (entry for entry in project.log() if isinstance(entry, Prediction))
    assert prediction.failure is not None


@pytest.mark.parametrize(("share", "champion", "challenger"), [(0.0, 200, 409), (0.5, 409, 409), (1.0, 409, 200)])
def test_a_version_may_be_named_only_where_it_gets_every_call(project, share, champion, challenger):
    versions = {"champion": project.add_constant("a", 0.1), "challenger": project.add_constant("b", 0.9)}
    project.publish(**versions, share=share, rollout="r", salt="s")

    async def story(client: httpx.AsyncClient, _: Inference) -> None:
        for arm, status in (("champion", champion), ("challenger", challenger)):
            path = f"/v2/models/late/versions/{versions[arm]}/infer"
            assert (await client.post(path, json={"inputs": TENSORS})).status_code == status

    ask(project, story)


def test_while_it_drains_every_protocol_says_not_ready_and_alive(project):
    project.publish(project.add_constant("only", 0.1))

    async def story(client: httpx.AsyncClient, face: Inference) -> None:
        ready = ("/readyz", "/v2/health/ready", "/ping", "/health")
        assert [(await client.get(path)).status_code for path in ready] == [200] * 4
        face.is_draining = True
        assert [(await client.get(path)).status_code for path in ready] == [503] * 4
        assert (await client.get("/v2/health/live")).status_code == 200

    ask(project, story)


def with_name(path: str, name: str, value: str) -> tuple[str, Any]:
    """The body and address of a call that has an id or a unit."""
    body: Any = BY[path][0]
    match path:
        case "/predict/late":
            return path, body | {name: value}
        case "/invocations":
            return path, body | {"params": {name: value}}
        case "/predict/late?":
            return f"{path}{name}={value}", body
        case _:
            return path, body | ({"id": value} if name == "id" else {"parameters": {name: value}})


@pytest.mark.parametrize("name", ["id", "unit"])
@pytest.mark.parametrize("path", BY)
def test_an_id_or_a_unit_has_a_length_that_each_row_can_bear(project, path, name):
    project.publish(project.add_constant("only", 0.1))

    async def story(client: httpx.AsyncClient, _: Inference) -> None:
        for length, status in ((256, 200), (257, 422)):
            address, body = with_name(path, name, "é" * length)
            answer = await client.post(address, content=json.dumps(body), headers={"Content-Type": BY[path][1]})
            assert answer.status_code == status, answer.text
            if status == 422:
                assert f"The {name} of a request has more than 256 characters. Send a shorter one" in answer.text
        document = (await client.get("/openapi.json")).json()
        assert document["components"]["schemas"]["late.rows"]["properties"][name]["maxLength"] == 256

    ask(project, story)
    assert len(project.log()) == 1
