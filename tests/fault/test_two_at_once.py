"""Two processes at one rollout: of two starts one wins and pays, of two loops each move is made once, and clocks may jump."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
from typing import Any

import pytest

from lockgate.errors import Conflict
from lockgate.records import Move, Rollout, RolloutSpec, Routing, Spend
from lockgate.report import ledger
from lockgate.workspace.loop import LEASE, LEASE_S, Loop

SPEC = RolloutSpec(ladder=("shadow", 0.5, 1.0), guardrails=("failures",))
START = """
import sys, time
from pathlib import Path
from lockgate.errors import Conflict
from lockgate.records import RolloutSpec
from lockgate.workspace.workspace import Workspace

root, version, name = sys.argv[1:]
workspace = Workspace.open(root)
workspace.wiring.predictor(version)
print("ready", flush=True)
sys.stdin.readline()
try:
    workspace.rollout(version, by=name, anyway=True)
    print("won", flush=True)
except Conflict as error:
    print(f"lost: {error}", flush=True)
"""
LOOP = """
import sys, time
from lockgate.errors import LockgateError
from lockgate.workspace.workspace import Workspace

workspace, until = Workspace.open(sys.argv[1]), time.monotonic() + 60
print("ready", flush=True)
sys.stdin.readline()
turns = 0
while turns < 5 and time.monotonic() < until:
    turns += workspace.tick().is_leader
    time.sleep(0.02)
print(turns, flush=True)
"""


def started(code: str, *argv: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code, *argv],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def at_once(processes: list[subprocess.Popen[str]]) -> list[str]:
    """Let go together; what each said last."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate(timeout=30)
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=90) for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), said
    return [out for out, _ in said]


@pytest.fixture
def gated(workshop: Any) -> Any:
    """Both challengers have passed their gates, or at least not failed them."""
    workspace = workshop.open()
    workspace.gate(workshop.versions["rival"])
    workspace.close()
    return workshop


def test_of_two_starts_at_one_moment_one_wins_and_nothing_is_spent_twice(gated: Any) -> None:
    rival = gated.versions["rival"]
    before = len(gated.open().wiring.records.all(Spend))
    said = at_once([started(START, str(gated.root), rival, name) for name in ("ann", "bob")])
    assert sorted(out.split(":")[0].strip() for out in said) == ["lost", "won"], said
    records = gated.open().wiring.records
    (rollout,) = records.all(Rollout)
    assert [move.kind for move in records.all(Move)] == ["install", "start"]
    assert [spend.rollout for spend in records.all(Spend)[before:]] == [rollout.id] * 3
    assert ledger.verify_records(records).broken is None
    assert "under way" in next(out for out in said if out.startswith("lost"))


def test_a_start_that_loses_spends_nothing(gated: Any) -> None:
    """Somebody starts another version between the look and the writing: two rollouts would draw under two ids."""
    workspace, other = gated.open(), gated.open()
    records, taken = workspace.wiring.records, []
    plan = workspace._foretold

    def foretold(*asked: Any, **more: Any) -> Any:
        other.rollback("tide", to=other.version(gated.versions["trees"]).baseline, reason="Meanwhile.", by="bob")
        taken.append(len(records.all(Spend)))
        return plan(*asked, **more)

    workspace._foretold = foretold
    with pytest.raises(Conflict, match=r"same moment.*was not started, and nothing was spent"):
        workspace.rollout(gated.versions["rival"], by="ann", spec=SPEC, anyway=True)
    assert len(records.all(Spend)) == taken[0]
    assert records.all(Rollout) == []


def scored(shop: Any, days: int, *, first: int = 41, per_day: int = 400) -> None:
    workspace = shop.open()
    table = shop.table(first_day=first, days=days, per_day=per_day)
    found = workspace.score("tide", table, prefix="d")
    known = (table["known_at"].dt.epoch("us") / 1e6).to_list()
    workspace.outcomes("tide", list(zip([p.id for p in found], map(float, table["y"].to_list()), known, strict=True)))
    workspace.close()


def test_two_loops_over_one_workspace_make_each_move_once(gated: Any) -> None:
    workspace = gated.open()
    workspace.rollout(gated.versions["rival"], by="ann", spec=SPEC, anyway=True)
    workspace.close()
    scored(gated, 6)
    turns = [int(out) for out in at_once([started(LOOP, str(gated.root)) for _ in range(2)])]
    assert turns == [5, 5], "both must have led"
    records = gated.open().wiring.records
    moves = records.all(Move)
    assert [move.kind for move in moves] == ["install", "start", "advance"]
    assert [move.revision for move in moves] == [1, 2, 3]
    assert ledger.verify_records(records).broken is None
    assert gated.open().wiring.board.read("tide") == records.get(Routing, "tide")


def test_a_loop_that_slept_past_its_lease_takes_what_the_other_did_for_done(gated: Any) -> None:
    """Both read the same calls; the second judges and moves while the first sleeps within its turn."""
    workspace = gated.open()
    workspace.rollout(gated.versions["rival"], by="ann", spec=SPEC, anyway=True)
    scored(gated, 6)
    slow, quick = Loop(workspace.wiring), Loop(gated.open().wiring)
    watch_of = slow._watched

    def asleep(models: set[str]) -> Any:
        found = watch_of(models)
        if quick_turned:
            return found
        quick_turned.append(1)
        workspace.wiring.lease.release(LEASE, slow._holder)  # it ran out
        while quick.tick().read:
            pass
        return found

    quick_turned: list[int] = []
    slow._watched = asleep
    while slow.tick().read:
        pass
    records = workspace.wiring.records
    assert [move.kind for move in records.all(Move)] == ["install", "start", "advance"]
    assert ledger.verify_records(records).broken is None
    scored(gated, 2, first=47)
    while slow.tick().read:
        pass
    assert slow.tick().is_leader, "and goes on"


def test_a_clock_set_back_an_hour_makes_no_move_twice_and_leaves_no_lease_behind(gated: Any) -> None:
    workspace = gated.open()
    workspace.rollout(gated.versions["rival"], by="ann", spec=SPEC, anyway=True)
    scored(gated, 6)
    now = [time.time()]
    wiring = workspace.wiring
    dead = Loop(dataclasses.replace(wiring, clock=lambda: now[0]))
    while dead.tick().read:
        pass
    moves, entries = wiring.records.all(Move), wiring.records.entries()
    assert [move.kind for move in moves] == ["install", "start", "advance"]
    assert wiring.lease.acquire(LEASE, "who was killed", now_s=now[0], for_s=LEASE_S)
    now[0] -= 3600
    after = Loop(dataclasses.replace(wiring, clock=lambda: now[0]))
    assert after.tick().is_leader, "a lease from before the jump has run out"
    for loop in (after, dead):
        while loop.tick().read:
            pass
    assert wiring.records.all(Move) == moves
    assert wiring.records.entries() == entries


def test_a_deadline_is_event_time_whatever_the_clock_says(gated: Any) -> None:
    workspace = gated.open()
    spec = RolloutSpec(ladder=("shadow", 0.5, 1.0), guardrails=("failures",), deadline="3d")
    workspace.rollout(gated.versions["rival"], by="ann", spec=spec, anyway=True)
    wiring = workspace.wiring
    late = Loop(dataclasses.replace(wiring, clock=lambda: time.time() + 400 * 86400))
    scored(gated, 1, per_day=75)
    while late.tick().read:
        pass
    assert [move.kind for move in wiring.records.all(Move)] == ["install", "start"]
    scored(gated, 4, first=42, per_day=75)
    while late.tick().read:
        pass
    assert [move.kind for move in wiring.records.all(Move)] == ["install", "start", "undecided"]


def test_what_was_started_says_so_as_json(gated: Any) -> None:
    short = gated.versions["rival"][:12]
    ran = gated.run("rollout", "start", short, "--anyway", "--ladder", "shadow,0.5,1.0", "--deadline", "20d", "--json")
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["reason"].endswith("the ladder is shadow, 50%, 100%.")


def test_a_start_that_dies_before_the_board_is_published_by_a_turn_also_before_the_first_call(gated: Any) -> None:
    """Nobody has called yet: no event time, and without the routing on the board no first call would ever be routed."""
    workspace = gated.open()
    workspace.rollout(gated.versions["rival"], by="ann", spec=SPEC, anyway=True)
    wiring = workspace.wiring
    (gated.home / "routing" / "tide.json").unlink()
    assert wiring.board.read("tide") is None
    assert workspace.tick().is_leader
    assert wiring.board.read("tide") == wiring.records.get(Routing, "tide")
