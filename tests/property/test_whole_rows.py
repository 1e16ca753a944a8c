"""A plain row made whole is the one that the long way completes, to the bit and to the type; else it is left to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.features.aggregate import define
from lockgate.features.columns import from_tuples, row_tuples
from lockgate.records import AggregateSpec, Column, Contract, Event, Rule, SourceSpec
from lockgate.serve import online
from lockgate.serve.completing import Completing
from lockgate.serve.online import Online
from lockgate.store.memory import MemoryEvents

SOURCE = SourceSpec(
    key="id",
    time="at",
    columns={"id": "int", "at": "time", "port": "text", "wait": "float", "ok": "bool"},
    stale_after="10s",
)
SECOND = 10**6
BY: dict[str, Any] = {"source": "s", "by": ("port",), "window": "5s"}
SPECS: dict[str, AggregateSpec] = {
    "flights": AggregateSpec(**BY, count=True),
    "waited": AggregateSpec(**BY, sum="wait", default=0),
    "mean": AggregateSpec(**BY, mean="wait", default=0.5),
    "ok": AggregateSpec(**BY, last="ok", where="is_not_null(ok)", default=1),
    "since": AggregateSpec(source="s", by=(), since=True, default=9),
}


def contract(*, most: float) -> Contract:
    """Computed columns stand between those that are sent."""
    whole = {"flights": "int", "ok": "bool"}
    computed = [
        Column(
            name=name,
            type=whole.get(name, "float"),  # type: ignore[arg-type]
            aggregate=define(name, spec, {"s": SOURCE}),
            high=most if name == "waited" else None,
        )
        for name, spec in SPECS.items()
    ]
    text = Column(name="port", type="text", is_nullable=True)
    asked = Column(name="asked", type="time", is_nullable=True)
    columns = (computed[0], text, *computed[1:3], asked, *computed[3:], Column(name="n", type="int"))
    return Contract(
        model="m", columns=columns, target="y", time="asked", rules=(Rule(name="few", check="flights + n < 6"),)
    )


events = st.lists(
    st.tuples(
        st.integers(0, 20 * SECOND),
        st.sampled_from(["a", "b"]),
        st.sampled_from([None, 0.1, 0.2, -2.5, 1e300]),
        st.sampled_from([None, True, False]),
    ),
    max_size=15,
)
rows = st.lists(
    st.tuples(
        st.sampled_from(["a", "a", "b", "c", None]),
        st.none() | st.integers(-SECOND, 25 * SECOND).map(lambda at_us: at_us / 1e6),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=200, deadline=None)
@given(events, rows, st.sampled_from([0.25, 1e308]))
def test_a_plain_row_is_made_whole_as_the_long_way_completes_it(told: list[Any], asked: list[Any], most: float) -> None:
    of, store = contract(most=most), MemoryEvents()
    following = Online(store)
    completing = Completing(of, {"s": SOURCE}, following)
    if told:
        found = [
            Event(at, at, number, (at, number, ok, port, wait)) for number, (at, port, wait, ok) in enumerate(told)
        ]
        store.add("s", found)
    none: list[tuple[str, ...]] = [()] * len(asked)
    whole = completing.completed(from_tuples(of.sent, asked), none, np.zeros(len(asked), dtype=bool), now_s=3.0)
    following._next_s = float("inf")
    plain = completing.plain(asked)
    is_plain = not any(whole.flags) and not whole.falls_back.any() and all(at is not None for _, at, _ in asked)
    assert (plain is not None) == is_plain
    if plain is not None:
        wanted = row_tuples(whole.columns, of.asked)
        assert repr(plain) == repr(wanted)


def test_plain_rows_are_left_to_the_long_way_while_there_may_be_news(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(online, "LOOK_EVERY_S", 60.0)
    of, store = contract(most=1e308), MemoryEvents()
    following = Online(store)
    completing = Completing(of, {"s": SOURCE}, following)
    row = ("a", 2.0, 1)
    store.add("s", [Event(SECOND, SECOND, 1, (SECOND, 1, True, "a", 0.5))])
    assert completing.plain([row]) is None, "nothing was looked at yet"
    columns, none = from_tuples(of.sent, [row]), [()]
    assert completing.completed(columns, none, np.zeros(1, dtype=bool), now_s=3.0).flags == [()]
    assert completing.plain([row]) == [(1, "a", 0.5, 0.5, 2.0, True, 1.0, 1)]
    following.add("s", [Event(SECOND + 1, SECOND + 1, 2, (SECOND + 1, 2, True, "a", 0.5))])
    assert completing.plain([row]) is None, "what came in here is news"
    with completing._lock:
        assert completing.plain([row]) is None, "and nobody waits for another thread"
