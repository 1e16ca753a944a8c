"""Who has more connections than another, as the workers of one server see it."""

from __future__ import annotations

from pathlib import Path

from lockgate.server import shares
from lockgate.server.shares import FILE, Shares


def test_a_worker_is_ahead_of_one_that_takes_connections_and_has_fewer(tmp_path: Path) -> None:
    shares.lay_out(tmp_path, 3)
    first, second = Shares.of(tmp_path, 0), Shares.of(tmp_path, 1)
    first.tell(5)
    assert not first.is_ahead  # of nobody who takes any
    second.tell(4)
    assert not first.is_ahead  # by one
    second.tell(3)
    assert (first.is_ahead, second.is_ahead) == (True, False)
    second.close()
    assert not first.is_ahead


def test_nobody_waits_for_one_that_has_died(tmp_path: Path) -> None:
    shares.lay_out(tmp_path, 2)
    first, second = Shares.of(tmp_path, 0), Shares.of(tmp_path, 1)
    first.tell(9)
    second.tell(0)
    shares.clear(tmp_path, 1)
    assert not first.is_ahead


def test_without_an_account_or_a_place_in_it_connections_are_taken_as_they_come(tmp_path: Path) -> None:
    alone = Shares.of(tmp_path, 0)
    shares.lay_out(tmp_path, 1)
    outside = Shares.of(tmp_path, 1)
    for one in (alone, outside, Shares()):
        one.tell(7)
        assert not one.is_ahead
    shares.lay_out(tmp_path, 0)
    assert not Shares.of(tmp_path, 0).is_ahead


def test_an_account_laid_out_anew_is_not_that_of_those_who_leave(tmp_path: Path) -> None:
    shares.lay_out(tmp_path, 2)
    leaving = Shares.of(tmp_path, 0)
    shares.lay_out(tmp_path, 2)
    before = (tmp_path / FILE).read_bytes()
    leaving.tell(1)
    assert (tmp_path / FILE).read_bytes() == before
