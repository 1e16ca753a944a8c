"""BentoML: two workers, adaptive batching on.

bentoml serve bentoml_service:Late --port PORT
"""

from __future__ import annotations

import os
from typing import Any

import bentoml
import joblib
import pandas as pd


@bentoml.service(workers=2, traffic={"timeout": 60}, metrics={"enabled": False}, logging={"access": {"enabled": False}})
class Late:
    """Rows of all requests that wait are one batch, cut along its first axis."""

    def __init__(self) -> None:
        self.pipeline = joblib.load(os.environ["PIPELINE"])

    @bentoml.api(batchable=True, max_batch_size=1024, max_latency_ms=10_000)
    def predict(self, rows: list[dict[str, Any]]) -> list[float]:
        found: list[float] = self.pipeline.predict_proba(pd.DataFrame(rows))[:, 1].tolist()
        return found
