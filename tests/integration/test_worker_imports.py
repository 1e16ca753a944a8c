"""What a worker loads to answer a call: none of the libraries that training and pages need."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = ("polars", "scipy", "sklearn", "pandas", "deltalake", "sqlalchemy", "mlflow", "lightgbm", "grpc")
CALL = """
import asyncio, json, sys
from pathlib import Path
from lockgate.server.inference import Inference
from lockgate.workspace.dataplane import DataPlane

home, row = Path(sys.argv[1]), json.loads(sys.argv[2])
app = Inference(DataPlane(home)).app()


async def ask():
    import httpx

    async with app.router.lifespan_context(app):
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://worker")
        answer = await client.post("/predict/tide", json={"rows": [row]})
        told = await client.post("/outcomes/tide", json={"outcomes": [{"id": "x-0", "value": 1}]})
        await client.aclose()
        return answer, told


answer, told = asyncio.run(ask())
heavy = [name for name in sys.argv[3].split(",") if name in sys.modules]
print(json.dumps([answer.status_code, answer.json(), told.status_code, heavy, "onnxruntime" in sys.modules]))
"""


def test_a_call_is_answered_without_the_libraries_of_training(workshop):
    argv = [sys.executable, "-c", CALL, str(workshop.home), json.dumps(workshop.row()), ",".join(HEAVY)]
    ran = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    status, answer, told, heavy, has_onnx = json.loads(ran.stdout)
    (prediction,) = answer["predictions"]
    assert (status, told, prediction["failure"]) == (200, 200, None)
    assert prediction["served_by"] == workshop.versions["trees"]
    assert has_onnx, "the engine itself must have answered"
    assert heavy == []


def test_the_same_look_finds_a_heavy_library_once_it_is_loaded(workshop):
    argv = [sys.executable, "-c", "import polars\n" + CALL, str(workshop.home), json.dumps(workshop.row()), "polars"]
    ran = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(ran.stdout)[3] == ["polars"]
