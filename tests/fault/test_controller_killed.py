"""The control plane killed at every write of a whole rollout, and begun again: the ledger is that of one undisturbed run.

A person is in it too: the rollout is started, held, resumed and approved by commands that may die at any write like the loop.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

FIRST, DAYS, PER_DAY = 41, 10, 400
# Each try is a process of its own, forked from one that has all modules loaded, over a copy of the workspace. It ends
# without a word at its n-th write: just before a transaction is kept, just after, or between records and board.
SWEEP = """
import json, os, shutil, sys, traceback
from pathlib import Path
import msgspec
import polars as pl
from sqlalchemy import event
from lockgate.monitor import health
from lockgate.records import Move, Override, Rollout, RolloutSpec, Routing
from lockgate.report import ledger
from lockgate.store.routing_file import RoutingFiles
from lockgate.workspace.workspace import Workspace

root, version, wanted = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
SPEC = RolloutSpec(ladder=("shadow", 0.25, 0.5, 1.0), require_approval=(0.25,), deadline="9d", guardrails=("failures",))
NOW = 1_900_000_000.0
health.AT_MOST = 1.0  # a person's event time is that of the last health, which else may lag while the machine is busy


class Death:
    def __init__(self, at, when):
        self.at, self.when, self.writes = at, when, 0

    def write(self, when):
        self.writes += when == "before"
        if self.writes == self.at and when == self.when:
            os._exit(9)


def watched(workspace, death):
    engine = workspace.wiring.records._engine
    event.listen(engine, "commit", lambda _: death.write("before"))
    event.listen(engine, "checkin", lambda *_: death.write("after"))


def told(workspace, reason):
    return any(o.reason == reason for o in workspace.wiring.records.all(Override))


def story(folder, death=None):
    day = [0]
    workspace = Workspace.open(folder, clock=lambda: NOW + day[0])
    if death:
        watched(workspace, death)
    records = workspace.wiring.records
    with workspace.wiring.lease._engine.begin() as db:
        db.exec_driver_sql("DELETE FROM lease")  # that of whoever was killed has run out

    def tick():
        while (done := workspace.tick()).read:
            assert done.is_leader
        assert done.is_leader

    files = sorted((folder / "days").glob("*.parquet"))
    day[0] = sum(file.with_suffix(".done").exists() for file in files)
    if not records.all(Rollout):
        workspace.rollout(version, by="ann", spec=SPEC, anyway=True)
    if not day[0]:
        tick()  # who died between records and board left workers the old routing: no call before the loop turns
    for file in files:
        mark = file.with_suffix(".done")
        if not mark.exists():
            table = pl.read_parquet(file)
            found = workspace.score("tide", table, prefix="d")
            known = (table["known_at"].dt.epoch("us") / 1e6).to_list()
            workspace.outcomes("tide", list(zip([p.id for p in found], map(float, table["y"].to_list()), known)))
            mark.touch()
            day[0] += 1
        elif file is not files[day[0] - 1]:
            continue
        tick()
        running = records.all(Rollout)[0].is_running
        for number, act, reason in ((3, "hold", "Fog."), (5, "resume", "Clear."), (6, "approve", "Seen.")):
            if number == day[0] and running and not told(workspace, reason):
                getattr(workspace, act)("tide", by="ann", reason=reason)
                tick()
    tick()
    workspace.close()


def tried(name, death=None):
    # A copy for each, but for the versions, which nobody writes.
    folder = root.parent / name
    if not folder.exists():
        shutil.copytree(root, folder, ignore=shutil.ignore_patterns("versions", "mlflow*"))
        (folder / ".lockgate" / "versions").symlink_to(root / ".lockgate" / "versions")
    return folder, forked(lambda: story(folder, death) or {"writes": death.writes if death else 0}, folder)


def forked(act, folder):
    # What it gave stands in a file: whoever forks opens nothing itself.
    child = os.fork()
    if child == 0:
        code = 1
        try:
            (folder / "said").write_text(json.dumps(act()))
            code = 0
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def found(folder):
    code = forked(lambda: looked(folder), folder)
    assert code == 0, (folder.name, code)
    return json.loads((folder / "said").read_text())


def looked(folder):
    workspace = Workspace.open(folder, clock=lambda: NOW)
    records = workspace.wiring.records
    checked = ledger.verify_records(records)
    routing = records.get(Routing, "tide")
    moves = [m.kind for m in records.all(Move)]
    assert workspace.wiring.board.read("tide") == routing, "the board is not what the records say"
    return {"broken": checked.broken, "entries": checked.entries, "head": checked.head, "moves": moves,
            "routing": msgspec.to_builtins(routing)}


for _ in range(3):
    shutil.rmtree(root.parent / "undisturbed", ignore_errors=True)
    folder, code = tried("undisturbed", Death(-1, ""))
    if code >= 0:
        break
assert code == 0, code
writes = json.loads((folder / "said").read_text())["writes"]
report = {"writes": writes, "undisturbed": found(folder), "killed": []}
for at in range(wanted, writes + 1, wanted):
    for when in ("before", "after"):
        name = f"{when}-{at}"
        folder, code = tried(name, Death(at, when))
        assert code == 9, (name, code)
        for _ in range(3):
            folder, code = tried(name)
            if code >= 0:
                break  # a fork may fall over the threads of its libraries: one more kill, at nobody's choosing
        assert code == 0, (name, code)
        report["killed"].append([name, found(folder)])
        print(name, report["killed"][-1][1] == report["undisturbed"], file=sys.stderr, flush=True)
        shutil.rmtree(folder)
print(json.dumps(report))
"""


@pytest.mark.parametrize(
    "every", [pytest.param(140, id="some writes"), pytest.param(1, id="every write", marks=pytest.mark.slow)]
)
def test_killed_at_any_write_and_begun_again_the_ledger_is_that_of_one_run(workshop: Any, every: int) -> None:
    workspace = workshop.open()
    workspace.gate(workshop.versions["rival"])
    workspace.close()
    (workshop.root / "days").mkdir()
    for day in range(FIRST, FIRST + DAYS):
        workshop.table(first_day=day, days=1, per_day=PER_DAY).write_parquet(workshop.root / "days" / f"{day}.parquet")
    argv = [sys.executable, "-W", "ignore", "-c", SWEEP, str(workshop.root), workshop.versions["rival"]]
    ran = subprocess.run([*argv, str(every)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-4000:]
    report = json.loads(ran.stdout)
    undisturbed = report["undisturbed"]
    assert undisturbed["moves"] == ["install", "start", "advance", "undecided"], "the story must have moved"
    assert undisturbed["broken"] is None
    assert report["writes"] > 40
    assert report["killed"]
    differing = [name for name, found in report["killed"] if found != undisturbed]
    assert differing == []
