"""Aggregates of a table, of a row, and as their definition reads: one value, to the bit, whatever the events."""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.features import as_of, event_table
from lockgate.features.aggregate import define
from lockgate.features.windows import Windows
from lockgate.records import Aggregate, AggregateSpec, Event, SourceSpec

SOURCE = SourceSpec(
    key="id",
    time="at",
    known="told",
    columns={"id": "int", "at": "time", "told": "time", "place": "text", "n": "int", "x": "float", "ok": "bool"},
)
ONE_CLOCK = SourceSpec(
    key="id", time="at", columns={"id": "int", "at": "time", "place": "text", "n": "int", "x": "float", "ok": "bool"}
)
EXTREMES = [1e300, -1e300, 1.7e308, -1.7e308, 5e-324, -5e-324, 0.1, -0.1, 0.0, -0.0, 1.0, 3.0, 2.0**53, 1e16, 1e-300]
SECOND = 1_000_000


def specs() -> dict[str, AggregateSpec]:
    found: dict[str, AggregateSpec] = {}
    kinds: list[dict[str, Any]] = [{"count": True}, {"sum": "x"}, {"mean": "x"}, {"last": "x"}, {"since": True}]
    kinds += [{"sum": "n"}, {"mean": "ok"}]
    for number, (kind, by, where) in enumerate(
        itertools.product(kinds, (("place",), ()), (None, "n > 0 or x < 0.5", "ok"))
    ):
        default = None if number % 2 else 7.0
        found[f"a{number}"] = AggregateSpec(source="s", by=by, where=where, window="5s", default=default, **kind)
    found["endless_last"] = AggregateSpec(source="s", by=("place",), last="x")
    found["endless_since"] = AggregateSpec(source="s", by=("place",), since=True)
    return found


def values(extreme: bool) -> st.SearchStrategy[float | None]:
    some: st.SearchStrategy[float | None] = st.sampled_from(
        [None, *(EXTREMES if extreme else [0.1, 0.2, 0.3, 1.0, -2.5])]
    )
    return some if not extreme else some | st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def told(draw: st.DrawFn, spec: SourceSpec) -> list[Event]:
    extreme = draw(st.booleans())
    found: list[Event] = []
    for number in range(draw(st.integers(0, 25))):
        at = draw(st.integers(0, 20)) * SECOND // 2
        known = at if spec.known is None else at + draw(st.sampled_from([0, 0, 1, SECOND, 3 * SECOND, 9 * SECOND]))
        own: dict[str, Any] = {
            "id": number,
            "at": at,
            "told": known,
            "place": draw(st.sampled_from(["a", "b"])),
            "n": draw(st.sampled_from([None, -1, 0, 1, 2**53 - 1])),
            "x": draw(values(extreme)),
            "ok": draw(st.sampled_from([None, True, False])),
        }
        found.append(Event(at, known, number, tuple(own[name] for name in spec.stream.names)))
    return draw(st.permutations(found))


asked = st.lists(st.tuples(st.sampled_from(["a", "b", "c", None]), st.integers(-2, 26)), min_size=1, max_size=12)


def by_definition(aggregate: Aggregate, events: list[Event], place: str | None, at: int) -> float | None:
    """The plain reading: look at every event."""
    stream = aggregate.stream
    if aggregate.by and place is None:
        return aggregate.default
    own = [e for e in events if not aggregate.by or e.values[stream.place("place")] == place]
    own = [e for e in own if MEETS[aggregate.where](*(e.values[stream.place(name)] for name in ("n", "x", "ok")))]
    own = [
        e for e in own if e.known_us < at and (aggregate.window_us is None or e.happened_us >= at - aggregate.window_us)
    ]
    if aggregate.kind == "count":
        return float(len(own))
    if aggregate.column is not None:
        own = [e for e in own if e.values[stream.place(aggregate.column)] is not None]
    if not own:
        return aggregate.default
    if aggregate.kind == "since":
        return (at - max(own).happened_us) / 1e6
    numbers: list[Any] = [e.values[stream.place(aggregate.column or "")] for e in own]
    if aggregate.kind == "last":
        return float(numbers[own.index(max(own))])
    try:
        total = float(sum(map(Fraction, numbers)))
    except OverflowError:
        return aggregate.default
    return total / len(numbers) if aggregate.kind == "mean" else total


Meets = Callable[[Any, Any, Any], bool]
MEETS: dict[str | None, Meets] = {
    None: lambda *_: True,
    "n > 0 or x < 0.5": lambda n, x, _: (n is not None and n > 0) or (x is not None and x < 0.5),
    "ok": lambda *of: of[2] is True,
}


def bits(value: float | None) -> bytes | None:
    return None if value is None or math.isnan(value) else struct.pack("d", value)


def all_three(spec: SourceSpec, events: list[Event], questions: list[tuple[str | None, int]]) -> None:
    aggregates = {name: define(name, one, {"s": spec}) for name, one in specs().items()}
    moments = [at * SECOND // 2 for _, at in questions]
    rows = pl.DataFrame(
        {"place": [place for place, _ in questions], "t": moments}, schema={"place": pl.String, "t": pl.Int64}
    )
    rows = rows.with_columns(pl.col("t").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"))
    table = event_table.held(
        "s", spec.stream, event_table.frame(spec.stream, [e.values for e in events]), now_us=10**15
    )
    offline = as_of.computed(rows, "t", aggregates, {"s": table}, stale_after_us={"s": None}).columns
    assert offline.height == len(questions)
    windows = Windows(spec.stream, aggregates.values())
    readers = {name: windows.reader(aggregate) for name, aggregate in aggregates.items()}
    windows.take(events)
    for name, aggregate in aggregates.items():
        in_one_pass(windows, aggregate, questions)
        for number, (place, at) in enumerate(zip((p for p, _ in questions), moments, strict=True)):
            wanted = bits(by_definition(aggregate, events, place, at))
            online = readers[name].at((place,) if aggregate.by else (), at)
            assert bits(online.value) == wanted, (name, aggregate, place, at)
            here = offline[name][number]
            assert bits(None if here is None else float(here)) == wanted, (name, aggregate, place, at)


def in_one_pass(windows: Windows, aggregate: Aggregate, questions: list[tuple[str | None, int]]) -> None:
    """What a key's rows are told together is what each is told alone, be they few or many."""
    reader, alone = windows.reader(aggregate), windows.reader(aggregate)
    for place in dict.fromkeys(place for place, _ in questions):
        key = (place,) if aggregate.by else ()
        few = sorted(at * SECOND // 2 for own, at in questions if own == place)
        for moments in (few, sorted([*few, *few, *range(-SECOND, 14 * SECOND, SECOND // 2)])):
            told = reader.each(key, moments)
            wanted = [alone.at(key, at_us) for at_us in moments]
            assert list(map(bits, told.values.tolist())) == [bits(one.value) for one in wanted], (aggregate, place)
            assert told.flags == {at: one.flag for at, one in enumerate(wanted) if one.flag is not None}


@settings(max_examples=25, deadline=None)
@given(told(SOURCE), asked)
def test_table_row_and_definition_agree_with_two_clocks(
    events: list[Event], questions: list[tuple[str | None, int]]
) -> None:
    all_three(SOURCE, events, questions)


@settings(max_examples=12, deadline=None)
@given(told(ONE_CLOCK), asked)
def test_table_row_and_definition_agree_with_one_clock(
    events: list[Event], questions: list[tuple[str | None, int]]
) -> None:
    all_three(ONE_CLOCK, events, questions)
