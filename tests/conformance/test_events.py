"""The kit of event stores: each event exactly once, all of a batch or none, and news that nobody misses."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lockgate.errors import Conflict
from lockgate.records import Event
from lockgate.store.event_store import EventStore
from lockgate.store.memory import MemoryEvents
from lockgate.store.ports import Events, Taken

ADAPTERS: dict[str, Callable[[Path], Events]] = {
    "memory": lambda _: MemoryEvents(),
    "sqlite": lambda folder: EventStore(folder / "events.db"),
}


@pytest.fixture(params=ADAPTERS)
def events(request: pytest.FixtureRequest, tmp_path: Path) -> Events:
    return ADAPTERS[request.param](tmp_path)


def event(number: int | str, at: int = 0, value: float | None = 1.5) -> Event:
    return Event(at, at + 1, number, (number, at, value, "JFK", True, None))


def test_what_was_added_is_read_in_the_order_it_was_added(events: Events) -> None:
    given = [event(3, 30), event(1, 10), event(2, 20)]
    assert events.add("s", given) == Taken(kept=3, known_before=0)
    found, place = events.read("s")
    assert found == given
    assert [type(value) for value in found[0].values] == [int, int, float, str, bool, type(None)]
    events.add("s", [event(4)])
    assert events.read("s", place)[0] == [event(4)]


def test_what_events_say_is_had_without_the_events(events: Events) -> None:
    assert events.values("s") == []
    events.add("s", [event(3, 30), event(1, 10, None)])
    events.add("r", [event("x")])
    events.add("s", [event(2, 20)])
    found = events.values("s")
    assert found == [one.values for one in events.read("s")[0]]
    assert len(found) == 3
    assert [type(value) for value in found[0]] == [int, int, float, str, bool, type(None)]


def test_the_newest_event_is_the_newest_that_was_known_by_then(events: Events) -> None:
    assert events.newest_us("s") is None
    assert events.newest_us("s", known_before_us=50) is None
    events.add("s", [event(1, 10), event(2, 30), event(3, 20), Event(15, 90, 4, (4, 15, 1.5, "JFK", True, None))])
    assert events.newest_us("s") == 30
    found = {before: events.newest_us("s", known_before_us=before) for before in (11, 12, 21, 22, 31, 32, 91)}
    assert found == {11: None, 12: 10, 21: 10, 22: 20, 31: 20, 32: 30, 91: 30}
    assert events.newest_us("r", known_before_us=99) is None


def test_an_event_that_comes_twice_counts_once(events: Events) -> None:
    events.add("s", [event(1)])
    assert events.add("s", [event(1), event(2), event(2)]) == Taken(kept=1, known_before=2)
    assert len(events.read("s")[0]) == 2


def test_an_id_with_another_content_is_refused_by_name_and_nothing_of_its_batch_is_kept(events: Events) -> None:
    events.add("s", [event(1)])
    with pytest.raises(Conflict, match="Event 1 of s was kept before with another content"):
        events.add("s", [event(2), event(1, value=2.5)])
    with pytest.raises(Conflict, match="Event 3 of s"):
        events.add("s", [event(3), event(3, at=7)])
    assert events.read("s")[0] == [event(1)]


def test_sources_are_held_apart(events: Events) -> None:
    events.add("s", [event("x")])
    assert events.add("r", [event("x", value=9.0)]).kept == 1
    assert events.read("s")[0] == [event("x")]


def test_the_number_one_and_the_text_one_are_two_ids(events: Events) -> None:
    assert events.add("s", [event(1), event("1")]).kept == 2


def test_what_happened_before_is_left_out_where_it_is_asked_for_and_the_place_goes_on_all_the_same(
    events: Events,
) -> None:
    events.add("s", [event(1, 10), event(2, 20), event(3, 5)])
    found, place = events.read("s", since_us=10)
    assert [e.id for e in found] == [1, 2]
    assert events.read("s", place) == ([], place)
    assert events.newest_us("s") == 20
    assert events.newest_us("nothing") is None


def test_news_is_told_once_and_first_of_all(events: Events) -> None:
    assert events.has_news()
    assert not events.has_news()
    events.add("s", [event(1)])
    assert events.has_news()
    assert not events.has_news()


def test_many_that_add_at_once_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    stores = [EventStore(tmp_path / "events.db") for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda n: stores[n % 4].add("s", [event(n // 2), event(1000 + n)]), range(40)))
    assert sum(one.kept for one in taken) == 60
    found = EventStore(tmp_path / "events.db").read("s")[0]
    assert sorted(e.id for e in found) == [*range(20), *range(1000, 1040)]
