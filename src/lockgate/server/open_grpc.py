"""The Open Inference Protocol v2 over gRPC, as KServe and Triton speak it, and gRPC's own health check.

It only translates: rows go to the calls that every protocol goes to, and are refused in the same words.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, NoReturn, cast

import grpc
from starlette.background import BackgroundTask

from lockgate.errors import NotFound, unknown
from lockgate.features.request import Rows
from lockgate.server import grpc_tensors, open_protocol
from lockgate.server.calls import Calls, told
from lockgate.server.grpc_messages import health, inference
from lockgate.server.grpc_tensors import parsed
from lockgate.server.release import RELEASE
from lockgate.server.statuses import Refused, Told
from lockgate.workspace.dataplane import Served

SERVICE = "inference.GRPCInferenceService"
HEALTH = "grpc.health.v1.Health"
SERVING, NOT_SERVING = 1, 2
WANTS_A_TOKEN = "This server wants a token: send `authorization: Bearer TOKEN` as metadata."
COME_AGAIN = (("grpc-retry-pushback-ms", "1000"),)  # what a client with a retry policy waits
# The one table from an error's code to gRPC's: whatever is not in it is our own bug.
CODES = {
    "contract": grpc.StatusCode.INVALID_ARGUMENT,
    "leak": grpc.StatusCode.INVALID_ARGUMENT,
    "spec": grpc.StatusCode.INVALID_ARGUMENT,
    "config": grpc.StatusCode.INVALID_ARGUMENT,
    "malformed": grpc.StatusCode.INVALID_ARGUMENT,
    "not_found": grpc.StatusCode.NOT_FOUND,
    "conflict": grpc.StatusCode.ALREADY_EXISTS,  # not ABORTED, which asks for another try: it would end alike
    "too_large": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "unauthorized": grpc.StatusCode.UNAUTHENTICATED,
    "busy": grpc.StatusCode.UNAVAILABLE,
    "store": grpc.StatusCode.UNAVAILABLE,
}

Context = Any  # grpc ships no types
Handle = Callable[[bytes, Context], Awaitable[Any]]
Admits = Callable[[Mapping[str, Any]], bool]


def admits_all(_scope: Mapping[str, Any]) -> bool:
    """Whoever comes is let in. Another sees the call's metadata as `headers`, pairs of bytes, as HTTP's has them."""
    return True


class OpenGrpc:
    """The services over one process's calls. admits: who may ask; whether the server is alive and ready is told to all."""

    def __init__(self, calls: Calls, *, admits: Admits = admits_all) -> None:
        self._calls = calls
        self._admits = admits
        self._shadows: set[asyncio.Task[None]] = set()

    def handlers(self) -> list[Any]:
        """What a gRPC server takes: bytes in, bytes out, for a large message is taken apart in a thread."""
        asked: dict[str, Handle] = {
            "ServerMetadata": self._server,
            "ModelReady": self._model_ready,
            "ModelMetadata": self._model,
            "ModelInfer": self._infer,
        }
        methods = {"ServerLive": _unary(_live), "ServerReady": _unary(self._ready)}
        methods |= {name: _unary(self._guarded(handle)) for name, handle in asked.items()}
        return [
            grpc.method_handlers_generic_handler(SERVICE, methods),
            grpc.method_handlers_generic_handler(HEALTH, {"Check": _unary(self._health)}),
        ]

    def _guarded(self, handle: Handle) -> Handle:
        """Whoever may ask, within the bound on calls in hand."""

        async def guarded(sent: bytes, context: Context) -> Any:
            if not self._admits({"headers": _headers(context)}):
                raise Refused("unauthorized", WANTS_A_TOKEN)
            if self._calls.is_full:
                raise Refused("busy", "Too many calls are waiting; try again in a second.")
            with self._calls.in_hand():
                return await handle(sent, context)

        return guarded

    async def _ready(self, _sent: bytes, _context: Context) -> Any:
        return inference["ServerReadyResponse"](ready=self._calls.is_ready)

    async def _health(self, sent: bytes, _context: Context) -> Any:
        """For the whole server, "", or the one service."""
        service = parsed(health["HealthCheckRequest"], sent).service
        if service not in ("", SERVICE):
            raise NotFound(unknown("service", service, (SERVICE,)))
        return health["HealthCheckResponse"](status=SERVING if self._calls.is_ready else NOT_SERVING)

    async def _server(self, _sent: bytes, _context: Context) -> Any:
        name = open_protocol.NAME
        return inference["ServerMetadataResponse"](name=name, version=RELEASE, extensions=open_protocol.EXTENSIONS)

    async def _model_ready(self, sent: bytes, _context: Context) -> Any:
        """A model that is not here yet is not ready: whoever waits for it asks again."""
        asked = parsed(inference["ModelReadyRequest"], sent)
        version = asked.version or None
        try:
            is_ready = open_protocol.is_ready(open_protocol.found(self._calls.plane, asked.name, version), version)
        except NotFound:
            is_ready = False
        return inference["ModelReadyResponse"](ready=is_ready)

    async def _model(self, sent: bytes, _context: Context) -> Any:
        asked = parsed(inference["ModelMetadataRequest"], sent)
        model = open_protocol.described(open_protocol.found(self._calls.plane, asked.name, asked.version or None))
        metadata = inference["TensorMetadata"]
        return inference["ModelMetadataResponse"](
            name=model.name,
            versions=model.versions,
            platform=open_protocol.NAME,
            inputs=[metadata(**tensor._asdict()) for tensor in model.inputs],
            outputs=[metadata(**tensor._asdict()) for tensor in model.outputs],
        )

    async def _infer(self, sent: bytes, context: Context) -> Any:
        """A caller whose deadline has passed is gone: what still waits for a thread is then not begun."""
        asked = await self._calls.run(lambda: grpc_tensors.read(sent))
        served = open_protocol.found(self._calls.plane, asked.model, asked.version)
        open_protocol.refuse_choice(served.routing, asked.version)

        def held(served: Served) -> Rows:
            return served.request.hold(asked.rows, unit=asked.unit, request=asked.id)

        predictions, after = await self._calls.answer(served, held)
        if after is not None:
            context.add_done_callback(partial(self._later, after))
        return grpc_tensors.answer(served.routing, asked, predictions)

    def _later(self, after: BackgroundTask, _context: Context) -> None:
        """The shadow, once the answer is on its way."""
        task = asyncio.get_running_loop().create_task(after())
        self._shadows.add(task)  # the loop itself holds a task but weakly
        task.add_done_callback(self._shadows.discard)


async def _live(_sent: bytes, _context: Context) -> Any:
    return inference["ServerLiveResponse"](live=True)


def _unary(handle: Handle) -> Any:
    """The handler, every refusal of it in words: INTERNAL for our own bugs alone."""

    async def worded(sent: bytes, context: Context) -> Any:
        try:
            return await handle(sent, context)
        except Exception as error:  # noqa: BLE001 - told apart in `told`
            await _refuse(context, told(error))

    return cast("Any", grpc.unary_unary_rpc_method_handler(worded, response_serializer=_written))


def _written(message: Any) -> bytes:
    return bytes(message.SerializeToString())


async def _refuse(context: Context, told: Told) -> NoReturn:
    code = CODES.get(told.code, grpc.StatusCode.INTERNAL)
    again = COME_AGAIN if code is grpc.StatusCode.UNAVAILABLE else ()
    await context.abort(code, told.message, again)
    raise AssertionError("abort raises")


def _headers(context: Context) -> list[tuple[bytes, bytes]]:
    sent = context.invocation_metadata() or ()
    return [(key.encode(), value if isinstance(value, bytes) else value.encode()) for key, value in sent]
