"""Ray Serve: two replicas, dynamic batching, its throughput settings.

RAY_SERVE_THROUGHPUT_OPTIMIZED=1 python ray_serve.py PORT
"""

from __future__ import annotations

import logging
import os
import sys
from itertools import chain
from typing import Any

import joblib
import pandas as pd
import ray
from ray import serve
from starlette.requests import Request

Rows = list[dict[str, Any]]


@serve.deployment(num_replicas=2, max_ongoing_requests=64, ray_actor_options={"num_cpus": 0.5})
class Late:
    def __init__(self, file: str) -> None:
        self.pipeline = joblib.load(file)

    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.005)
    async def score(self, many: list[Rows]) -> list[list[float]]:
        found = iter(self.pipeline.predict_proba(pd.DataFrame(list(chain(*many))))[:, 1].tolist())
        return [[next(found) for _ in rows] for rows in many]

    async def __call__(self, request: Request) -> dict[str, list[float]]:
        return {"predictions": await self.score((await request.json())["rows"])}


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.WARNING)
    serve.start(
        http_options={"host": "127.0.0.1", "port": int(sys.argv[1])}, logging_config={"enable_access_log": False}
    )
    late = Late.bind(os.environ["PIPELINE"])  # type: ignore[attr-defined]
    serve.run(late, route_prefix="/predict", blocking=True)
