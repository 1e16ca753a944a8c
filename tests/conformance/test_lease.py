"""The kit of the lease: one holder at a time, until it lets go or its time has run out."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lockgate.store.memory import MemoryLease
from lockgate.store.ports import Lease
from lockgate.store.sql_lease import SqlLease
from lockgate.store.sql_tables import connect_file

ADAPTERS: dict[str, Callable[[Path], Lease]] = {
    "memory": lambda _: MemoryLease(),
    "sqlite": lambda folder: SqlLease(connect_file(folder / "lockgate.db")),
}


@pytest.fixture(params=ADAPTERS)
def lease(request: pytest.FixtureRequest, tmp_path: Path) -> Lease:
    return ADAPTERS[request.param](tmp_path)


def test_the_first_who_asks_holds_it_and_the_next_does_not(lease: Lease) -> None:
    assert lease.acquire("loop", "a", now_s=100, for_s=10)
    assert not lease.acquire("loop", "b", now_s=109.9, for_s=10)


def test_its_holder_renews_it_and_the_time_counts_from_then(lease: Lease) -> None:
    lease.acquire("loop", "a", now_s=100, for_s=10)
    assert lease.acquire("loop", "a", now_s=108, for_s=10)
    assert not lease.acquire("loop", "b", now_s=112, for_s=10)


def test_another_takes_it_once_its_time_has_run_out_and_the_first_is_then_refused(lease: Lease) -> None:
    lease.acquire("loop", "a", now_s=100, for_s=10)
    assert lease.acquire("loop", "b", now_s=110, for_s=10)
    assert not lease.acquire("loop", "a", now_s=111, for_s=10)


def test_letting_go_frees_it_at_once(lease: Lease) -> None:
    lease.acquire("loop", "a", now_s=100, for_s=10)
    lease.release("loop", "a")
    assert lease.acquire("loop", "b", now_s=100, for_s=10)


def test_nobody_can_let_go_of_what_another_holds(lease: Lease) -> None:
    lease.acquire("loop", "a", now_s=100, for_s=10)
    lease.release("loop", "b")
    lease.release("nothing", "b")
    assert not lease.acquire("loop", "b", now_s=101, for_s=10)


def test_names_are_held_apart(lease: Lease) -> None:
    assert lease.acquire("loop", "a", now_s=100, for_s=10)
    assert lease.acquire("other", "b", now_s=100, for_s=10)


def test_of_many_that_ask_at_once_one_holds_it(tmp_path: Path) -> None:
    lease = SqlLease(connect_file(tmp_path / "lockgate.db"))
    with ThreadPoolExecutor(4) as pool:
        held = list(pool.map(lambda name: lease.acquire("loop", name, now_s=100, for_s=10), "abcdefgh"))
    assert sum(held) == 1
