"""The data plane over HTTP: requests in, predictions out; the work is `serve.call`."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lockgate.errors import ContractError, LockgateError
from lockgate.features.check import asked_rules
from lockgate.records import Outcome, Prediction
from lockgate.serve import outcomes
from lockgate.serve.batch import Batch, from_request
from lockgate.server.statuses import refusal, refusal_of
from lockgate.workspace.dataplane import DataPlane, Served

LARGEST_BODY = 10 * 1024 * 1024
THREADS = 8
MOST_IN_HAND = 256
MOST_SHADOWS = 256  # calls whose shadow waits: a challenger that hangs must not fill the memory
REFRESH_S = 0.2
_log = logging.getLogger("lockgate.server")
_encode = msgspec.json.Encoder().encode


class Inference:
    """The routes over one data plane.

    most_in_hand: calls at once, beyond which the next are sent away. is_draining: readiness is off, calls in hand
    finish. skipped_shadows: calls the other arm did not score because too many waited.
    """

    def __init__(self, plane: DataPlane, *, most_in_hand: int = MOST_IN_HAND) -> None:
        self._plane = plane
        self._calls = ThreadPoolExecutor(THREADS, thread_name_prefix="call")
        self._shadows = ThreadPoolExecutor(1, thread_name_prefix="shadow")
        self._shadow_room = threading.BoundedSemaphore(MOST_SHADOWS)
        self._most_in_hand = most_in_hand
        self._in_hand = 0
        self.skipped_shadows = 0
        self.is_draining = False

    def app(self) -> Starlette:
        routes = [
            Route("/predict/{model}", self._guarded(self._predict), methods=["POST"]),
            Route("/outcomes/{model}", self._guarded(self._outcomes), methods=["POST"]),
            Route("/models/{model}", self._guarded(self._metadata), methods=["GET"]),
            Route("/healthz", self._healthz, methods=["GET"]),
            Route("/readyz", self._readyz, methods=["GET"]),
        ]
        return Starlette(routes=routes, lifespan=self._lifespan, exception_handlers={HTTPException: _no_route})

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncGenerator[None]:
        await asyncio.to_thread(self._plane.refresh)
        refresher = asyncio.create_task(self._keep_fresh())
        try:
            yield
        finally:
            refresher.cancel()
            self._calls.shutdown()
            # Shadows that still wait are left: a slow challenger must not hold up the end until the worker is killed.
            self._shadows.shutdown(cancel_futures=True)
            self._plane.log.close()

    async def _keep_fresh(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_S)
            try:
                await asyncio.to_thread(self._plane.refresh)
            except Exception:  # noqa: BLE001 - the last routing stays in force whatever the outside does
                _log.exception("The routing could not be refreshed.")

    async def _predict(self, request: Request) -> Response:
        served = self._plane.model(request.path_params["model"])
        body = await _body(request)
        loop = asyncio.get_running_loop()
        answered = await loop.run_in_executor(self._calls, _answer, served, body)
        told = _encode({"predictions": [_told(p) for p in answered.predictions]})
        after = BackgroundTask(self._shadow_later, served, answered) if served.routing.shadow else None
        return Response(told, media_type="application/json", background=after)

    async def _shadow_later(self, served: Served, answered: _Answered) -> None:
        """Queued once the answer is on its way."""
        if self._shadow_room.acquire(blocking=False):
            self._shadows.submit(self._shadow, served, answered)
        else:
            self.skipped_shadows += 1

    def _shadow(self, served: Served, answered: _Answered) -> None:
        try:
            served.caller.shadow(answered.batch, answered.predictions, request=answered.request)
        except Exception:  # noqa: BLE001 - nobody waits for a shadow, so nobody else would hear of it
            _log.exception("A shadow call failed.")
        finally:
            self._shadow_room.release()

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
            "rules": [msgspec.to_builtins(rule.rule) for rule in asked_rules(served.contract)],
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
            "problems": dict(self._plane.problems),
            "skipped_shadows": self.skipped_shadows,
            "log": {"spilled": self._plane.log.spilled, "dropped": self._plane.log.dropped},
        }
        return JSONResponse(body, status_code=200 if is_ready else 503)

    def _guarded(self, handle: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """Every refusal in words, a bound on calls in hand, and a 500 for our own bugs alone."""

        async def guarded(request: Request) -> Response:
            if self._in_hand >= self._most_in_hand:
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
            except ClientDisconnect:
                return refusal("malformed", "The body ended before it was whole.")  # nobody is left to read this
            except Exception:  # noqa: BLE001 - our own bug: said once in the log, and to the caller
                _log.exception("A call failed.")
                return refusal("bug", "Lockgate itself failed; the log of the server says where.")
            finally:
                self._in_hand -= 1

        return guarded


class _TooLarge(Exception):
    pass


class _Answered(NamedTuple):
    batch: Batch
    request: str | None
    predictions: list[Prediction]


def _answer(served: Served, body: bytes) -> _Answered:
    """A body's rows, answered. In a thread of its own: a large body takes long to decode as well."""
    try:
        rows = served.request.decode(body)
    except OverflowError as error:  # JSON's whole numbers have no end, an array's do
        raise ContractError(f"A number is out of range: {error}.") from error
    batch = from_request(rows, served.contract, now_s=time.time())
    request = rows.id or None
    return _Answered(batch, request, served.caller.answer(batch, request=request))


async def _body(request: Request) -> bytes:
    """The body, given up as soon as it is too large, whatever its header says."""
    if int(request.headers.get("content-length") or 0) > LARGEST_BODY:
        raise _TooLarge
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > LARGEST_BODY:
            raise _TooLarge
        chunks.append(chunk)
    return b"".join(chunks)


async def _no_route(_request: Request, error: Exception) -> Response:
    """The framework's own refusals, in our form."""
    if not isinstance(error, HTTPException):
        raise error
    code = {404: "not_found", 405: "method"}.get(error.status_code, "malformed")
    answer = refusal(code, f"{error.detail}.")
    answer.headers.update(error.headers or {})
    return answer


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
