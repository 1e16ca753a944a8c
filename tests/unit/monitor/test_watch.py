"""The watch: matured days become blocks and verdicts, once each, also when another leader or a restart comes between."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from lockgate.decide import ladder
from lockgate.monitor.evidence import FEWEST_PAIRS
from lockgate.monitor.fold import DAY_S
from lockgate.monitor.watch import ChampionFacts, Watch
from lockgate.records import (
    Block,
    Column,
    Contract,
    Health,
    LogSpec,
    ModelSpec,
    Outcome,
    OutcomesSpec,
    PairBlock,
    Prediction,
    Rollout,
    RolloutSpec,
    RolloutState,
    Routing,
    Ruling,
    Shadow,
    Verdict,
)
from lockgate.records.harm_state import HarmState
from lockgate.records.prediction import LogEntry
from lockgate.store.memory import MemoryRecords

PER_DAY = 40
SPEC = ModelSpec(target="late", outcomes=OutcomesSpec(horizon="12h"))
CONTRACT = Contract(
    model="m",
    columns=(Column(name="wait", type="float"), Column(name="late", type="int", is_known_before=False)),
    target="late",
)
FACTS = ChampionFacts(contract=CONTRACT, profile=None, skill=None)
ROUTING = Routing(model="m", revision=2, champion="old", baseline=None, constant=0.2, challenger="new", rollout="r1")
PLAN = RolloutSpec(ladder=("shadow", 0.25, 1.0), prove="better")
ROLLOUT = Rollout(
    id="r1",
    model="m",
    champion="old",
    challenger="new",
    spec=PLAN,
    steps=ladder.steps(PLAN),
    at=0,
    state=RolloutState.RUNNING,
    started_s=0,
    stepped_s=0,
    deadline_s=1e9,
    not_worse_by=0.002,
)


def days(count: int, *, gain: float = 0.08, per_day: int = PER_DAY, seed: int = 71) -> list[LogEntry]:
    """Shadowed calls: the outcome's chance is .5 either way, the challenger leans to the truth by `gain` on average."""
    rng = np.random.default_rng(seed)
    found: list[LogEntry] = []
    for number in range(count * per_day):
        asked_s = number * DAY_S / per_day
        late = float(rng.random() < 0.5)
        lean = np.clip(gain + 0.2 * rng.standard_normal(), -0.4, 0.4)
        known = {"id": f"p{number}", "model": "m", "asked_s": asked_s, "latency_ms": 2.0}
        found.append(
            Prediction(
                **known,
                unit="u",
                answered_s=asked_s,
                arm="champion",
                version="old",
                served_by="old",
                value=0.5,
                rollout="r1",
                inputs=(1.0,),
            )
        )
        value = 0.5 + lean if late else 0.5 - lean
        found.append(Shadow(**known, version="new", rollout="r1", value=float(value)))
        found.append(Outcome(id=f"p{number}", model="m", value=late, at_s=asked_s + 3600, received_s=asked_s + 3600))
    return found


def looked(entries: list[LogEntry], records: MemoryRecords, *, at_a_time: int = PER_DAY * 3) -> Watch:
    watch = Watch("m", SPEC, records)
    for start in range(0, len(entries), at_a_time):
        watch.feed(entries[start : start + at_a_time], now_s=1e9)
        watch.look(ROUTING, ROLLOUT, FACTS, now_s=1e9)
    return watch


def test_every_matured_day_is_a_block_of_the_champion_and_one_of_the_pair() -> None:
    records = MemoryRecords()
    looked(days(5), records)
    assert [block.start_s for block in records.all(Block)] == [day * DAY_S for day in range(4)]
    assert [(block.calls, block.labelled, block.scored) for block in records.all(Block)] == [(PER_DAY,) * 3] * 4
    for pair in records.all(PairBlock):
        assert pair.champion_loss == pytest.approx(PER_DAY * math.log(2))
        assert (pair.scored, pair.champion, pair.challenger) == (PER_DAY, "old", "new")


def test_worth_is_judged_once_a_day_until_it_is_settled() -> None:
    records = MemoryRecords()
    looked(days(60), records)
    worth = [v for v in records.all(Verdict) if v.gate.name == "worth"]
    assert [v.evidence.blocks for v in worth] == list(range(1, len(worth) + 1))
    assert {v.ruling for v in worth[:-1]} == {Ruling.UNDECIDED}
    assert worth[-1].ruling is Ruling.PASS
    assert len(worth) < 59


def test_safety_speaks_once_for_a_step() -> None:
    records = MemoryRecords()
    looked(days(12), records)
    safe = [v for v in records.all(Verdict) if v.gate.name.startswith("safe")]
    assert [(v.gate.name, v.ruling) for v in safe] == [("safe at shadow", Ruling.PASS)]


def test_a_day_of_a_handful_of_pairs_is_no_block_of_worth() -> None:
    records = MemoryRecords()
    looked(days(10, per_day=FEWEST_PAIRS - 1), records, at_a_time=FEWEST_PAIRS)
    assert len(records.all(PairBlock)) == 9
    assert not [v for v in records.all(Verdict) if v.gate.name == "worth"]


def test_looking_again_writes_nothing_new() -> None:
    records = MemoryRecords()
    watch = looked(days(6), records)
    entries, blocks = records.entries(), records.all(Block)
    assert watch.look(ROUTING, ROLLOUT, FACTS, now_s=2e9) == []
    assert records.entries() == entries
    assert records.all(Block) == blocks


def test_a_watch_started_again_from_the_log_writes_nothing_twice_and_goes_on_alike() -> None:
    entries = days(9)
    half = len(entries) // 2
    whole, broken = MemoryRecords(), MemoryRecords()
    looked(entries, whole)
    looked(entries[:half], broken)
    looked(entries, broken, at_a_time=len(entries))
    assert broken.all(Block) == whole.all(Block)
    assert broken.all(PairBlock) == whole.all(PairBlock)
    assert [v.evidence.log_e for v in broken.all(Verdict) if v.gate.name == "worth"][-1] == [
        v.evidence.log_e for v in whole.all(Verdict) if v.gate.name == "worth"
    ][-1]


def test_a_leader_that_comes_back_goes_on_from_what_the_other_has_judged() -> None:
    """It never hands out the calls of days that the other closed: without them its own counts would be of another rollout."""
    entries = days(14)
    per_day = 3 * PER_DAY
    undisturbed, records = MemoryRecords(), MemoryRecords()
    looked(entries, undisturbed, at_a_time=per_day)

    first = looked(entries[: 3 * per_day], records, at_a_time=per_day)
    second = looked(entries[: 10 * per_day], records, at_a_time=10 * per_day)
    first.catch_up()
    for start in range(3 * per_day, len(entries), per_day):
        first.feed(entries[start : start + per_day], now_s=1e9)
        if start >= 10 * per_day:
            first.look(ROUTING, ROLLOUT, FACTS, now_s=1e9)
    assert records.all(PairBlock) == undisturbed.all(PairBlock)
    assert records.get(HarmState, "r1") == undisturbed.get(HarmState, "r1")
    second.catch_up()
    assert second.look(ROUTING, ROLLOUT, FACTS, now_s=1e9) == []


def test_days_that_another_leader_closed_are_closed_here_too() -> None:
    records, entries = MemoryRecords(), days(6)
    follower = Watch("m", SPEC, records)
    follower.feed(entries, now_s=1e9)
    looked(entries, records)
    before = records.entries()
    follower.catch_up()
    assert follower.look(ROUTING, ROLLOUT, FACTS, now_s=2e9) == []
    assert records.entries() == before


def test_health_counts_the_last_day_and_is_silent_before_the_first_call() -> None:
    records = MemoryRecords()
    assert Watch("m", SPEC, records).health(1.0) is None
    watch = looked(days(3), records)
    found = watch.health(5.0)
    assert isinstance(found, Health)
    assert found.calls == {"old": PER_DAY}
    assert (found.fallback_rate, found.p99_ms, found.outcome_lag_s) == (0.0, 2.0, 3600.0)


def test_health_is_told_again_when_calls_have_come_or_some_seconds_have_gone_by() -> None:
    watch = looked(days(3), MemoryRecords())
    assert watch.health(5.0) is not None
    assert watch.health(6.0) is None
    again = watch.health(11.0)
    assert again is not None
    assert again.seen_s == 11.0
    assert watch.health(2.0) is not None, "a clock set back puts nothing off"


def test_a_models_clock_keeps_up_with_its_calls_while_its_figures_are_too_dear_to_be_made_again() -> None:
    """Else a rollout that starts behind days of calls, sent in a moment, would start before them."""
    dear, later = days(1, per_day=20_000), days(4)[-3 * PER_DAY :]
    watch = Watch("m", SPEC, MemoryRecords())
    watch.feed(dear, now_s=1e9)
    first = watch.health(5.0)
    watch.feed(later, now_s=1e9)
    second = watch.health(5.1)
    assert first is not None
    assert second is not None
    assert second.until_s == first.until_s == first.clock_s, "the figures are those of before"
    assert second.clock_s == watch.event_s > first.clock_s + 2 * DAY_S


def test_the_log_keeps_open_days_and_those_of_a_rollout_that_runs_whatever_its_retention() -> None:
    records = MemoryRecords()
    brief = msgspec.structs.replace(SPEC, log=LogSpec(retention="3d"))
    watch = Watch("m", brief, records)
    assert watch.forgotten_until_s == -math.inf, "nothing was seen"
    watch.feed(days(9), now_s=1e9)
    assert watch.forgotten_until_s == 0.0, "the oldest open day"
    watch.look(ROUTING, None, FACTS, now_s=1e9)
    assert watch.forgotten_until_s == watch.event_s - 3 * DAY_S
    records.write(msgspec.structs.replace(ROLLOUT, started_s=2 * DAY_S))
    assert watch.forgotten_until_s == 2 * DAY_S
    assert Watch("m", SPEC, records).forgotten_until_s == -math.inf, "kept for good"


def failing(at_s: NDArray[np.float64], worker: str, failure: str | None) -> list[Prediction]:
    return [
        Prediction(
            id=f"{worker}{at}",
            model="m",
            unit="u",
            asked_s=at,
            answered_s=at,
            arm="champion",
            version="old",
            served_by="old",
            value=0.5,
            latency_ms=1.0,
            failure=failure,
        )
        for at in at_s.tolist()
    ]


def test_an_old_storm_is_not_told_again_where_the_log_brings_the_workers_calls_in_another_order() -> None:
    records = MemoryRecords()
    workers = {
        name: [
            *failing(np.arange(0.0, 400.0) + shift, name, None),
            *failing(np.arange(400.0, 440.0) + shift, name, "late"),
            *failing(np.arange(440.0, 1_000.0) + shift, name, None),
        ]
        for name, shift in (("a", 0.0), ("b", 0.5))
    }
    first = Watch("m", SPEC, records)
    for call in sorted((call for own in workers.values() for call in own), key=lambda call: call.asked_s):
        first.feed([call], now_s=1e9)
    told = first.watch_fallbacks(ROUTING, now_s=1e9)
    assert [alarm.severity for alarm in told] == ["page", "note"]
    for _ in range(3):
        again = Watch("m", SPEC, records)
        again.feed([*workers["a"], *workers["b"]], now_s=1e9)
        assert again.watch_fallbacks(ROUTING, now_s=1e9) == []
    again.feed(failing(np.arange(2_000.0, 2_040.0), "a", "gone"), now_s=1e9)
    (page,) = again.watch_fallbacks(ROUTING, now_s=1e9)
    assert (page.severity, "gone" in page.sentence) == ("page", True)
