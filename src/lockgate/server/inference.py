"""The data plane over HTTP: requests in, predictions out; the work is `serve.call`."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lockgate.errors import LockgateError
from lockgate.records import Outcome, Prediction
from lockgate.serve import outcomes
from lockgate.serve.batch import Batch, from_request
from lockgate.server.statuses import refusal, refusal_of
from lockgate.workspace.dataplane import DataPlane, Served

LARGEST_BODY = 10 * 1024 * 1024
THREADS = 8
MOST_WAITING = 256
REFRESH_S = 0.2
_log = logging.getLogger("lockgate.server")
_encode = msgspec.json.Encoder().encode


class Inference:
    """The routes over one data plane. is_draining: readiness is off, calls in hand finish."""

    def __init__(self, plane: DataPlane) -> None:
        self._plane = plane
        self._calls = ThreadPoolExecutor(THREADS, thread_name_prefix="call")
        self._shadows = ThreadPoolExecutor(1, thread_name_prefix="shadow")
        self._in_hand = 0
        self.is_draining = False

    def app(self) -> Starlette:
        routes = [
            Route("/predict/{model}", self._guarded(self._predict), methods=["POST"]),
            Route("/outcomes/{model}", self._guarded(self._outcomes), methods=["POST"]),
            Route("/models/{model}", self._guarded(self._metadata), methods=["GET"]),
            Route("/healthz", self._healthz, methods=["GET"]),
            Route("/readyz", self._readyz, methods=["GET"]),
        ]
        return Starlette(routes=routes, lifespan=self._lifespan)

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        await asyncio.to_thread(self._plane.refresh)
        refresher = asyncio.create_task(self._keep_fresh())
        try:
            yield
        finally:
            refresher.cancel()
            self._calls.shutdown()
            self._shadows.shutdown()
            self._plane.log.close()

    async def _keep_fresh(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_S)
            try:
                await asyncio.to_thread(self._plane.refresh)
            except Exception:  # the last routing stays in force whatever the outside does
                _log.exception("The routing could not be refreshed.")

    async def _predict(self, request: Request) -> Response:
        served = self._plane.model(request.path_params["model"])
        rows = served.request.decode(await _body(request))
        batch = from_request(rows, served.contract, now_s=time.time())
        loop = asyncio.get_running_loop()
        predictions = await loop.run_in_executor(self._calls, self._answer, served, batch, rows.id)
        if served.routing.shadow:
            self._shadows.submit(served.caller.shadow, batch, predictions)
        return Response(_encode({"predictions": [_told(p) for p in predictions]}), media_type="application/json")

    @staticmethod
    def _answer(served: Served, batch: Batch, request: str | None) -> list[Prediction]:
        return served.caller.answer(batch, request=request)

    async def _outcomes(self, request: Request) -> Response:
        name = request.path_params["model"]
        task = self._plane.model(name).routing.task
        told: list[Outcome] = outcomes.decode(await _body(request), model=name, task=task, now_s=time.time())
        await asyncio.get_running_loop().run_in_executor(self._calls, self._plane.log.append, told)
        return JSONResponse({"accepted": len(told)})

    async def _metadata(self, request: Request) -> Response:
        served = self._plane.model(request.path_params["model"])
        routing = served.routing
        described = {
            "model": routing.model,
            "champion": routing.champion,
            "challenger": routing.challenger,
            "share": routing.share,
            "revision": routing.revision,
            "columns": [msgspec.to_builtins(column) for column in served.contract.asked],
        }
        return JSONResponse(described)

    async def _healthz(self, _request: Request) -> Response:
        return JSONResponse({"alive": True})

    async def _readyz(self, _request: Request) -> Response:
        is_ready = bool(self._plane.models) and not self.is_draining
        body: dict[str, Any] = {
            "ready": is_ready,
            "pid": os.getpid(),
            "revisions": {name: served.routing.revision for name, served in self._plane.models.items()},
            "models": sorted(self._plane.models),
            "problems": self._plane.problems,
            "log": {"spilled": self._plane.log.spilled, "dropped": self._plane.log.dropped},
        }
        return JSONResponse(body, status_code=200 if is_ready else 503)

    def _guarded(self, handle: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """Every refusal in words, a bound on calls in hand, and a 500 for our own bugs alone."""

        async def guarded(request: Request) -> Response:
            if self._in_hand >= MOST_WAITING:
                return refusal("busy", "Too many calls are waiting; try again in a second.")
            self._in_hand += 1
            try:
                return await handle(request)
            except _TooLarge:
                return refusal("too_large", f"A body may hold {LARGEST_BODY // 2**20} MiB; send fewer rows at once.")
            except LockgateError as error:
                return refusal_of(error)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                return refusal("malformed", f"The body is not JSON: {error}.")
            except Exception:
                _log.exception("A call failed.")
                return refusal("bug", "Lockgate itself failed; the log of the server says where.")
            finally:
                self._in_hand -= 1

        return guarded


class _TooLarge(Exception):
    pass


async def _body(request: Request) -> bytes:
    """The body, given up as soon as it is too large, whatever its header says."""
    if int(request.headers.get("content-length") or 0) > LARGEST_BODY:
        raise _TooLarge
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > LARGEST_BODY:
            raise _TooLarge
        chunks.append(chunk)
    return b"".join(chunks)


def _told(prediction: Prediction) -> dict[str, object]:
    return {
        "id": prediction.id,
        "value": prediction.value,
        "version": prediction.version,
        "arm": prediction.arm,
        "served_by": prediction.served_by,
        "failure": prediction.failure,
        "flags": prediction.flags,
    }
