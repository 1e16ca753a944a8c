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
import pytest

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


class Closed:
    """What became of a caller that asks, hears, and asks again on one connection."""

    def __init__(self, port: int, sent: bytes, *, ahead: int = 1) -> None:
        self.answers, self.was_told, self.was_cut = 0, False, False
        self._sent, self._ahead = sent, ahead
        self._line = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.thread = threading.Thread(target=self._ask)
        self.thread.start()

    def _ask(self) -> None:
        with self._line as line, line.makefile("rb") as heard:
            while not self.was_told and not self.was_cut:
                try:
                    line.sendall(self._sent * self._ahead)
                    for _ in range(self._ahead):
                        self.was_cut = self.was_told or not self._hear(heard)
                except OSError:
                    self.was_cut = True

    def _hear(self, heard: Any) -> bool:
        head = list(iter(lambda: heard.readline().strip().lower(), b""))
        if not head:
            return False
        length = next(int(line[16:]) for line in head if line.startswith(b"content-length:"))
        self.answers += len(heard.read(length)) == length
        self.was_told = b"connection: close" in head
        return True


QUICK = json.dumps({"rows": [ROW]}).encode()
HEAD = b"POST /predict/late HTTP/1.1\r\nHost: x\r\n"
WAYS = {
    "quick": HEAD + b"Content-Length: %d\r\n\r\n" % len(QUICK) + QUICK,
    "long": HEAD + b"Content-Type: APPLICATION/JSON\r\nContent-Length: %d\r\n\r\n" % len(QUICK) + QUICK,
}


@pytest.mark.parametrize("ahead", [1, 3])
@pytest.mark.parametrize("way", WAYS)
def test_callers_that_keep_asking_are_told_to_go_and_none_is_cut(project, way, ahead):
    project.publish(project.add_fitted())
    with project.serving() as server:
        port = server.state()["port"]
        callers = [Closed(port, WAYS[way], ahead=ahead) for _ in range(12)]
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        for caller in callers:
            caller.thread.join(10)
        assert server.process.wait(10) == 0
    assert [caller.was_cut for caller in callers] == [False] * 12
    assert all(caller.was_told and caller.answers > 1 for caller in callers)


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
