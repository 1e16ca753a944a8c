"""One worker process: a data plane behind the listening socket that its parent owns."""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import signal
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import uvicorn

from lockgate.server import tokens
from lockgate.server.accepting import Accepting
from lockgate.server.connection import protocol
from lockgate.server.connections import LIMITS, Limits
from lockgate.server.door import Door
from lockgate.server.inference import Inference
from lockgate.server.shares import Shares
from lockgate.server.supervisor import PARENT
from lockgate.telemetry import logs
from lockgate.workspace.dataplane import DataPlane

if TYPE_CHECKING:
    from lockgate.server.grpc_server import GrpcServer

DRAIN_S = 10
NOTICED_S = 0.5
PARENT_LOOK_S = 1.0


def serve(home: Path, fd: int, limits: Limits = LIMITS, grpc: str | None = None, place: int = 0) -> None:
    """Answer until SIGTERM; then readiness is false for half a second, calls in hand finish and the log is closed.

    grpc: where gRPC is spoken too, as `host:port`. place: among the workers of one server.
    """
    logs.set_up()
    door = Door(tokens.take(os.environ))
    inference = Inference(DataPlane(home))
    shares = Shares.of(home, place)
    config = uvicorn.Config(
        door.around(inference.app()),
        http=protocol(inference.connections(limits, door.admits, shares)),
        ws="none",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=DRAIN_S,
        lifespan="on",
        proxy_headers=False,
        date_header=False,
        server_header=False,
        timeout_keep_alive=math.ceil(limits.idle_s),
    )
    server = _Server(config, inference, _grpc(inference, grpc, door), shares)
    _die_with_parent()
    with socket.socket(fileno=fd) as listening:
        server.run(sockets=[listening])


class _Server(uvicorn.Server):
    """uvicorn, draining: whoever balances the load sees that readiness is off before the door closes."""

    def __init__(self, config: uvicorn.Config, inference: Inference, grpc: GrpcServer | None, shares: Shares) -> None:
        super().__init__(config)
        self._inference = inference
        self._grpc = grpc
        self._shares = shares
        self._doors: list[Accepting] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup([])
        if self.started:
            self._doors = [Accepting(listening, self._connection, self._shares) for listening in sockets or ()]
        if self._grpc is not None and self.started:
            await self._grpc.start()

    def _connection(self) -> asyncio.Protocol:
        """As uvicorn makes one."""
        made = self.config.http_protocol_class
        return made(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)  # type: ignore[call-arg]

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """The end of gRPC first, for that of HTTP closes the log; both within one stretch of patience."""
        if self._grpc is not None:
            begun = time.monotonic()
            await self._grpc.stop(DRAIN_S)
            self.config.timeout_graceful_shutdown = max(1, DRAIN_S - math.ceil(time.monotonic() - begun))
        for door in self._doors:
            await door.close()  # whoever has come in is among those that are asked to leave
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: object) -> None:  # noqa: ARG002 - uvicorn's own signature
        """Turn readiness off first, then let uvicorn finish."""
        if self._inference.is_draining:
            return
        self._inference.is_draining = True
        threading.Timer(NOTICED_S, setattr, (self, "should_exit", True)).start()


def _grpc(inference: Inference, address: str | None, door: Door) -> GrpcServer | None:
    if address is None:
        return None
    from lockgate.server.grpc_server import GrpcServer

    return GrpcServer(inference.calls, address, admits=door.admits)


def _die_with_parent() -> None:
    """A worker whose supervisor was killed must not hold the port against the next one."""
    parent = int(os.environ.get(PARENT, os.getppid()))

    def look() -> None:
        while os.getppid() == parent:
            threading.Event().wait(PARENT_LOOK_S)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=look, name="parent", daemon=True).start()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--grpc")
    parser.add_argument("--place", type=int, default=0)
    parser.add_argument("--limits", default="[]")
    arguments = parser.parse_args()
    limits = msgspec.json.decode(arguments.limits, type=Limits)
    serve(arguments.home, arguments.fd, limits, arguments.grpc, arguments.place)
