"""A real worker process from start to SIGTERM: what it holds, and that nothing it acknowledged or has in hand is lost."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import Any

import httpx

from lockgate.records import Prediction
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


def test_sigterm_turns_readiness_off_finishes_what_is_in_hand_and_closes_the_log(project, until):
    project.publish(project.add_constant("slow", 0.9, "slow"), deadline_ms=5000.0)
    with project.serving(workers=2) as server:
        port = server.state()["port"]
        answers: list[httpx.Response] = []
        callers = [
            threading.Thread(
                target=lambda n=n: answers.append(
                    httpx.post(f"{server.url}/predict/late", json={"rows": [ROW], "id": f"h{n}"}, timeout=10)
                )
            )
            for n in range(4)
        ]
        for caller in callers:
            caller.start()
        time.sleep(0.4)  # they are in hand, and take a second each
        server.process.send_signal(signal.SIGTERM)
        until(lambda: server.get("/readyz").status_code == 503, "readiness to be off", within_s=2)
        for caller in callers:
            caller.join(10)
        assert server.process.wait(10) == 0
        assert [answer.status_code for answer in answers] == [200] * 4
        assert {answer.json()["predictions"][0]["value"] for answer in answers} == {0.9}
    assert {e.id for e in project.log() if isinstance(e, Prediction)} == {f"h{n}-0" for n in range(4)}
    assert not (project.home / "server.json").exists()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0, "nobody listens any more"


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
