"""One worker process: a data plane behind the listening socket that its parent owns."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import threading
from pathlib import Path

import uvicorn

from lockgate.server.inference import Inference
from lockgate.server.supervisor import PARENT
from lockgate.telemetry import logs
from lockgate.workspace.dataplane import DataPlane

DRAIN_S = 10
NOTICED_S = 0.5
PARENT_LOOK_S = 1.0


def serve(home: Path, fd: int) -> None:
    """Answer until SIGTERM; then readiness is false for half a second, calls in hand finish and the log is closed."""
    logs.set_up()
    inference = Inference(DataPlane(home))
    config = uvicorn.Config(
        inference.app(),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=DRAIN_S,
        lifespan="on",
        http="httptools",
        ws="none",
        proxy_headers=False,
        date_header=False,
        server_header=False,
        timeout_keep_alive=30,
    )
    server = _Server(config, inference)
    _die_with_parent()
    with socket.socket(fileno=fd) as listening:
        server.run(sockets=[listening])


class _Server(uvicorn.Server):
    """uvicorn, draining: whoever balances the load sees that readiness is off before the door closes."""

    def __init__(self, config: uvicorn.Config, inference: Inference) -> None:
        super().__init__(config)
        self._inference = inference

    def handle_exit(self, sig: int, frame: object) -> None:  # noqa: ARG002 - uvicorn's own signature
        """Turn readiness off first, then let uvicorn finish."""
        if self._inference.is_draining:
            return
        self._inference.is_draining = True
        threading.Timer(NOTICED_S, setattr, (self, "should_exit", True)).start()


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
    arguments = parser.parse_args()
    serve(arguments.home, arguments.fd)
