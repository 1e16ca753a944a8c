"""The gRPC server of one worker: beside the HTTP one on the same loop, behind a port that the supervisor holds.

grpc.aio on uvloop was measured against asyncio's own loop (`benchmarks/serving/grpc_loops.py`): it costs no more
CPU a call, and answers as steadily.
"""

from __future__ import annotations

from typing import Any

import grpc

from lockgate.server.body import LARGEST_BODY
from lockgate.server.calls import MOST_IN_HAND, Calls
from lockgate.server.open_grpc import Admits, OpenGrpc, admits_all

OPTIONS = (
    ("grpc.so_reuseport", 1),  # every worker listens on the port, and the kernel deals out connections
    ("grpc.max_receive_message_length", LARGEST_BODY),
    ("grpc.max_concurrent_streams", MOST_IN_HAND),  # of one connection: further calls wait at their sender
)


class GrpcServer:
    """address: `host:port`. start and stop run on the loop that answers."""

    def __init__(self, calls: Calls, address: str, *, admits: Admits = admits_all) -> None:
        self._face = OpenGrpc(calls, admits=admits)
        self._address = address
        self._server: Any = None

    async def start(self) -> int:
        """Returns the port."""
        self._server = grpc.aio.server(options=OPTIONS)
        self._server.add_generic_rpc_handlers(tuple(self._face.handlers()))
        port = int(self._server.add_insecure_port(self._address))
        await self._server.start()
        return port

    async def stop(self, grace_s: float) -> None:
        """No new calls; those in hand finish within so many seconds."""
        await self._server.stop(grace_s)
