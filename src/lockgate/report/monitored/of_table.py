"""A monitored table, of predictions from any server, as a report tells it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lockgate.metrics.figures import named
from lockgate.records import Verdict
from lockgate.records.duration import lasted
from lockgate.records.evidence import Ruling
from lockgate.records.monitored import (
    EstimatedMeasure,
    Measured,
    Monitored,
    MonitoredWindow,
    Realised,
)
from lockgate.records.profile import Profile
from lockgate.report.monitored.histories import drift_rows, prediction_column
from lockgate.report.monitored.sentences import age, calibration_says
from lockgate.report.monitored.told import Course, DriftRow, Point, Raised, Stretch, Told

FOLLOWING = "lockgate check MODEL TABLE, on the newest rows with outcomes"


def of_table(found: Monitored) -> Told:
    """The record as a report tells it; nothing is computed anew but the course of the distances."""
    windows = [window for window in found.windows if window.rows]
    newest = next((w.realised for w in reversed(windows) if w.realised is not None), None)
    return Told(
        name=found.name,
        about=f"predictions in {found.name}, against {found.reference_name}",
        ruling=found.ruling,
        sentence=found.sentence,
        since_s=found.since_s,
        until_s=found.until_s,
        metric=named(found.metric),
        facts=_facts(found),
        traffic=tuple(Stretch(w.since_s, w.until_s, w.rows, w.labelled, w.is_mature) for w in found.windows),
        predictions=_predictions(found, windows),
        courses=_courses(found, windows),
        skill=_skill(found, windows),
        drift=_drift(found, windows),
        drift_says=_drift_says(windows),
        bins=newest.bins if newest else (),
        calibration_says=calibration_says(newest) if newest else "",
        slices=newest.slices if newest else (),
        raised=tuple(_raised(verdict) for verdict in found.verdicts),
        ages=tuple(map(age, found.label_ages)),
        false_alarms_per_year=found.false_alarms_per_year,
        following=FOLLOWING,
        notes=(*found.notes, *(f"{w.name}: {note}" for w in windows for note in w.notes)),
    )


def _courses(found: Monitored, windows: Sequence[MonitoredWindow]) -> tuple[Course, ...]:
    """The metric judged by first, then those that the windows have."""
    names = dict.fromkeys((found.metric, *(m.metric for part in _realised(found, windows) for m in part.measures)))
    names |= dict.fromkeys(m.metric for w in windows if w.estimated for m in w.estimated.measures)
    return tuple(course for name in names if (course := _course(found, windows, name)).is_any)


def _course(found: Monitored, windows: Sequence[MonitoredWindow], metric: str) -> Course:
    realised = [(w, told) for w in windows if w.realised and (told := w.realised.measure(metric)) is not None]
    estimated = [(w, said) for w in windows if w.estimated and (said := w.estimated.measure(metric)) is not None]
    before = found.reference.measure(metric) if found.reference else None
    told_by: list[Measured | EstimatedMeasure] = [*(told for _, told in realised), *(said for _, said in estimated)]
    return Course(
        name=named(metric),
        better=told_by[0].direction if told_by else "",
        realised=_points(realised),
        estimated=_points(estimated),
        before=before.value if before else None,
        says=_past(estimated[-1][1]) if estimated else "",
    )


def _skill(found: Monitored, windows: Sequence[MonitoredWindow]) -> Course:
    return Course(
        name="Skill",
        better="up",
        realised=_points([(w, w.realised.skill) for w in windows if w.realised]),
        before=found.reference.skill.value if found.reference else None,
        says="Share of the loss of the window's own mean outcome that the predictions remove: a season flatters the raw "
        "metric, and not this.",
    )


def _points(found: Iterable[tuple[MonitoredWindow, Measured | EstimatedMeasure]]) -> tuple[Point, ...]:
    return tuple(Point(w.since_s, w.until_s, m.value, m.low, m.high) for w, m in found if m.value is not None)


def _past(measure: EstimatedMeasure) -> str:
    if measure.past_error is None:
        return "Estimated: too few windows have matured to say how wrong the estimate used to be."
    return (
        f"Estimated: it was {measure.past_error:.2g} off on average, over {measure.past_windows} windows that matured."
    )


def _realised(found: Monitored, windows: Sequence[MonitoredWindow]) -> list[Realised]:
    return [part for part in (found.reference, *(w.realised for w in windows)) if part is not None]


def _predictions(found: Monitored, windows: Sequence[MonitoredWindow]) -> Course:
    means = [(w, column.mean) for w in windows if w.profile and (column := prediction_column(w.profile)) is not None]
    before = prediction_column(found.reference_profile)
    return Course(
        name="Mean prediction",
        better="",
        realised=tuple(Point(w.since_s, w.until_s, mean) for w, mean in means if mean is not None),
        before=None if before is None else before.mean,
    )


def _drift(found: Monitored, windows: Sequence[MonitoredWindow]) -> tuple[DriftRow, ...]:
    newest = next((w.drift for w in reversed(windows) if w.drift is not None), None)
    if newest is None:
        return ()
    profiles = [w.profile for w in windows if isinstance(w.profile, Profile)]
    return drift_rows(newest.moved, found.reference_profile, profiles)


def _drift_says(windows: Sequence[MonitoredWindow]) -> str:
    newest = next((w for w in reversed(windows) if w.drift is not None), None)
    if newest is None or newest.drift is None:
        return "No window could be held against the reference."
    return f"The window of {newest.name}, by itself: {newest.drift.sentence}"


def _raised(found: Verdict) -> Raised:
    severity = "page" if found.ruling is Ruling.FAIL and found.gate.claim == "degraded" else ""
    return Raised(found.at_s, severity, found.gate.name, found.sentence)


def _facts(found: Monitored) -> tuple[tuple[str, str], ...]:
    classes = f", {len(found.classes)} classes" if found.classes else ""
    return (
        ("Rows", f"{found.rows:,}, {found.labelled:,} of them with an outcome"),
        ("Columns", ", ".join(f"{what}: {name}" for what, name in found.columns.items())),
        ("Task", f"{found.task}{classes}, judged by {named(found.metric)}"),
        ("Windows", f"{found.window} each; a window is judged once all of it is older than {lasted(found.horizon_s)}"),
        ("Reference", f"{found.reference_name}, {found.reference_rows:,} rows"),
    )
