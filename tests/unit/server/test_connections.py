"""One worker's connections on a real socket, in this process, where what answers breaks."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.responses import PlainTextResponse

from lockgate.server.connection import protocol
from lockgate.server.connections import LIMITS, Connections

ASKED = b"POST /predict/late HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"


async def app(scope: Any, receive: Any, send: Any) -> None:
    await PlainTextResponse("by the app")(scope, receive, send)


@contextmanager
def listening(held: Connections) -> Iterator[Callable[[], socket.socket]]:
    config = uvicorn.Config(app, http=protocol(held), ws="none", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as open_to:
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([open_to])))
        thread.start()
        try:
            yield lambda: socket.create_connection(open_to.getsockname(), timeout=5)
        finally:
            server.should_exit = True
            thread.join(10)


def test_a_request_is_answered_by_the_app_where_the_quick_way_breaks():
    def breaks(*_: object) -> bool:
        raise RuntimeError("a bug of ours")

    with listening(Connections(LIMITS, takes=breaks)) as connect, connect() as line:
        for _ in range(2):
            line.sendall(ASKED)
            heard = b""
            while not heard.endswith(b"by the app"):
                more = line.recv(65536)
                assert more, "the connection goes on"
                heard += more
            assert heard.startswith(b"HTTP/1.1 200")
