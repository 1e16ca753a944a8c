"""By whose contract a call's row was read."""

from __future__ import annotations

from typing import Any

from lockgate.decide.reading import read_elsewhere
from lockgate.records import Prediction


def call(arm: str, version: str, rollout: str | None = None) -> Prediction:
    more: Any = {"arm": arm, "version": version, "served_by": version, "rollout": rollout}
    return Prediction(
        id="q", model="m", unit="u", asked_s=1.0, answered_s=1.0, value=0.5, latency_ms=1.0, **more
    )  # fmt: skip


def test_a_call_outside_a_rollout_was_read_by_its_own_version():
    elsewhere = read_elsewhere([], "now")
    assert elsewhere(call("champion", "before"))
    assert not elsewhere(call("champion", "now"))


def test_a_call_of_a_rollout_was_read_by_the_champion_of_that_rollout():
    calls = [
        call("champion", "before", "r1"),
        call("challenger", "now", "r1"),
        call("champion", "now", "r2"),
        call("challenger", "next", "r2"),
    ]
    elsewhere = read_elsewhere(calls, "now")
    assert [elsewhere(one) for one in calls] == [True, True, False, False]


def test_one_arm_alone_tells_as_much_as_it_can():
    taken_over, under_way = call("challenger", "now", "r1"), call("challenger", "next", "r2")
    assert read_elsewhere([taken_over], "now")(taken_over)
    assert not read_elsewhere([under_way], "now")(under_way)
