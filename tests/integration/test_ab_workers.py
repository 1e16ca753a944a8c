"""Worker processes on loopback with several arms: each unit at its own version, also once an arm has ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from lockgate.decide.assign import among
from lockgate.records import ArmShare, Outcome, Prediction, Shadow
from lockgate.records.unit_outcome import is_of_unit, of_unit
from lockgate.store.serving_file import Serving, ServingFile

ROW: dict[str, Any] = {"wait": 3.5, "seats": 120, "carrier": "AA", "plane": "N1"}
UNITS = [f"u{number}" for number in range(60)]


@pytest.mark.parametrize("is_quick", [True, False])
def test_each_unit_is_answered_by_its_own_arm_and_only_those_of_an_arm_that_ends_move(
    project, until: Callable[..., None], is_quick: bool
):
    champion = project.add_fitted() if is_quick else project.add_constant("champion", 0.5)
    first, second = project.add_constant("first", 0.1), project.add_constant("second", 0.9)
    arms = (ArmShare(version=first, low=0.0, high=0.3), ArmShare(version=second, low=0.3, high=0.6))
    ab = {"salt": "r1", "rollout": "r1", "deadline_ms": 5_000.0}
    project.publish(champion, challenger=first, share=0.6, arms=arms, **ab)
    with project.serving() as server:
        before = {unit: server.predict(ROW, unit=unit).json()["predictions"][0] for unit in UNITS}
        assert {unit: p["version"] for unit, p in before.items()} == {
            unit: among("r1", unit, arms) or champion for unit in UNITS
        }
        assert len({p["version"] for p in before.values()}) == 3
        assert {p["arm"] for p in before.values() if p["version"] != champion} == {"challenger"}
        project.publish(champion, challenger=second, share=0.3, arms=arms[1:], revision=2, **ab)
        gone = next(unit for unit in UNITS if before[unit]["version"] == first)
        until(lambda: server.predict(ROW, unit=gone).json()["predictions"][0]["version"] == champion, "the arm to end")
        after = {unit: server.predict(ROW, unit=unit).json()["predictions"][0]["version"] for unit in UNITS}
    moved = {unit for unit in UNITS if after[unit] != before[unit]["version"]}
    assert moved == {unit for unit in UNITS if before[unit]["version"] == first}
    assert {after[unit] for unit in moved} == {champion}
    shares = {e.share for e in project.log() if isinstance(e, Prediction)}
    assert shares == {0.6, 0.3}


def test_many_rows_at_once_are_split_among_the_arms_and_the_champion_scores_the_challengers_calls(
    project, until: Callable[..., None]
):
    champion, first, second = (
        project.add_constant(name, value) for name, value in (("c", 0.5), ("a", 0.1), ("b", 0.9))
    )
    arms = (ArmShare(version=first, low=0.0, high=0.3), ArmShare(version=second, low=0.3, high=0.6))
    project.publish(
        champion, challenger=first, share=0.6, arms=arms, salt="r1", rollout="r1", shadow=True, deadline_ms=5_000.0
    )
    with project.serving() as server:
        told = server.predict(*[ROW] * 40, id="many").json()["predictions"]
        others = {p["id"] for p in told if p["version"] != champion}
        assert {p["version"] for p in told} == {champion, first, second}
        until(lambda: {e.id for e in project.log() if isinstance(e, Shadow)} == others, "the champion's say")
    shadows = [e for e in project.log() if isinstance(e, Shadow)]
    assert {(e.version, e.value) for e in shadows} == {(champion, 0.5)}


def test_what_came_of_a_unit_is_told_by_http_and_an_unknown_metric_refused_by_name(project):
    project.publish(project.add_constant("c", 0.5))
    ServingFile(project.home).publish({"late": Serving(metrics=("conversion",))})
    with project.serving() as server:
        body = {"outcomes": [{"unit": "u1", "metric": "conversion", "value": 1, "at": "2024-01-01T00:00:00Z"}]}
        assert server.post("/outcomes/late", msgspec.json.encode(body)).json() == {"accepted": 1}
        body["outcomes"][0]["metric"] = "conversoin"
        refused = server.post("/outcomes/late", msgspec.json.encode(body))
        assert refused.status_code == 422
        assert "Did you mean 'conversion'?" in refused.json()["error"]["message"]
        both = {"outcomes": [{"id": "r-0", "unit": "u1", "metric": "conversion", "value": 1}]}
        assert server.post("/outcomes/late", msgspec.json.encode(both)).status_code == 422
        mark = {"outcomes": [{"id": "\x1fconversion\x1f0\x1fu1", "value": 1}]}
        assert server.post("/outcomes/late", msgspec.json.encode(mark)).status_code == 422
    (kept,) = (e for e in project.log() if isinstance(e, Outcome))
    assert is_of_unit(kept.id)
    assert of_unit(kept) == ("u1", "conversion")
