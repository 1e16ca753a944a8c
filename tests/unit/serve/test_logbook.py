"""The logbook over a writer whose place comes and goes."""

from __future__ import annotations

import threading

import pytest

from lockgate.records import Outcome
from lockgate.serve.logbook import Logbook
from lockgate.store.segments import SegmentLog


@pytest.fixture
def place(tmp_path):
    return tmp_path / "log"


def told(*names: str) -> list[Outcome]:
    return [Outcome(id=name, model="m", value=0.0, at_s=1.0, received_s=2.0) for name in names]


def ids(place) -> list[str]:
    return [entry.id for entry in SegmentLog(place).read()[0]]


def test_what_is_appended_is_on_the_disk_at_once(place):
    book = Logbook(SegmentLog(place).writer())
    book.append(told("a", "b"))
    assert ids(place) == ["a", "b"]
    assert (book.spilled, book.dropped) == (0, 0)
    book.close()


def test_nothing_appended_is_nothing_written(place):
    book = Logbook(SegmentLog(place).writer())
    book.append([])
    book.close()
    assert not place.exists()


def test_a_disk_that_refused_is_left_alone_for_a_while(place):
    place.write_text("in the way")
    book = Logbook(SegmentLog(place).writer(), retry_s=3600.0)
    book.append(told("a"))
    place.unlink()
    book.append(told("b"))
    assert book.spilled == 2
    assert not place.exists()
    book.close()  # the last try does not wait
    assert ids(place) == ["a", "b"]


def test_what_waited_is_written_before_what_came_later(place):
    place.write_text("in the way")
    book = Logbook(SegmentLog(place).writer(), retry_s=0.0)
    book.append(told("a"))
    book.append(told("b"))
    place.unlink()
    book.append(told("c"))
    assert ids(place) == ["a", "b", "c"]
    book.close()


def test_the_oldest_are_kept_and_the_rest_are_counted_as_dropped(place):
    place.write_text("in the way")
    book = Logbook(SegmentLog(place).writer(), bound=3, retry_s=0.0)
    book.append(told("a", "b"))
    book.append(told("c", "d", "e"))
    assert (book.spilled, book.dropped) == (3, 2)
    place.unlink()
    book.close()
    assert ids(place) == ["a", "b", "c"]


def test_many_threads_lose_and_repeat_nothing_while_the_disk_comes_and_goes(place):
    place.write_text("in the way")
    book = Logbook(SegmentLog(place).writer(), retry_s=0.0)

    def write(thread: int) -> None:
        for number in range(100):
            book.append(told(f"{thread}-{number}"))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads[:4]:
        thread.start()
    for thread in threads[:4]:
        thread.join()
    assert book.spilled == 400
    place.unlink()
    for thread in threads[4:]:
        thread.start()
    for thread in threads[4:]:
        thread.join()
    book.close()
    assert sorted(ids(place)) == sorted(f"{thread}-{number}" for thread in range(8) for number in range(100))


def test_what_waits_is_written_at_a_look_although_no_call_comes(place):
    place.write_text("in the way")
    book = Logbook(SegmentLog(place).writer(), retry_s=0.0)
    book.append(told("a", "b"))
    book.look()
    assert book.spilled == 2
    place.unlink()
    book.look()
    assert (book.spilled, ids(place)) == (0, ["a", "b"])
    book.close()
