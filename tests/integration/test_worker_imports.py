"""A worker carries only what it needs: shown by a fresh process that has answered a real call through the worker's own app."""

from __future__ import annotations

import json
import subprocess
import sys

BANNED = ("polars", "scipy", "sklearn", "pandas", "deltalake", "sqlalchemy", "mlflow", "lightgbm")
ASK = """
import asyncio, json, sys
from pathlib import Path
import lockgate.server.worker
from lockgate.server.inference import Inference
from lockgate.workspace.dataplane import DataPlane

sent = []

async def main(home, body):
    app = Inference(DataPlane(Path(home))).app()
    bodies = [{"type": "http.request", "body": body}]
    scope = {"type": "http", "method": "POST", "path": "/predict/late", "headers": [], "query_string": b"", "root_path": ""}

    async def receive():
        return bodies.pop()

    async def send(message):
        sent.append(message)

    async with app.router.lifespan_context(app):
        await app(scope, receive, send)

asyncio.run(main(sys.argv[1], sys.argv[2].encode()))
print(json.dumps([sent[0]["status"], json.loads(sent[1]["body"]), sorted(sys.modules)]))
"""


def test_after_a_real_call_a_worker_holds_none_of_the_heavy_libraries(project):
    version = project.add_fitted()
    project.publish(version, challenger=project.add_constant("other", 0.5), shadow=True, rollout="r")
    row = {"wait": 3.5, "seats": 120, "carrier": "AA", "plane": None}
    argv = [sys.executable, "-c", ASK, str(project.home), json.dumps({"rows": [row]})]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30)
    status, answer, modules = json.loads(done.stdout.splitlines()[-1])
    assert status == 200
    assert answer["predictions"][0]["served_by"] == version
    assert "onnxruntime" in modules  # else nothing was computed, and the test would say nothing
    assert [name for name in modules if name.split(".")[0] in BANNED] == []


def test_the_running_worker_has_none_of_their_files_mapped(served):
    _, server = served
    assert server.predict({"wait": 3.5, "seats": 120, "carrier": "AA", "plane": None}).status_code == 200
    (worker,) = server.state()["workers"]
    try:
        with open(f"/proc/{worker}/maps") as file:  # noqa: PTH123 - procfs
            mapped = file.read()
    except FileNotFoundError:
        import pytest

        pytest.skip("no /proc here")
    assert "onnxruntime" in mapped
    assert [name for name in BANNED if f"/{name}/" in mapped] == []
