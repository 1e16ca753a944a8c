import logging
import time

import pytest

from lockgate.errors import StoreError
from lockgate.records import Routing
from lockgate.serve import split as module
from lockgate.serve.split import Split, Splits

OWN = Split("v1", "v2", 0.25, salt="s", rollout="code-1", shadow=True)


def routing(**more):
    return Routing(**({"model": "m", "revision": 1, "champion": "v1", "baseline": None, "constant": 0.5} | more))


def test_a_share_of_the_units_is_the_challengers_and_stays_so():
    arms = {str(n): OWN.draw(str(n)).arm for n in range(4000)}
    assert sum(arm == "challenger" for arm in arms.values()) / 4000 == pytest.approx(0.25, abs=0.03)
    assert all(OWN.draw(unit).arm == arm for unit, arm in arms.items())


def test_the_arm_that_did_not_serve_is_shadowed():
    assert [OWN.other("champion"), OWN.other("challenger")] == ["v2", "v1"]
    assert OWN._replace(shadow=False).other("champion") is None
    assert Split("v1").other("champion") is None


def test_without_a_board_the_code_says():
    assert Splits(OWN, ("v1", "v2"), None).now() is OWN


def test_the_board_is_followed_within_250_ms_and_given_up_when_it_goes():
    board = {}
    splits = Splits(OWN, ("v1", "v2"), lambda: board.get("m"))
    assert splits.now() == OWN
    board["m"] = routing(champion="v2", share=0.5, challenger="v1", salt="t", rollout="r7")
    time.sleep(0.25)
    assert splits.now() == Split("v2", "v1", 0.5, salt="t", rollout="r7")
    board.clear()
    time.sleep(0.25)
    assert splits.now() == OWN


def test_a_champion_that_is_not_here_leaves_the_split_as_it_was(caplog, monkeypatch):
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.0)
    splits = Splits(OWN, ("v1", "v2"), lambda: routing(champion="v3"))
    with caplog.at_level(logging.WARNING):
        assert [splits.now(), splits.now()] == [OWN, OWN]
    assert splits.problem is not None
    assert "'v3'" in splits.problem
    assert len(caplog.records) == 1


def test_a_board_that_cannot_be_read_leaves_the_split_as_it_was():
    def read():
        raise StoreError("A stored Routing cannot be read.")

    splits = Splits(OWN, ("v1", "v2"), read)
    assert splits.now() == OWN
    assert "cannot be read" in (splits.problem or "")
