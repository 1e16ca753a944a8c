"""LitServe: two workers behind its own API servers, requests batched as they come.

python litserve_api.py PORT
"""

from __future__ import annotations

import os
import sys
from itertools import chain
from typing import Any

import joblib
import litserve
import pandas as pd


class Late(litserve.LitAPI):
    """A request holds any number of rows; a batch is a list of requests."""

    def setup(self, device: str) -> None:  # noqa: ARG002 - its own signature
        self.pipeline = joblib.load(os.environ["PIPELINE"])

    def decode_request(self, request):  # an annotation would be taken for a schema
        return request["rows"]

    def batch(self, inputs: list[list[dict[str, Any]]]) -> list[list[dict[str, Any]]]:
        return inputs

    def predict(self, x: list[list[dict[str, Any]]]) -> list[list[float]]:
        found = iter(self.pipeline.predict_proba(pd.DataFrame(list(chain(*x))))[:, 1].tolist())
        return [[next(found) for _ in rows] for rows in x]

    def unbatch(self, output: list[list[float]]) -> list[list[float]]:
        return output

    def encode_response(self, output: list[float]) -> dict[str, list[float]]:
        return {"predictions": output}


if __name__ == "__main__":
    api = Late(max_batch_size=64, batch_timeout=0.005)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=2)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning")
