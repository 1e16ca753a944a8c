"""Runs in MLflow: a neighbour, not the ground. When it is down, training goes on and says so."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lockgate.errors import LockgateError
from lockgate.store.mlflow_place import FILES_S, MlflowPlace, make_template, prepare, template

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["MlflowRuns", "prepare"]

Curves = Mapping[str, Sequence[tuple[int, float]]]
AT_ONCE = 100  # parameters in one request; of metrics it takes ten times as many
LONGEST = 500  # characters of a parameter, in the oldest servers


class MlflowRuns:
    """Writes to a tracking server or a SQLite file."""

    def __init__(self, place: MlflowPlace) -> None:
        self._place = place
        self._problem: str | None = None

    @property
    def problem(self) -> str | None:
        return self._problem

    def log_run(
        self,
        *,
        model: str,
        name: str,
        parameters: Mapping[str, str],
        metrics: Mapping[str, float],
        folder: Path | None,
        curves: Curves | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> str | None:
        def begin(client: MlflowClient) -> str:
            experiment = self._place.experiment_of(client, model)
            made: str = client.create_run(experiment, run_name=name).info.run_id
            fill(client, made, parameters, metrics, curves or {}, {"lockgate.model": model} | dict(tags or {}))
            return made

        run: str | None = None
        try:
            run = begun = self._place.ask(begin)
            if folder is not None:
                self._place.ask(lambda client: client.log_artifacts(begun, str(folder)), answer_s=FILES_S)
            self._place.ask(lambda client: client.set_terminated(begun))
        except LockgateError as error:  # the version is made all the same
            self._problem = error.message
            return run
        self._problem = None
        return run


def fill(
    client: MlflowClient,
    run: str,
    parameters: Mapping[str, str],
    metrics: Mapping[str, float],
    curves: Curves,
    tags: Mapping[str, str],
) -> None:
    """What a run says. A number that is not finite is left out: the charts cannot show it."""
    from mlflow.entities import Metric, Param, RunTag

    now_ms = int(time.time() * 1000)
    points = [(key, 0, value) for key, value in metrics.items()]
    points += [(key, step, value) for key, curve in curves.items() for step, value in curve]
    measured = [Metric(key, value, now_ms, step) for key, step, value in points if math.isfinite(value)]
    told = [Param(key, value[:LONGEST]) for key, value in parameters.items()]
    for start in range(0, len(told), AT_ONCE):
        client.log_batch(run, params=told[start : start + AT_ONCE])
    for start in range(0, len(measured), 10 * AT_ONCE):
        client.log_batch(run, metrics=measured[start : start + 10 * AT_ONCE])
    client.log_batch(run, tags=[RunTag(key, value) for key, value in tags.items()])


if __name__ == "__main__":
    if not template().exists():
        make_template()
