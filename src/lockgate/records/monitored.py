"""What a table of predictions and outcomes tells, window by window: inputs, outcomes as they matured, and what is estimated.

The table may come from any server. Times are seconds since 1970, UTC.
"""

from __future__ import annotations

from typing import Literal

from lockgate.records.drift import Drift
from lockgate.records.evidence import Ruling, Verdict
from lockgate.records.profile import Profile
from lockgate.records.record import Record
from lockgate.records.report import Bin, SliceLoss
from lockgate.records.spec import Task

ASSUMPTION = "if P(Y|X) is unchanged"
"""What every estimate leans on, and is worded with."""


class Measured(Record, frozen=True, kw_only=True):
    """A metric over some rows. value: None where these rows have none, and `why` says it (one class only, no rows).

    low, high: both ends of its interval at 95 %, None where the rows cannot give one. method: of the interval, in words.
    """

    metric: str
    value: float | None
    low: float | None = None
    high: float | None = None
    direction: Literal["up", "down"]
    method: str = ""
    why: str = ""


class Realised(Record, frozen=True, kw_only=True):
    """What the outcomes said of the predictions: of rows that have both.

    rows: those; positive: the mean outcome of two classes or numbers, None of many classes. measures: the raw metrics, the
    one judged by first. skill: share of the loss of the rows' own mean outcome that the predictions remove, in the metric
    judged by: 1 is perfect, 0 is no better than that base rate; base_loss: that loss. slope: of the outcomes' logits on the
    predictions', 1 where chances are right (of numbers, of the outcome on the prediction); calibration_error: in [0, 1], None
    of numbers; bins: the curve. slices: mean loss in named parts of the rows.
    """

    rows: int
    positive: float | None
    measures: tuple[Measured, ...]
    skill: Measured
    base_loss: float
    slope: Measured
    calibration_error: Measured | None = None
    bins: tuple[Bin, ...] = ()
    slices: tuple[SliceLoss, ...] = ()

    def measure(self, metric: str) -> Measured | None:
        return next((one for one in self.measures if one.metric == metric), None)


class EstimatedMeasure(Record, frozen=True, kw_only=True):
    """A metric as it is to be expected, if P(Y|X) is unchanged. value: None where there is none, and `why` says it.

    low, high: at `coverage`, with the estimate's own past error in them; drawn_low, drawn_high: what the luck of the
    outcomes alone would give. past_error: mean distance to what was realised, over `past_windows` windows before this one
    whose outcomes had matured; None where there are too few, and low and high are then of the luck alone.
    """

    metric: str
    value: float | None
    low: float | None = None
    high: float | None = None
    drawn_low: float | None = None
    drawn_high: float | None = None
    past_error: float | None = None
    past_windows: int = 0
    direction: Literal["up", "down"]
    why: str = ""


class Estimated(Record, frozen=True, kw_only=True):
    """Metrics without outcomes: what they would be if P(Y|X) is unchanged. Never judged, and no gate of its own.

    method: "CBPE", "M-CBPE" (calibrated under the weights of a classifier of domains), or "loss model" of numbers; coverage:
    of the intervals; effective_rows: what the weighted reference is worth, its rows where nothing is weighted.
    """

    method: Literal["CBPE", "M-CBPE", "loss model"]
    rows: int
    reference_rows: int
    effective_rows: float
    coverage: float
    measures: tuple[EstimatedMeasure, ...]
    sentence: str
    assumption: str = ASSUMPTION
    notes: tuple[str, ...] = ()
    schema: int = 1

    def measure(self, metric: str) -> EstimatedMeasure | None:
        return next((one for one in self.measures if one.metric == metric), None)


class LabelAge(Record, frozen=True, kw_only=True):
    """Predictions of an age between two bounds, in seconds (until_s None: and older), and how many have an outcome."""

    from_s: float
    until_s: float | None
    rows: int
    labelled: int


class MonitoredWindow(Record, frozen=True, kw_only=True):
    """One stretch [since_s, until_s) of the predictions, in the order of time.

    name: "2013-04-01", the day it begins; labelled: rows with an outcome. is_mature: all of it is older than the horizon:
    realised is None until then, and where it has no outcome at all. profile: counts over the reference's cells, None of a
    window without rows; drift: of this window alone, None where it cannot be told, and a note says why. faults: hard faults
    found in it. alarmed: which alarms stand at its end, by cause.
    """

    name: str
    since_s: float
    until_s: float
    rows: int
    labelled: int
    is_mature: bool
    realised: Realised | None = None
    estimated: Estimated | None = None
    profile: Profile | None = None
    drift: Drift | None = None
    faults: tuple[Verdict, ...] = ()
    alarmed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def coverage(self) -> float:
        """Share of its rows that have an outcome."""
        return self.labelled / self.rows if self.rows else 0.0


class Monitored(Record, frozen=True, kw_only=True):
    """Predictions and outcomes of any server, against a reference, window by window.

    columns: what the given columns are: "prediction", "outcome", "time", "id", as far as they were named. metric: judged by;
    reference: what the predictions were worth on the reference, and its profile. windows: the oldest first, also those
    without rows between others. verdicts: what was found in the windows in sequence, the oldest first: hard faults, drift and
    degradation, each with its sentence. label_ages: how outcomes come in. ruling: FAIL where a verdict of these fails,
    undecided else: a table alone is never shown to be well. sentence: for a person; notes: what was taken one way of several.
    """

    name: str
    model: str
    task: Task
    classes: tuple[str, ...]
    metric: str
    columns: dict[str, str]
    window: str
    horizon_s: float
    since_s: float
    until_s: float
    rows: int
    labelled: int
    reference_name: str
    reference_rows: int
    reference: Realised | None
    reference_profile: Profile
    windows: tuple[MonitoredWindow, ...]
    verdicts: tuple[Verdict, ...]
    label_ages: tuple[LabelAge, ...]
    false_alarms_per_year: float
    ruling: Ruling
    sentence: str
    notes: tuple[str, ...] = ()
    schema: int = 1
