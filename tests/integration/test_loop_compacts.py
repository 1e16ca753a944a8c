"""The loop keeps the log: compacted once a minute, read on by those that run and by those that begin."""

from __future__ import annotations

import dataclasses
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lockgate.records import Block, Health, LogSpec, Prediction, Routing
from lockgate.records.prediction import LogEntry
from lockgate.store.segment_writer import SegmentWriter
from lockgate.store.segments import SegmentLog
from lockgate.store.serving_file import ServingFile
from lockgate.workspace.loop import COMPACT_EVERY_S, Loop


@pytest.fixture
def shop(built: Any, tmp_path: Path) -> Any:
    root = tmp_path / "project"
    shutil.copytree(built.root, root)
    return type(built)(root, dict(built.versions))


class Clock:
    def __init__(self, at_s: float) -> None:
        self.at_s = at_s

    def __call__(self) -> float:
        return self.at_s


def tell(workspace: Any, shop: Any, first: int, days: int) -> None:
    for day in range(first, first + days):
        table = shop.table(first_day=day, days=1, per_day=40)
        found = workspace.score("tide", table, prefix=f"d{day}")
        known = (table["known_at"].dt.epoch("us") / 1e6).to_list()
        workspace.outcomes("tide", list(zip([p.id for p in found], map(float, table["y"]), known, strict=True)))
    workspace.close()  # seals the segment


def segments(workspace: Any) -> list[Path]:
    return list((workspace.wiring.home / "log").glob("*.seg"))


def test_a_loop_compacts_what_is_sealed_and_a_new_one_knows_all_of_it(shop: Any) -> None:
    workspace = shop.open()
    clock = Clock(workspace.wiring.clock())
    wiring = dataclasses.replace(workspace.wiring, clock=clock)
    loop = Loop(wiring)
    tell(workspace, shop, 41, 4)
    read = loop.tick().read
    assert read > 300
    assert segments(workspace)
    clock.at_s += COMPACT_EVERY_S + 1
    assert loop.tick().problems == []
    assert not segments(workspace)
    tell(workspace, shop, 45, 2)
    assert 100 < loop.tick().read < read
    entries: list[LogEntry] = wiring.log.read()[0]
    blocks = wiring.records.all(Block, "tide")
    anew = Loop(wiring)
    assert anew.tick().read == len(entries)
    assert wiring.records.all(Block, "tide") == blocks


def test_a_loop_forgets_what_is_older_than_the_retention_by_event_time(shop: Any) -> None:
    workspace = shop.open()
    spec = workspace.wiring.spec
    model = msgspec.structs.replace(spec.model["tide"], log=LogSpec(retention="3d"))
    clock = Clock(workspace.wiring.clock())
    wiring = dataclasses.replace(
        workspace.wiring, clock=clock, spec=msgspec.structs.replace(spec, model={"tide": model})
    )
    loop = Loop(wiring)
    tell(workspace, shop, 41, 6)
    clock.at_s += COMPACT_EVERY_S + 1
    loop.tick()
    asked = sorted({int(e.asked_s // 86_400) for e in wiring.log.read()[0] if hasattr(e, "answered_s")})
    assert len(asked) == 4
    assert asked[-1] - asked[0] == 3


def test_what_lockgate_toml_says_of_the_log_reaches_serving_processes(shop: Any) -> None:
    path = shop.root / "lockgate.toml"
    path.write_text(path.read_text() + '\n[model.tide.log]\nmode = "sampled"\nshare = 0.25\n')
    workspace = shop.open()
    assert ServingFile(workspace.wiring.home).read()["tide"].log == LogSpec(mode="sampled", share=0.25)
    tell(workspace, shop, 41, 1)
    logged = [e for e in workspace.wiring.log.read()[0] if hasattr(e, "answered_s")]
    whole = sum(bool(e.inputs) for e in logged)
    assert 0 < whole < len(logged)


def test_one_call_dated_in_the_future_closes_no_day_and_lets_nothing_be_forgotten(shop: Any) -> None:
    workspace = shop.open()
    spec = workspace.wiring.spec
    model = msgspec.structs.replace(spec.model["tide"], log=LogSpec(retention="90d"))
    clock = Clock(workspace.wiring.clock())
    wiring = dataclasses.replace(
        workspace.wiring, clock=clock, spec=msgspec.structs.replace(spec, model={"tide": model})
    )
    loop = Loop(wiring)
    tell(workspace, shop, 41, 3)
    loop.tick()
    blocks = wiring.records.all(Block, "tide")
    found = [e for e in wiring.log.read()[0] if isinstance(e, Prediction)]
    bad = msgspec.structs.replace(found[0], id="bad", asked_s=clock.at_s + 400 * 86_400)
    writer = SegmentLog(wiring.home / "log").writer()
    writer.append([bad])
    writer.close()
    clock.at_s += COMPACT_EVERY_S + 1
    loop.tick()
    assert wiring.records.all(Block, "tide") == blocks
    left = {e.id for e in wiring.log.read()[0] if isinstance(e, Prediction)}
    assert left == {"bad", *(e.id for e in found)}
    assert wiring.records.get(Health, "tide").until_s < clock.at_s


def test_the_stuck_compactors_alarm_names_its_own_reason(shop: Any) -> None:
    workspace = shop.open()
    clock = Clock(workspace.wiring.clock())
    wiring = dataclasses.replace(workspace.wiring, clock=clock)
    tell(workspace, shop, 41, 1)
    found = next(e for e in wiring.log.read()[0] if isinstance(e, Prediction))
    writer = SegmentLog(wiring.home / "log").writer()
    writer.append([msgspec.structs.replace(found, id="other", model="stranger")])
    writer.close()
    loop, alarms = Loop(wiring), []
    for _ in range(8):
        clock.at_s += COMPACT_EVERY_S + 1
        wiring.lease.acquire("compactor", "somebody", now_s=clock.at_s, for_s=COMPACT_EVERY_S)
        done = loop.tick()
        assert "stranger" in done.problems[0]
        alarms += [alarm for alarm in done.alarms if alarm.cause == "log"]
    (alarm,) = alarms
    assert "Somebody else holds its lock" in alarm.sentence
    assert "stranger" not in alarm.sentence


def test_a_model_that_begins_tells_the_other_models_nothing_twice(shop: Any) -> None:
    workspace = shop.open()
    spec = workspace.wiring.spec
    models = {"tide": spec.model["tide"], "wind": spec.model["tide"]}
    wiring = dataclasses.replace(workspace.wiring, spec=msgspec.structs.replace(spec, model=models))
    loop = Loop(wiring)
    tell(workspace, shop, 41, 4)
    read = loop.tick().read
    routing = wiring.records.get(Routing, "tide")
    before, blocks = wiring.records.get(Health, "tide"), wiring.records.all(Block, "tide")
    wiring.records.write(msgspec.structs.replace(routing, model="wind"))
    assert loop.tick().read == read, "a new watch reads the log from its start"
    health = wiring.records.get(Health, "tide")
    assert msgspec.structs.replace(health, seen_s=before.seen_s) == before
    assert health.late_outcomes == 0
    assert wiring.records.all(Block, "tide") == blocks


def test_a_loop_that_makes_one_turn_compacts_what_has_waited(shop: Any) -> None:
    workspace = shop.open()
    tell(workspace, shop, 41, 1)
    (segment,) = segments(workspace)
    Loop(workspace.wiring).tick()
    assert segments(workspace) == [segment], "what is fresh is left to the next turn"
    waited = f"{time.time_ns() - 61 * 10**9:020d}-1-abcdef"
    writer = SegmentWriter(segment.parent)
    writer._worker = waited
    writer.append(workspace.wiring.log.read()[0][:3])
    writer.close()
    assert Loop(workspace.wiring).tick().problems == []
    assert not segments(workspace)


def test_a_clock_set_back_puts_no_compaction_off(shop: Any) -> None:
    workspace = shop.open()
    clock = Clock(workspace.wiring.clock())
    loop = Loop(dataclasses.replace(workspace.wiring, clock=clock))
    tell(workspace, shop, 41, 1)
    clock.at_s -= 3_600
    loop.tick()
    assert not segments(workspace)


def test_a_turn_ends_though_calls_never_stop_coming(shop: Any) -> None:
    workspace = shop.open()
    tell(workspace, shop, 41, 1)
    log = workspace.wiring.log
    found = next(e for e in log.read()[0] if isinstance(e, Prediction))
    stop, turned = threading.Event(), threading.Event()

    def call(worker: int) -> None:
        writer = log.writer()
        number = 0
        while not stop.is_set():
            writer.append([msgspec.structs.replace(found, id=f"{worker}-{number}")])
            number += 1
            time.sleep(0.0002)
        writer.close()

    def turn() -> None:
        Loop(workspace.wiring).tick()
        turned.set()

    callers = [threading.Thread(target=call, args=(worker,)) for worker in range(2)]
    loop = threading.Thread(target=turn)
    for thread in (*callers, loop):
        thread.start()
    has_turned = turned.wait(5)
    stop.set()
    for thread in (*callers, loop):
        thread.join(30)
    assert has_turned
