"""A real worker process from start to SIGTERM: what it loaded, and that its leaving costs no call."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from typing import Any

import httpx

from lockgate.server.shares import CLOSED, FILE
from lockgate.server.supervisor import bound

ROW: dict[str, Any] = {"wait": 3.5, "seats": 120, "carrier": "AA", "plane": "N1"}
HEAVY = {"polars", "scipy", "sklearn", "pandas", "deltalake", "sqlalchemy", "mlflow", "lightgbm"}
WORKER = """
import json, sys
from pathlib import Path
from lockgate.server import worker

worker.serve(Path(sys.argv[1]), int(sys.argv[2]))
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def test_the_process_that_answered_over_http_never_loaded_a_heavy_library(project, until):
    version = project.add_fitted()
    project.publish(version, baseline=project.add_constant("base", 0.4))
    with bound("127.0.0.1", 0, "--port") as door:
        argv = [sys.executable, "-c", WORKER, str(project.home), str(door.fileno())]
        process = subprocess.Popen(argv, pass_fds=[door.fileno()], stdout=subprocess.PIPE, text=True)
        with httpx.Client(base_url=f"http://127.0.0.1:{door.getsockname()[1]}", timeout=10) as client:
            until(lambda: client.get("/readyz").status_code == 200, "readiness")
            (told,) = client.post("/predict/late", json={"rows": [ROW], "id": "q"}).json()["predictions"]
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=15)
    assert process.returncode == 0
    assert (told["served_by"], told["failure"]) == (version, None)
    loaded = set(json.loads(said))
    assert {"onnxruntime", "uvicorn", "lockgate"} <= loaded
    assert loaded & HEAVY == set()


def test_connections_that_a_client_opens_at_once_are_shared_among_the_workers(project, until):
    project.publish(project.add_constant("first", 0.1))
    with project.serving(workers=2) as server:
        workers, port = server.state()["workers"], httpx.URL(server.url).port

        def fresh() -> list[int]:
            return [len(server.sockets(worker) - held) for worker, held in zip(workers, before, strict=True)]

        until(lambda: max(struct.unpack("2q", (project.home / FILE).read_bytes())) < CLOSED, "both to take connections")
        before = [server.sockets(worker) for worker in workers]
        for _ in range(3):  # each time with all of them idle
            opened = [socket.create_connection(("127.0.0.1", port)) for _ in range(64)]
            until(lambda: sum(fresh()) == 64, "all connections taken")
            taken = fresh()
            for connection in opened:
                connection.close()
            until(lambda: not any(fresh()), "all connections closed")
            assert min(taken) >= 16, taken


def test_one_worker_asked_to_stop_costs_no_call_and_is_replaced(project, until):
    project.publish(project.add_constant("first", 0.1))
    with project.serving(workers=2) as server:
        before = server.state()["workers"]
        stop, statuses, broken = threading.Event(), [], []

        def ask() -> None:
            while not stop.is_set():
                try:
                    answer = httpx.post(f"{server.url}/predict/late", json={"rows": [ROW]}, timeout=10)
                    statuses.append(answer.status_code)
                except httpx.TransportError as error:
                    broken.append(repr(error))

        asker = threading.Thread(target=ask)
        asker.start()
        os.kill(before[0], signal.SIGTERM)
        until(lambda: before[0] not in server.state()["workers"], "the replacement")
        time.sleep(0.3)
        stop.set()
        asker.join(10)
        assert before[1] in server.state()["workers"]
    assert broken == []
    assert set(statuses) == {200}
