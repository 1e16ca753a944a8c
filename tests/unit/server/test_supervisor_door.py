"""The supervisor owns the door: a taken port is told in words, and what dies is started again."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from pathlib import Path

import pytest

from lockgate.errors import Conflict
from lockgate.server.statuses import STATUS, refusal, refusal_of
from lockgate.server.supervisor import Supervisor, bound


def test_a_taken_port_is_a_conflict_naming_it_and_the_cure():
    with bound("127.0.0.1", 0, "--port") as holder:
        port = holder.getsockname()[1]
        with pytest.raises(Conflict, match=rf"Port {port} on 127\.0\.0\.1 .* --port") as caught:
            bound("127.0.0.1", port, "--port")
    assert caught.value.cure


def test_the_door_is_inheritable_and_listening():
    with bound("127.0.0.1", 0, "--port") as door:
        assert door.get_inheritable()
        with socket.create_connection(door.getsockname(), timeout=2):
            pass


def test_a_companion_that_dies_is_started_again_and_the_state_says_who_runs(tmp_path: Path):
    counted = tmp_path / "starts"
    companion = [sys.executable, "-c", f"open({str(counted)!r}, 'a').write('x')"]
    supervisor = Supervisor(tmp_path, host="127.0.0.1", port=0, workers=0, companions=[companion])
    supervisor.start()
    try:
        first = json.loads((tmp_path / "server.json").read_text())
        assert (first["pid"], first["port"], first["workers"]) == (os.getpid(), supervisor.port, [])
        give_up = time.monotonic() + 8
        while (not counted.exists() or len(counted.read_text()) < 3) and time.monotonic() < give_up:
            supervisor.replace_dead()
            time.sleep(0.02)
        assert len(counted.read_text()) >= 3
        assert json.loads((tmp_path / "server.json").read_text())["companions"] != first["companions"]
    finally:
        supervisor.stop()
    assert not (tmp_path / "server.json").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["starts"], "nothing half-written stays"


def test_what_does_not_stop_when_asked_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("lockgate.server.supervisor.DRAIN_S", 0.3)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open('deaf', 'w'); time.sleep(60)"
    monkeypatch.chdir(tmp_path)
    supervisor = Supervisor(
        tmp_path / "home", host="127.0.0.1", port=0, workers=0, companions=[[sys.executable, "-c", deaf]]
    )
    supervisor.start()
    while not (tmp_path / "deaf").exists():
        time.sleep(0.01)
    (pid,) = json.loads((tmp_path / "home/server.json").read_text())["companions"]
    began = time.monotonic()
    supervisor.stop()
    assert time.monotonic() - began < 5
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_client_is_never_told_500_for_what_has_a_code():
    codes = {error.code for error in _every(__import__("lockgate.errors", fromlist=["x"]).LockgateError)}
    assert codes - STATUS.keys() == {"error", "predict", "bug"}, "predict is answered by the chain, the others are ours"


def test_a_refusal_names_the_column_and_when_to_come_again():
    from lockgate.errors import ContractError, StoreError

    named = refusal_of(ContractError("No.", column="seats"))
    assert named.status_code == 422
    assert json.loads(bytes(named.body)) == {"error": {"code": "contract", "message": "No.", "column": "seats"}}
    assert refusal_of(StoreError("Gone.")).headers["retry-after"] == "1"
    assert "retry-after" not in refusal("malformed", "No.").headers


def _every(kind: type[Exception]) -> set[type[Exception]]:
    return {kind}.union(*(_every(below) for below in kind.__subclasses__()))
