"""A monitoring report of a model of this workspace, or of a table of predictions from any server, as one HTML file."""

from __future__ import annotations

from pathlib import Path

from lockgate.errors import SpecError, StoreError
from lockgate.records.duration import seconds
from lockgate.report.monitored import Told, of_model, of_table, page
from lockgate.workspace.monitoring import monitored
from lockgate.workspace.realised_calls import last_calls
from lockgate.workspace.wire import Wiring


def told(wiring: Wiring, model: str, *, event_s: float, last: str | None = None) -> Told:
    """What the closed days, verdicts and alarms of a model say, and its last calls. last: "90d", of event time; all there is
    where left out.

    Raises NotFound where no day has closed.
    """
    spec = wiring.spec.model[model]
    last_s = None if last is None else seconds(last)
    calls = last_calls(wiring, model, spec, event_s=event_s)
    return of_model(wiring.records, model, spec, wiring.profile, calls=calls, last_s=last_s)


def told_of_table(
    table: Path,
    reference: Path,
    *,
    prediction: str,
    outcome: str,
    time: str,
    window: str = "1w",
    horizon: str = "0s",
    slices: tuple[str, ...] = (),
    false_alarms_per_year: float = 4.0,
) -> Told:
    """What `lockgate.monitored` finds in a table of predictions and outcomes, with the same words; raises as it does."""
    found = monitored(
        table,
        reference,
        prediction=prediction,
        outcome=outcome,
        time=time,
        window=window,
        horizon=horizon,
        slices=slices,
        false_alarms_per_year=false_alarms_per_year,
    )
    return of_table(found)


def write(found: Told, file: Path) -> Path:
    """Raises SpecError for another suffix than .html, StoreError where the disk refuses."""
    if file.suffix != ".html":
        raise SpecError(f"{file} is no page.", cure="Name it FILE.html.")
    try:
        file.write_text(page(found), encoding="utf-8")
    except OSError as error:
        raise StoreError(
            f"{file} cannot be written: {error.strerror}.", cure="Name another: --out FILE.html"
        ) from error
    return file
