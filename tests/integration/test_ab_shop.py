"""An A/B of three arms over a real workspace, on a shop whose truth is known: found, covered, or called a routing bug."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from lockgate.errors import Conflict, SpecError
from lockgate.records import AbState, Move, Rollout, Routing, Ruling, Verdict
from lockgate.report.ledger import verify

DAY_S = 86_400.0
FIRST_S = 1_703_462_400.0  # a Monday, the day after all that the workshop was trained on
AB = """
[model.tide.ab]
metric = "conversion"
guardrails = ["revenue", "failures"]
horizon = "6h"
slices = ["colour"]
covariate = "x1"
"""
THIRD = """
import lockgate_tidework as tide

def fit(table, features):
    return tide._trees(table, features, n_estimators=62, num_leaves=8, learning_rate=0.1)
"""


@dataclass
class Shop:
    """Visitors of a workspace, in hours; what they do hangs on the version that answers them. lift: by version, of the
    chance to buy; steal: what a router does to a visit's rows before they reach it.
    """

    workspace: Any
    lift: dict[str, float]
    per_hour: int = 200
    rate: float = 0.10
    steal: Callable[[pl.DataFrame], pl.DataFrame] = lambda table: table
    hour: int = 0
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(11))
    told: int = 0

    def live(self, hours: int, *, tick_every: int = 6) -> None:
        for _ in range(hours):
            self._hour()
            self.hour += 1
            if self.hour % tick_every == 0:
                while self.workspace.tick().read:
                    pass

    def _hour(self) -> None:
        rng, n = self.rng, self.per_hour
        weekend = 1.3 if (self.hour // 24) % 7 in (5, 6) else 1.0
        asked_s = FIRST_S + 3600 * self.hour + np.sort(rng.uniform(0, 3600, n))
        habit = rng.normal(size=n)
        table = pl.DataFrame(
            {
                "boat": [f"v{self.hour}-{place}" for place in range(n)],
                "asked_at": (asked_s * 1e6).astype(np.int64),
                "x1": habit,
                "x2": rng.normal(1, 1, n),
                "colour": rng.choice(["red", "green", "blue"], n),
            }
        ).with_columns(pl.col("asked_at").cast(pl.Datetime("us", "UTC")))
        found = self.workspace.score("tide", self.steal(table), prefix=f"h{self.hour}")
        tilt = dict(zip(table["boat"], np.exp(0.5 * habit - 0.125), strict=True))
        told: list[tuple[str, str, float, float]] = []
        for call in found:
            chance = min(0.9, self.rate * weekend * tilt[call.unit] * self.lift.get(call.version, 1.0))
            if rng.random() < chance:
                at_s = call.asked_s + float(rng.exponential(1800.0))
                told += [(call.unit, "conversion", 1.0, at_s), (call.unit, "revenue", float(rng.lognormal(3, 1)), at_s)]
        self.workspace.unit_outcomes("tide", told)
        self.told += len(told)


@pytest.fixture(scope="module")
def made(built, tmp_path_factory):
    """The workshop with a third version, gated, and an A/B in its file. Copied by each test."""
    import shutil

    root = tmp_path_factory.mktemp("ab") / "project"
    shutil.copytree(built.root, root)
    (root / "lockgate_third.py").write_text(THIRD)
    file = root / "lockgate.toml"
    text = file.read_text().replace('horizon = "12h"', 'horizon = "12h"\noutcome_depends_on_prediction = true')
    file.write_text(text + AB)
    from lockgate.workspace.workspace import Workspace

    workspace = Workspace.open(root)
    third = workspace.train("tide", train_with="lockgate_third:fit", name="third")
    workspace.gate(third)
    workspace.gate(built.versions["rival"])
    workspace.close()
    return root, built.versions | {"third": third.id}


@pytest.fixture
def shop(made, tmp_path):
    import shutil

    from lockgate.workspace.workspace import Workspace

    root = tmp_path / "project"
    shutil.copytree(made[0], root)
    workspace = Workspace.open(root)
    yield workspace, made[1]
    workspace.close()


def moves(workspace) -> list[Move]:
    return workspace.wiring.records.all(Move, "tide")


def test_the_winner_is_found_the_loser_stopped_and_every_interval_holds_the_truth(shop):
    """Whose lot is whose differs from run to run: at an alpha of .002 it fails by chance in one of 500 runs at most."""
    workspace, versions = shop
    champion, good, bad = versions["trees"], versions["rival"], versions["third"]
    move = workspace.ab([good, bad], by="the tests", over={"share": (0.33,), "alpha": 0.002})
    started = workspace.wiring.records.get(Rollout, move.rollout)
    assert [round(arm.share, 6) for arm in started.arms] == [0.33, 0.33]
    world = Shop(workspace, {good: 1.45, bad: 0.1})
    while workspace.wiring.records.get(Rollout, move.rollout).is_running and world.hour < 120:  # a Monday to a Friday
        world.live(6)
    assert [m.kind for m in moves(workspace) if m.rollout == move.rollout] == ["start", "end_arm", "promote"]
    routing = workspace.wiring.records.get(Routing, "tide")
    assert (routing.champion, routing.previous, routing.arms, routing.share) == (good, champion, (), 0.0)
    state = workspace.wiring.records.get(AbState, move.rollout)
    assert len(state.looks) > 100
    for look in state.looks:
        truth = {good: 0.045, bad: -0.09}[look.version]
        assert look.low <= truth <= look.high
    assert verify(workspace.wiring.records.entries()).broken is None
    found = workspace.ab_result(move.rollout)
    assert not found.ratio.is_void
    assert {part.column for part in found.slices} == {"colour"}
    the_page_and_the_table_say_the_same(workspace, found)


def the_page_and_the_table_say_the_same(workspace, found) -> None:
    import asyncio

    import httpx

    from lockgate.server.control import app
    from lockgate.workspace import ab

    async def asked(*paths: str) -> list[httpx.Response]:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app(workspace)), base_url="http://pages"
        ) as pages:
            return [await pages.get(path) for path in paths]

    told, part, figures, none = asyncio.run(
        asked(f"/ab/{found.rollout}", f"/ab/{found.rollout}/now", f"/api/ab/{found.rollout}", "/ab/r9-none")
    )
    assert (told.status_code, part.status_code, none.status_code) == (200, 200, 404)
    for word in ("<svg", "Sample ratio", "colour = red", "guardrail", "(ended)", "better"):
        assert word in told.text
    assert part.text in told.text
    assert figures.json()["metric"] == "conversion"
    folder = workspace.wiring.project
    for file in ("ab.csv", "ab.parquet", "ab.json"):
        ab.write(found, folder / file)
    table = pl.read_parquet(folder / "ab.parquet")
    assert table.equals(ab.table(found))
    assert pl.read_csv(folder / "ab.csv").height == table.height == 2 * 2 + 2 * 3
    primary = table.filter(pl.col("metric") == "conversion", pl.col("column").is_null())
    assert dict(primary.select("version", "told").rows()) == {
        item.version: item.told for item in found.compared if item.is_primary
    }
    with pytest.raises(SpecError, match=r"ends in none of"):
        ab.write(found, folder / "ab.xlsx")


def test_units_of_one_arm_that_are_lost_on_the_way_make_all_of_it_void(shop):
    """Every other visit of one arm never reaches the router: its units look fine, and there are too few of them."""
    from lockgate.decide.assign import draw

    workspace, versions = shop
    good, bad = versions["rival"], versions["third"]
    move = workspace.ab([good, bad], by="the tests", over={"share": (0.33,)})
    routing = workspace.wiring.records.get(Routing, "tide")

    def lost(table: pl.DataFrame) -> pl.DataFrame:
        keep = [n % 2 == 0 or draw(routing, unit).version != good for n, unit in enumerate(table["boat"])]
        return table.filter(pl.Series(keep))

    Shop(workspace, {good: 3.0}, steal=lost).live(18)
    standing = {v.gate.name: v for v in workspace.wiring.records.all(Verdict, "tide") if v.rollout == move.rollout}
    assert standing["sample ratio"].ruling is Ruling.VOID
    assert "routing bug" in standing["sample ratio"].sentence
    assert standing[f"conversion of {good[:6]}"].ruling is Ruling.VOID
    assert [m.kind for m in moves(workspace) if m.rollout == move.rollout] == ["start"]
    assert workspace.ab_result(move.rollout).ratio.is_void
    assert "void" in workspace.status()[0].state


def test_units_that_another_version_answers_than_their_lot_says_make_all_of_it_void(shop):
    workspace, versions = shop
    good, bad = versions["rival"], versions["third"]
    move = workspace.ab([good, bad], by="the tests", over={"share": (0.33,)})
    routing = workspace.wiring.records.get(Routing, "tide")
    first, second = routing.arms
    swapped = (msgspec.structs.replace(first, version=bad), msgspec.structs.replace(second, version=good))
    workspace.wiring.board.publish(msgspec.structs.replace(routing, arms=swapped))
    world = Shop(workspace, {good: 3.0})
    world._hour()  # before the loop has put the board right
    workspace.tick()
    standing = {v.gate.name: v for v in workspace.wiring.records.all(Verdict, "tide") if v.rollout == move.rollout}
    assert standing["sample ratio"].ruling is Ruling.VOID
    assert "answered by another version" in standing["sample ratio"].sentence
    world.hour += 1
    world.live(17)
    assert [m.kind for m in moves(workspace) if m.rollout == move.rollout] == ["start"]


def test_arms_alike_are_told_so_far_undecided_and_the_deadline_gives_all_to_the_champion(shop):
    workspace, versions = shop
    move = workspace.ab(
        [versions["rival"], versions["third"]], by="the tests", over={"share": (0.33,), "deadline": "1d"}
    )
    Shop(workspace, {}).live(30)
    own = [m for m in moves(workspace) if m.rollout == move.rollout]
    assert [m.kind for m in own] == ["start", "undecided"]
    assert "So far" in own[-1].reason
    assert workspace.wiring.records.get(Routing, "tide").champion == versions["trees"]


def test_a_loop_that_dies_after_every_turn_decides_the_same_from_the_same_evidence(made, tmp_path):
    """The workspace is opened anew for each six hours, so that all but the records and the log is forgotten."""
    import shutil

    from lockgate.workspace.workspace import Workspace

    root, versions = made
    good, bad = versions["rival"], versions["third"]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    found: list[list[tuple[str, Any]]] = []
    for place, every in ((whole, 30), (broken, 6)):
        shutil.copytree(root, place)
        workspace = Workspace.open(place, clock=lambda: FIRST_S + 90 * DAY_S)
        workspace.ab([good, bad], by="the tests", over={"share": (0.33,)})
        world = Shop(workspace, {good: 1.0, bad: 0.3})
        for _ in range(30 // every):
            world.live(every, tick_every=3)
            workspace.close()
            workspace = world.workspace = Workspace.open(place, clock=lambda: FIRST_S + 90 * DAY_S)
        verdicts = [v for v in workspace.wiring.records.all(Verdict, "tide") if v.rollout is not None]
        found.append([(v.id, v.evidence) for v in verdicts])
        workspace.close()
    assert len(found[0]) >= 2
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("over", "says"),
    [
        ({"metric": "conversoin"}, "Did you mean 'conversion'?"),
        ({"guardrails": ("revenu",)}, "Did you mean 'revenue'?"),
        ({"metric": "failures"}, "never makes one the champion"),
        ({"share": (0.6,)}, "leave the champion nothing"),
        ({"share": (0.1, 0.2, 0.3)}, "3 shares for 2 challengers"),
        ({"covariate": "color"}, "Did you mean 'colour'?"),
        ({"covariate": "colour"}, "is of type text"),
        ({"slices": ("colours",)}, "Did you mean 'colour'?"),
        ({"alpha": 2.0}, "no error rate"),
    ],
)
def test_what_cannot_be_is_refused_by_name(shop, over, says):
    workspace, versions = shop
    with pytest.raises(SpecError) as refused:
        workspace.ab([versions["rival"], versions["third"]], over=over)
    assert says in str(refused.value)
    assert workspace.wiring.records.all(Rollout, "tide") == []


def test_a_dry_run_says_what_is_told_by_when_and_writes_nothing(shop):
    workspace, versions = shop
    Shop(workspace, {}).live(24)
    entries, left = workspace.wiring.records.newest(), workspace.alpha_left("tide")
    over = {"share": (0.33,), "deadline": "9d"}
    found = workspace.ab_plan([versions["rival"], versions["third"]], over=over)
    assert (workspace.wiring.records.newest(), workspace.alpha_left("tide")) == (entries, left)
    assert workspace.wiring.records.all(Rollout, "tide") == []
    assert [reach.days for reach in found.reaches] == [3.0, 7.0, 9.0]
    assert found.units_per_day == pytest.approx(200 * 24, rel=0.01)
    sizes = [reach.difference for reach in found.reaches if reach.difference is not None]
    assert len(sizes) == 3
    assert sizes == sorted(sizes, reverse=True), "with more units smaller differences are told"
    workspace.ab([versions["rival"], versions["third"]], over=over)
    assert left - workspace.alpha_left("tide") == pytest.approx(found.alpha), "it spends what it said"


def test_who_may_take_part_is_held_to_sense(shop):
    workspace, versions = shop
    with pytest.raises(SpecError, match="is the champion already"):
        workspace.ab([versions["trees"]])
    with pytest.raises(SpecError, match="named twice"):
        workspace.ab([versions["rival"], versions["rival"]])
    with pytest.raises(SpecError, match=r"no verdict|may not take traffic"):
        workspace.ab([versions["noise"]])
    with pytest.raises(SpecError, match="pairs prove nothing") as refused:
        workspace.rollout(versions["rival"], anyway=True)
    assert "--ab" in refused.value.cure
    workspace.ab([versions["rival"]])
    with pytest.raises(Conflict, match="under way"):
        workspace.ab([versions["third"]])


def test_of_a_unit_only_what_its_model_knows_is_told(shop):
    from lockgate.errors import ContractError

    workspace, _ = shop
    with pytest.raises(ContractError, match="Did you mean 'revenue'"):
        workspace.unit_outcomes("tide", [("v1", "revenues", 1.0, FIRST_S)])
    with pytest.raises(ContractError, match="finite"):
        workspace.unit_outcomes("tide", [("v1", "revenue", float("nan"), FIRST_S)])
    assert workspace.unit_outcomes("tide", [("v1", "revenue", 9.5, FIRST_S)]) == 1
