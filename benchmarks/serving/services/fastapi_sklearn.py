"""FastAPI around scikit-learn, as most people start.

uvicorn fastapi_sklearn:app --workers 2 --loop uvloop --http httptools --no-access-log
"""

from __future__ import annotations

import os

import joblib
import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
pipeline = joblib.load(os.environ["PIPELINE"])


class Row(BaseModel):
    sched_minute: float
    weekday: float
    distance: float
    block_minutes: float
    flights_that_hour: float
    plane_age: float | None
    plane_seats: float | None
    carrier: str
    origin: str
    dest: str


class Asked(BaseModel):
    rows: list[Row]


class Told(BaseModel):
    predictions: list[float]


@app.post("/predict")
def predict(asked: Asked) -> Told:
    """In FastAPI's own threads: an `async def` would hold up every other request of its process."""
    frame = pd.DataFrame([row.model_dump() for row in asked.rows])
    return Told(predictions=pipeline.predict_proba(frame)[:, 1].tolist())
