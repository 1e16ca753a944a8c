"""SIGTERM: readiness goes first, calls in hand finish, the log is whole, and nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from typing import Any

import httpx

ROW: dict[str, Any] = {"wait": 3.5, "seats": 120, "carrier": "AA", "plane": None}


def test_calls_in_hand_finish_and_are_logged(project, until):
    project.publish(project.add_constant("slow", 0.7, "slow"), deadline_ms=5000.0)
    found: list[httpx.Response] = []
    with project.serving() as server:
        worker = server.state()["workers"][0]
        caller = threading.Thread(target=lambda: found.append(server.predict(ROW, id="in-hand")))
        caller.start()
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        caller.join(10)
        assert server.process.wait(10) == 0
    assert found[0].status_code == 200
    assert found[0].json()["predictions"][0]["value"] == 0.7
    assert [entry.id for entry in project.log()] == ["in-hand-0"]
    assert not (project.home / "server.json").exists()
    until(lambda: not is_alive(worker), "the worker to be gone")


def test_readiness_is_off_while_it_drains(project, until):
    project.publish(project.add_constant("one", 0.7))
    with project.serving() as server:
        assert server.get("/readyz").json()["ready"] is True
        os.kill(server.state()["workers"][0], signal.SIGTERM)
        until(lambda: server.get("/readyz").status_code == 503, "readiness to go", within_s=0.45)
        assert server.predict(ROW).status_code == 200
        until(lambda: ready(server) == 200, "the next worker")


def test_a_server_that_was_killed_leaves_no_worker_on_its_port(project, until):
    project.publish(project.add_constant("one", 0.7))
    with project.serving(workers=2) as server:
        state = server.state()
        server.process.kill()
        until(lambda: not any(is_alive(pid) for pid in state["workers"]), "the workers to follow")
        with socket.create_server(("127.0.0.1", state["port"])):
            pass
        assert json.loads((project.home / "server.json").read_text()) == state  # stale, and says whose it was


def ready(server) -> int:
    try:
        return server.get("/readyz").status_code
    except httpx.TransportError:
        return 0


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
