"""What a report says in words of what outcomes told, of a table and of a model alike."""

from __future__ import annotations

from lockgate.metrics.figures import between, decimals, number
from lockgate.records.duration import lasted
from lockgate.records.monitored import LabelAge, Realised
from lockgate.report.monitored.told import Age


def calibration_says(found: Realised) -> str:
    slope, error = found.slope, found.calibration_error
    places = decimals([(slope.value or 0.0, slope.low, slope.high)])
    said = f"Slope {number(slope.value, places)} {between(slope.low, slope.high, places)}: 1 where chances are right."
    if slope.value is None:
        said = f"No slope: {slope.why}"
    if error is not None and error.value is not None:
        said += f" Expected calibration error {error.value:.3f} {between(error.low, error.high, 3)}".rstrip() + "."
    return said


def age(found: LabelAge) -> Age:
    until = "and older" if found.until_s is None else f"to {lasted(found.until_s)}"
    return Age(f"{lasted(found.from_s)} {until}", found.rows, found.labelled)
