"""The door to estimates: `lockgate.estimate`, metrics of rows whose outcomes nobody knows yet; no workspace needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from lockgate.records.monitored import Estimated

if TYPE_CHECKING:
    from lockgate.assess.expecting import Method

Task = Literal["binary", "regression"]


def estimate(
    reference: Any,
    live: Any,
    *,
    prediction: str,
    outcome: str,
    method: Method | None = None,
    columns: Sequence[str] | None = None,
    task: Task | None = None,
    time: str | None = None,
    threshold: float = 0.5,
    coverage: float = 0.95,
    seed: int = 0,
) -> Estimated:
    """What a model's metrics are to be on rows without outcomes, if P(Y|X) is unchanged, with the estimate's own past error.

    reference: rows with outcomes that the model was not trained on; live: rows without. Tables as in `lockgate.profile`.
    prediction: the column with what the model said: the chance of 1, or a number. outcome: 0 and 1, or a number, which
    says the task if that is left out. method: "CBPE" (isotonic calibration; the default of two classes), "M-CBPE"
    (calibration on reference rows weighted towards the live ones, by a classifier that tells the two apart by `columns`),
    or "loss model" (of numbers, from `columns`). columns: the model's inputs; all others that both tables have, if left
    out. time: orders the reference, whose stretches the past error is measured on. threshold: from which chance on a row is
    predicted 1. coverage: of the intervals, in (0, 1).
    An estimate never gates anything: it cannot see that the answer to the same question has changed. Rows of the reference
    without outcome, and rows without prediction, are left out and counted in a note. A metric without a value (the AUC of
    one class) is None and says why.

    Raises SpecError for unknown names, settings and tasks, chances outside [0, 1], infinite predictions, or a reference
    without a row; ContractError for outcomes of another type.

    >>> found = estimate(held_out, this_week, prediction="score", outcome="late")
    >>> found.sentence, found.measure("roc_auc").value, found.measure("roc_auc").low
    """
    from lockgate.assess import estimated
    from lockgate.assess.expecting import Asked
    from lockgate.workspace import told_rows

    before, after = told_rows.read(reference), told_rows.read(live)
    known = told_rows.reference(before, prediction=prediction, outcome=outcome, time=time, task=task)
    chosen = told_rows.method_of(method, known.task)
    wanted = told_rows.inputs(chosen, columns, before, after, leave_out=(prediction, outcome, time))
    rows = told_rows.live(after, prediction=prediction, task=known.task)
    told_rows.refuse_settings(threshold=threshold, coverage=coverage)
    asked = Asked(method=chosen, alpha=1 - coverage, threshold=threshold, seed=seed)
    those, these = known.rows(wanted), rows.rows(wanted)
    own = estimated.estimator(asked, those, rows_per_window=these.value.size)
    found = estimated.estimated(own, own.of(these), rows=these.value.size, errors=own.errors, coverage=coverage)
    return told_rows.noted(found, *known.notes, *rows.notes)
