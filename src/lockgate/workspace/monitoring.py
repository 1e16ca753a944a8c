"""The door to others' predictions: `lockgate.monitored`, a table from any server looked at window by window; no workspace."""

from __future__ import annotations

import time as clock
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lockgate.records.monitored import Monitored

if TYPE_CHECKING:
    from lockgate.assess.expecting import Method
    from lockgate.metrics import Loss


def monitored(
    predictions: Any,
    reference: Any,
    *,
    prediction: str,
    outcome: str,
    time: str,
    prediction_id: str | None = None,
    outcomes: Any = None,
    known: str | None = None,
    columns: Sequence[str] | None = None,
    slices: Sequence[str] = (),
    task: Literal["binary", "regression"] | None = None,
    metric: str | None = None,
    method: Method | None = None,
    threshold: float = 0.5,
    window: str = "1w",
    horizon: str = "0s",
    tolerance: float = 0.02,
    false_alarms_per_year: float = 4.0,
    coverage: float = 0.95,
    name: str | None = None,
    seed: int = 0,
) -> Monitored:
    """What a table of predictions and outcomes tells, whoever made it: drift, what was realised, what is estimated, alarms.

    predictions: one row a prediction, tables as in `lockgate.profile` (a Delta folder, Parquet, a frame); reference: rows
    with outcomes, that the model was not trained on and that "normal" means. prediction, outcome, time: their columns.
    outcomes: a table of their own, joined by `prediction_id`; known: when each outcome was known. columns: the inputs
    that are profiled, all others of the reference if left out; slices: columns whose levels are judged one by one.
    metric: a loss that is judged by, log loss of two classes and the absolute error of numbers if left out. window: how
    long one is; horizon: how old a prediction is before its outcome is taken to be in: no younger window is judged.
    tolerance: the loss of skill that does not matter; false_alarms_per_year: one budget for drift, degradation
    and hard faults. name: what it is called.

    Raises SpecError for unknown names and settings, tables without rows, predictions that are none; ContractError for a
    column that is missing or changed its type. What else is odd is done one way and said in the notes.

    >>> found = monitored("predictions/", held_out, prediction="score", outcome="late", time="asked_at", horizon="12h")
    >>> found.sentence, [one.sentence for one in found.verdicts]
    """
    from lockgate.assess.expecting import Asked
    from lockgate.records import MonitorSpec
    from lockgate.records.duration import seconds
    from lockgate.workspace import monitored_tables, told_rows
    from lockgate.workspace.monitored_run import Run, Setting
    from lockgate.workspace.monitored_tables import Named

    named = Named(prediction=prediction, outcome=outcome, time=time, id=prediction_id, known=known)
    told_rows.refuse_settings(threshold=threshold, coverage=coverage)
    before = told_rows.read(reference)
    has_time = time in before.table.columns
    normal = told_rows.reference(
        before, prediction=prediction, outcome=outcome, time=time if has_time else None, task=task
    )
    made = monitored_tables.calls(
        told_rows.read(predictions), None if outcomes is None else told_rows.read(outcomes), named
    )
    told_rows.refuse_values(made.value, prediction, normal.task)
    told_rows.task_of(made.outcome, outcome, normal.task)
    inputs = monitored_tables.inputs(columns, before.table, made.table, named.all)
    spec = MonitorSpec(tolerance=tolerance, false_alarms_per_year=false_alarms_per_year)
    setting = Setting(
        name=name or _called(predictions),
        named=named,
        inputs=inputs,
        slices=tuple(slices),
        loss=_loss(metric, normal.task),
        asked=Asked(
            method=told_rows.method_of(method, normal.task), alpha=1 - coverage, threshold=threshold, seed=seed
        ),
        coverage=coverage,
        window=window,
        width_s=seconds(window),
        horizon_s=0.0 if horizon in ("0", "0s") else seconds(horizon),
        spec=spec,
        now_s=clock.time(),
    )
    return Run(setting, normal, made).found(_called(reference))


def _loss(metric: str | None, task: str) -> Loss:
    from lockgate.metrics import loss

    return loss(metric or ("log_loss" if task == "binary" else "absolute_error"), task)


def _called(table: Any) -> str:
    return Path(table).name if isinstance(table, str | Path) else "a table"
