"""A whole feature pipeline for one row: the function that a worker calls, written out once when its version is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from lockgate.features.one_row import Lines
from lockgate.features.pipeline import LevelsStep, NumericStep, OwnStep, Pipeline

Row = Sequence[Any]
Range = tuple[float, float]


class Value(NamedTuple):
    """code: a name for it in the function. is_float: NaN stands for missing, and not None."""

    code: str
    is_float: bool


def values(pipeline: Pipeline, lines: Lines) -> dict[str, Value] | None:
    """What the pipeline gives of a row, by feature; None where a step of the user's own has no such way."""
    found: dict[str, Value] = {}
    for step in pipeline.steps:
        if isinstance(step, NumericStep):
            found |= {name: Value(lines.raw(name), is_float=False) for name in step.columns}
        elif isinstance(step, LevelsStep) and step.levels is not None:
            codes = {level: float(code) for code, level in enumerate(step.levels)}
            code = lines.once(f"{lines.keep(codes.get)}({lines.raw(step.column)})")
            found[step.column] = Value(code, is_float=False)
        elif isinstance(step, OwnStep):
            (name,) = step.gives
            found[name] = Value(step.line(lines), is_float=True)
            lines.given(name, found[name].code)
        else:
            return None
    return found


def one_row(
    pipeline: Pipeline,
    places: Mapping[str, int],
    *,
    ranges: Mapping[str, Range] | None = None,
    never_missing: frozenset[str] = frozenset(),
) -> Callable[[Row], list[Any] | None] | None:
    """From a row to the numbers of its features, in order; missing is None or NaN. None where there is no such way.

    places: of each column in the row, whose times are seconds since 1970. ranges: a row with a feature outside gives None,
    as does one that lacks what is `never_missing`. To the bit what `Pipeline.matrix` gives before it is rounded to float32.
    """
    lines = Lines({name: f"row[{place}]" for name, place in places.items()})
    found = values(pipeline, lines)
    if found is None:
        return None
    for name in pipeline.names:
        lines.add(_held(found[name], (ranges or {}).get(name), is_needed=name in never_missing))
    lines.add(f"return [{', '.join(found[name].code for name in pipeline.names)}]")
    return lines.function()


def _held(value: Value, held: Range | None, *, is_needed: bool) -> str:
    """A line that leaves the row alone where the value is outside; a missing one is in no range, and out of none."""
    code = value.code
    is_missing = f"{code} != {code}" if value.is_float else f"{code} is None"
    checks = [is_missing] if is_needed else []
    if held is not None:
        low, high = held
        checks.append(f"not ({is_missing} or {low!r} <= {code} <= {high!r})")
    return f"if {' or '.join(checks)}: return None" if checks else "pass"
