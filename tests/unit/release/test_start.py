"""The start of a rollout: which verdicts it needs, and what it refuses."""

from __future__ import annotations

import msgspec
import pytest

from lockgate.errors import Conflict, SpecError
from lockgate.records import (
    DatasetRef,
    Evidence,
    Gate,
    Lineage,
    ModelSpec,
    Rollout,
    RolloutState,
    Routing,
    Ruling,
    Verdict,
    Version,
)
from lockgate.release.start import begin

LINEAGE = Lineage(
    dataset=DatasetRef(table="m", version=0, digest="0" * 64),
    train="t:fit",
    features="t:features",
    features_hash="0" * 64,
    commit=None,
    is_dirty=None,
    environment="0" * 64,
    seed=0,
    run=None,
    trained_from_s=None,
    trained_until_s=None,
    rows=1,
)
NEW = Version(
    id="new123456789",
    model="m",
    name="boosted",
    role="candidate",
    made_s=0,
    lineage=LINEAGE,
    metrics={},
    parity=None,
    baseline="base",
)
ROUTING = Routing(model="m", revision=4, champion="old", baseline="base", constant=0.2)
SPEC = ModelSpec(target="late")


def gated(against: str, ruling: Ruling, *, at_s: float = 0, of: str = NEW.id) -> Verdict:
    name = "gate against baseline" if against == "base" else "gate against champion"
    gate = Gate(
        name=name,
        question="worth",
        claim="better",
        measure="m",
        method="t",
        margin=0,
        alpha=0.05,
        guarantee="calibrated",
    )
    return Verdict(
        id=f"v{against}{at_s}",
        model="m",
        ruling=ruling,
        gate=gate,
        evidence=Evidence(values=(0.1, -0.2)),
        subject=(of, against),
        sentence=f"{ruling} against {against}.",
        at_s=at_s,
        written_s=0,
    )


PASSED = [gated("base", Ruling.PASS), gated("old", Ruling.UNDECIDED)]


def begun(verdicts: list[Verdict], rollouts: tuple[Rollout, ...] = (), version: Version = NEW) -> Rollout:
    return begin(version, SPEC, ROUTING, rollouts, verdicts, event_s=100)


def test_it_begins_at_the_first_step_with_the_gates_days_as_history() -> None:
    found = begun(PASSED)
    assert (found.id, found.champion, found.challenger) == ("r1-new123", "old", NEW.id)
    assert (found.at, found.step.kind, found.state) == (0, "replay", RolloutState.RUNNING)
    assert found.deadline_s == 100 + 60 * 86400
    assert found.history == (0.1, -0.2)


@pytest.mark.parametrize(
    ("verdicts", "missing"), [([], "baseline"), (PASSED[:1], "champion"), (PASSED[1:], "baseline")]
)
def test_a_gate_that_never_ruled_is_asked_for_by_name(verdicts: list[Verdict], missing: str) -> None:
    with pytest.raises(SpecError, match=rf"no verdict of the gate against {missing}\. Ask for it first: lockgate gate"):
        begun(verdicts)


def test_a_gate_against_an_earlier_champion_does_not_count() -> None:
    with pytest.raises(SpecError, match="gate against champion"):
        begun([PASSED[0], gated("ancient", Ruling.PASS)])


def test_a_gate_of_another_version_does_not_count() -> None:
    with pytest.raises(SpecError, match="gate against baseline"):
        begun([gated("base", Ruling.PASS, of="other"), PASSED[1]])


@pytest.mark.parametrize("against", ["base", "old"])
def test_a_failed_gate_keeps_it_from_traffic_until_it_is_passed_again(against: str) -> None:
    with pytest.raises(SpecError, match=f"may not take traffic: fail against {against}"):
        begun([*PASSED, gated(against, Ruling.FAIL, at_s=1)])
    again = [*PASSED, gated(against, Ruling.FAIL, at_s=1), gated(against, Ruling.PASS, at_s=2)]
    assert begun(again).is_running


def test_one_rollout_at_a_time() -> None:
    first = begun(PASSED)
    with pytest.raises(Conflict, match=r"under way \(r1-new123\)"):
        begun(PASSED, (first,))
    ended = msgspec.structs.replace(first, state=RolloutState.ABORTED)
    assert begun(PASSED, (ended,)).id == "r2-new123"


def test_the_champion_cannot_challenge_itself() -> None:
    with pytest.raises(SpecError, match="is the champion already"):
        begun(PASSED, version=msgspec.structs.replace(NEW, id="old"))
