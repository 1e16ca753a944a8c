"""The control plane's process: the loop in a thread, and the pages."""

from __future__ import annotations

import argparse
import logging
import os
import socket
import threading
from pathlib import Path

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from lockgate.errors import LockgateError
from lockgate.report import page
from lockgate.server import ab_pages, retraining, telling, tokens
from lockgate.server.connection import protocol
from lockgate.server.connections import Connections, Limits
from lockgate.server.door import Door
from lockgate.server.exposed import metrics
from lockgate.server.metering import Metering
from lockgate.server.mirroring import keep_up
from lockgate.server.supervisor import PARENT
from lockgate.server.watched import Watched
from lockgate.telemetry import logs
from lockgate.telemetry.reporter import Reporter
from lockgate.workspace.workspace import Workspace

TICK_S = 0.25
MOST_READERS = 200  # connections; a browser holds six
PARENT_LOOK_S = 1.0
GIVES_WAY = 5  # a third of a worker's claim on a core that both want: an answer is waited for, a judgement has time
_log = logging.getLogger("lockgate.control")


def app(workspace: Workspace, reporter: Reporter | None = None) -> Starlette:
    """Pages that read the records, and one address that writes: a push to retrain. reporter: tells /metrics here too, also
    where no worker lives.
    """

    def show(_request: Request) -> Response:
        return HTMLResponse(page.page(workspace.status()))

    def table(_request: Request) -> Response:
        return HTMLResponse(page.table(workspace.status()))

    def rows(_request: Request) -> Response:
        return Response(msgspec.json.encode(workspace.status()), media_type="application/json")

    pages_of_ab = ab_pages.routes(workspace)
    static = StaticFiles(directory=Path(__file__).parent / "static")
    routes: list[BaseRoute] = [
        Route("/", show),
        Route("/now", table),
        Route("/api/now", rows),
        *pages_of_ab,
        Mount("/static", static),
        retraining.push(workspace),
    ]
    routes += [] if reporter is None else [metrics(reporter)]
    return Starlette(routes=routes)


def serve(project: Path, fd: int | None, host: str = "127.0.0.1") -> None:
    """Turn the loop, and answer pages on the inherited socket where there is one, until SIGTERM. host: its name."""
    logs.set_up()
    os.nice(GIVES_WAY)
    door = Door(tokens.take(os.environ), host=host, is_pages=True)
    workspace = Workspace.open(project)
    watched = Watched(workspace)
    watched.reporter.start()
    stop = threading.Event()
    metering = Metering(workspace.wiring.home, watched.reporter, stop)
    teller = telling.begin(workspace.wiring, stop)
    loop = threading.Thread(target=_turn, args=(workspace, stop, watched), name="loop", daemon=True)
    loop.start()
    threading.Thread(target=keep_up, args=(workspace.wiring, stop), name="mirror", daemon=True).start()
    trainer = threading.Thread(target=retraining.keep_on, args=(project, stop), name="retraining", daemon=True)
    trainer.start()
    parent = int(os.environ.get(PARENT, os.getppid()))
    threading.Thread(target=_stop_with_parent, args=(parent,), name="parent", daemon=True).start()
    try:
        if fd is None:
            stop.wait()
            return
        config = uvicorn.Config(
            door.around(app(workspace, watched.reporter)),
            http=protocol(Connections(Limits(connections=MOST_READERS), door.admits)),
            ws="none",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=2,
        )
        with socket.socket(fileno=fd) as listening:
            uvicorn.Server(config).run(sockets=[listening])
    finally:
        stop.set()
        loop.join(timeout=5)
        trainer.join(timeout=5)
        teller.join(timeout=5)
        metering.close()
        watched.reporter.close()
        workspace.close()


def _turn(workspace: Workspace, stop: threading.Event, watched: Watched) -> None:
    """A tick that fails is logged and tried again: traffic goes on by the last routing meanwhile."""
    while not stop.wait(TICK_S):
        try:
            workspace.tick()
            watched.turned()
        except LockgateError as error:
            watched.failed()
            _log.error("The loop could not turn: %s", error)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # noqa: BLE001 - logged, and the process goes on; a panic in Rust is no Exception
            watched.failed()
            _log.exception("The loop failed.")


def _stop_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        threading.Event().wait(PARENT_LOOK_S)
    os._exit(0)  # the records are transactions: nothing is half-written


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--fd", type=int)
    parser.add_argument("--host", default="127.0.0.1")
    arguments = parser.parse_args()
    serve(arguments.project, arguments.fd, arguments.host)
