"""An A/B's arms and moves: whose unit is whose, and what is due first."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from lockgate.decide import ab
from lockgate.decide.assign import among, draw
from lockgate.decide.rollout import next_move
from lockgate.errors import SpecError
from lockgate.records import AbSpec, Evidence, Gate, Rollout, RolloutSpec, RolloutState, Routing, Ruling, Step, Verdict

SPEC = AbSpec(metric="conversion", share=(0.3,))
ARMS = ab.arms(["v1", "v2"], SPEC)
ROLLOUT = Rollout(
    id="r1",
    model="m",
    champion="v0",
    challenger="v1",
    spec=RolloutSpec(),
    steps=(Step(name="A/B", kind="share", share=0.6),),
    at=0,
    state=RolloutState.RUNNING,
    started_s=0.0,
    stepped_s=0.0,
    deadline_s=100.0,
    not_worse_by=0.0,
    kind="ab",
    arms=ARMS,
    ab=SPEC,
)
UNITS = [f"u{number}" for number in range(4_000)]


def verdict(version: str, ruling: Ruling, *, low: float = 0.1, high: float = 0.2, is_down: bool = False) -> Verdict:
    claim = "harmful" if ruling is Ruling.FAIL else "better"
    gate = Gate(
        name=ab.gate_name("conversion", version),
        question="worth",
        claim=claim,
        measure="conversion",
        method="-",
        margin=0.0,
        alpha=0.05,
        guarantee="calibrated",
    )
    return Verdict(
        id=f"v-{version}-{ruling}",
        model="m",
        ruling=ruling,
        gate=gate,
        evidence=Evidence(low=low, high=high, detail={"is_down": float(is_down)}),
        subject=(version, "v0"),
        sentence="So far.",
        at_s=1.0,
        written_s=1.0,
    )


def routing(*live: str) -> Routing:
    arms = tuple(arm for arm in ARMS if arm.version in live)
    return Routing(
        model="m", revision=1, champion="v0", baseline=None, constant=0.0, challenger=live[0], share=ab.share_of(arms),
        salt="r1", arms=arms,
    )  # fmt: skip


def test_each_arm_gets_its_share_and_when_one_ends_nobody_else_moves() -> None:
    before = {unit: draw(routing("v1", "v2"), unit) for unit in UNITS}
    after = {unit: draw(routing("v2"), unit) for unit in UNITS}
    for version, share in (("v0", 0.4), ("v1", 0.3), ("v2", 0.3)):
        assert sum(lot.version == version for lot in before.values()) / 4_000 == pytest.approx(share, abs=0.03)
    assert {after[u].version for u in UNITS if before[u].version == "v1"} == {"v0"}
    assert all(after[u] == before[u] for u in UNITS if before[u].version != "v1")
    assert all(among("r1", u, ARMS) in (before[u].version, None) for u in UNITS)


def test_every_version_of_an_ab_stays_loaded() -> None:
    assert routing("v1", "v2").versions == ("v0", "v1", "v2")


def test_shares_are_even_where_none_are_said() -> None:
    assert [round(arm.share, 9) for arm in ab.arms(["a", "b", "c"], AbSpec())] == [0.25] * 3


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.0,), (1.2,)])
def test_shares_that_leave_the_champion_nothing_are_refused(shares: tuple[float, ...]) -> None:
    with pytest.raises(SpecError, match="leave the champion nothing"):
        AbSpec(share=shares)


def test_the_shares_that_were_in_force_are_known_from_the_arms_that_ended() -> None:
    found = ab.stretches(replace(ROLLOUT, ended=("v1",)))
    assert {share: [arm.version for arm in live] for share, live in found.items()} == {0.6: ["v1", "v2"], 0.3: ["v2"]}


def test_a_harmful_arm_ends_and_the_last_one_ends_the_ab() -> None:
    due = next_move(ROLLOUT, [verdict("v1", Ruling.FAIL), verdict("v2", Ruling.PASS)], 1.0)
    assert due is not None
    assert (due.kind, due.version) == ("end_arm", "v1")
    due = next_move(replace(ROLLOUT, ended=("v1",)), [verdict("v1", Ruling.FAIL), verdict("v2", Ruling.FAIL)], 1.0)
    assert due is not None
    assert (due.kind, due.version) == ("roll_back", "v2")


def test_of_several_winners_the_one_with_the_farthest_near_end_is_promoted() -> None:
    due = next_move(ROLLOUT, [verdict("v1", Ruling.PASS), verdict("v2", Ruling.PASS, low=0.15)], 1.0)
    assert due is not None
    assert (due.kind, due.version) == ("promote", "v2")
    down = [
        verdict("v1", Ruling.PASS, low=-0.9, high=-0.1, is_down=True),
        verdict("v2", Ruling.PASS, low=-0.8, high=-0.05, is_down=True),
    ]
    due = next_move(ROLLOUT, down, 1.0)
    assert due is not None
    assert due.version == "v1"


def test_unsound_evidence_promotes_nobody_and_the_deadline_goes_back_to_the_champion() -> None:
    told = [verdict("v1", Ruling.PASS), verdict("v2", Ruling.VOID)]
    assert next_move(ROLLOUT, told, 1.0) is None
    due = next_move(ROLLOUT, told, 100.0)
    assert due is not None
    assert due.kind == "undecided"
    assert next_move(ROLLOUT, [verdict("v1", Ruling.UNDECIDED)], 1.0) is None


@pytest.mark.parametrize(
    ("text", "metric", "direction"),
    [("revenue", "revenue", "up"), ("returns down", "returns", "down"), ("failures", "failures", "down")],
)
def test_a_guardrail_says_which_way_is_good(text: str, metric: str, direction: str) -> None:
    assert AbSpec(guardrails=(text,)).guarded == ((metric, direction),)


def test_a_guardrail_that_is_no_metric_and_direction_is_refused() -> None:
    with pytest.raises(SpecError, match="no metric and a direction"):
        AbSpec(guardrails=("returns sideways",))
