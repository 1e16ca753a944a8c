"""The gRPC face over real calls on a real port: routed, shadowed, bounded and admitted as every protocol is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from lockgate import errors
from lockgate.records import Prediction, Shadow
from lockgate.server import statuses
from lockgate.server.inference import Inference
from lockgate.workspace.dataplane import DataPlane

grpc = pytest.importorskip("grpc", reason="grpcio is not installed")

INFER = "/inference.GRPCInferenceService/ModelInfer"
READY = "/inference.GRPCInferenceService/ServerReady"


def row(**more: Any) -> bytes:
    from lockgate.server.grpc_messages import inference

    contents = (
        {"fp64_contents": [6.5]},
        {"int64_contents": [120]},
        {"bytes_contents": [b"AA"]},
        {"bytes_contents": [b""]},
    )
    names = ("wait", "FP64"), ("seats", "INT64"), ("carrier", "BYTES"), ("plane", "BYTES")
    inputs = [
        {"name": name, "datatype": kind, "shape": [1], "contents": held}
        for (name, kind), held in zip(names, contents, strict=True)
    ]
    return inference["ModelInferRequest"](model_name="late", inputs=inputs, **more).SerializeToString()


def ask(project: Any, story: Callable[[Any, Inference], Awaitable[None]], *, bounds: Any = None, **how: Any) -> None:
    async def told() -> None:
        from lockgate.server.grpc_server import GrpcServer

        face = Inference(DataPlane(project.home), **(bounds or {}))
        app = face.app()
        async with app.router.lifespan_context(app):
            server = GrpcServer(face.calls, "127.0.0.1:0", **how)
            port = await server.start()
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                await story(channel, face)
            await server.stop(1)
            await asyncio.sleep(0.2)  # shadows are called once the answer is on its way

    asyncio.run(told())


async def refused(call: Any, sent: bytes, **how: Any) -> Any:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call(sent, timeout=5, **how)
    return raised.value


def test_the_other_arm_scores_it_too_and_both_are_logged(project):
    champion, challenger = project.add_constant("champion", 0.1), project.add_constant("challenger", 0.9)
    project.publish(champion, challenger=challenger, shadow=True, rollout="r", salt="s")

    async def story(channel: Any, _: Inference) -> None:
        assert await channel.unary_unary(INFER)(row(), timeout=5)

    ask(project, story)
    (prediction,) = (entry for entry in project.log() if isinstance(entry, Prediction))
    (shadow,) = (entry for entry in project.log() if isinstance(entry, Shadow))
    assert (prediction.value, shadow.id) == (0.1, prediction.id)


def test_beyond_the_bound_calls_are_sent_away_and_told_when_to_come_again(project):
    project.publish(project.add_constant("one", 0.1))

    async def story(channel: Any, face: Inference) -> None:
        with face.calls.in_hand():
            told = await refused(channel.unary_unary(INFER), row())
            assert told.code() is grpc.StatusCode.UNAVAILABLE
            assert dict(told.trailing_metadata())["grpc-retry-pushback-ms"] == "1000"
            assert await channel.unary_unary(READY)(b"", timeout=5), "readiness is told all the same"
        assert await channel.unary_unary(INFER)(row(), timeout=5)

    ask(project, story, bounds={"most_in_hand": 1})


def test_whoever_is_not_admitted_is_told_so_and_may_ask_for_readiness_alone(project):
    project.publish(project.add_constant("one", 0.1))

    def admits(scope: Any) -> bool:
        return (b"authorization", b"Bearer sesame") in scope["headers"]

    async def story(channel: Any, _: Inference) -> None:
        call = channel.unary_unary(INFER)
        told = await refused(call, row())
        assert told.code() is grpc.StatusCode.UNAUTHENTICATED
        assert "authorization" in told.details()
        assert (await refused(call, row(), metadata=(("authorization", "Bearer x"),))).code() is told.code()
        assert await call(row(), timeout=5, metadata=(("authorization", "Bearer sesame"),))
        assert await channel.unary_unary(READY)(b"", timeout=5)

    ask(project, story, admits=admits)


def test_a_bug_of_ours_is_internal_and_says_no_more_than_that(project, caplog):
    project.publish(project.add_constant("one", 0.1))

    async def story(channel: Any, face: Inference) -> None:
        face.calls.plane.models = None  # type: ignore[assignment]
        told = await refused(channel.unary_unary(INFER), row())
        assert told.code() is grpc.StatusCode.INTERNAL
        assert "the log of the server" in told.details()
        face.calls.plane.models = {}

    ask(project, story)
    assert "A call failed." in caplog.text


def test_every_code_that_http_knows_has_one_of_grpc_unless_no_message_can_cause_it():
    from lockgate.server.open_grpc import CODES

    of_http_alone = {"method", "media_type", "foreign", "slow", "head_too_large"}
    assert statuses.STATUS.keys() - of_http_alone <= CODES.keys()
    assert errors.ContractError.code in CODES


def test_an_id_or_a_unit_that_each_row_could_not_bear_is_refused(project):
    project.publish(project.add_constant("only", 0.1))

    async def story(channel: Any, _: Inference) -> None:
        call = channel.unary_unary(INFER)
        assert await call(row(id="i" * 256), timeout=5)
        for name, more in (("id", {"id": "i" * 257}), ("unit", {"parameters": {"unit": {"string_param": "u" * 257}}})):
            why = await refused(call, row(**more))
            assert why.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert f"The {name} of a request has more than 256 characters" in why.details()

    ask(project, story)
