"""The database refuses at any of the loop's writes, is moved away, or is locked: the loop says so and goes on after, and what
it decides is what it would have decided anyway.
"""

from __future__ import annotations

import shutil
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from lockgate.errors import StoreError
from lockgate.records import Move, RolloutSpec
from lockgate.report import ledger
from lockgate.workspace.loop import Loop

SPEC = RolloutSpec(ladder=("shadow", 0.5, 1.0), guardrails=("failures",))
NOT_THERE = sqlite3.OperationalError("disk I/O error")


@pytest.fixture
def begun(workshop: Any) -> Any:
    """A rollout under way, and days of calls that will move it."""
    workspace = workshop.open()
    workspace.gate(workshop.versions["rival"])
    workspace.rollout(workshop.versions["rival"], by="ann", spec=SPEC, anyway=True)
    table = workshop.table(first_day=41, days=6, per_day=400)
    found = workspace.score("tide", table, prefix="d")
    known = (table["known_at"].dt.epoch("us") / 1e6).to_list()
    workspace.outcomes("tide", list(zip([p.id for p in found], map(float, table["y"].to_list()), known, strict=True)))
    workspace.close()
    return workshop


def copy(shop: Any, root: Path) -> Any:
    shutil.copytree(shop.root, root)
    return type(shop)(root, shop.versions)


def decided(workspace: Any) -> list[tuple[str, str]]:
    records = workspace.wiring.records
    assert ledger.verify_records(records).broken is None
    return [(entry.kind, entry.subject) for entry in records.entries()]


def turned(loop: Loop) -> int:
    """Until nothing is new, with a turn that fails tried again, as the control plane does. How many failed."""
    failed = quiet = 0
    while quiet < 2:
        try:
            quiet = 0 if loop.tick().read else quiet + 1
        except StoreError:
            failed += 1
            assert failed < 10
    return failed


@pytest.mark.parametrize(
    "every", [pytest.param(8, id="some writes"), pytest.param(1, id="every write", marks=pytest.mark.slow)]
)
def test_a_write_that_is_refused_is_made_at_the_next_turn_and_decides_the_same(
    begun: Any, tmp_path: Path, every: int
) -> None:
    """Each of the loop's writes in turn, refused once: what was judged before it must be judged again, not forgotten."""
    quiet = copy(begun, tmp_path / "quiet").open()
    assert turned(Loop(quiet.wiring)) == 0
    wanted = decided(quiet)
    assert [move.kind for move in quiet.wiring.records.all(Move)] == ["install", "start", "advance"]
    refused = 0
    for at in range(2, 40, every):
        workspace = copy(begun, tmp_path / f"refused-{at}").open()
        writes = [0]

        def fail(_db: Any, _cursor: Any, statement: str, *_more: Any, at: int = at, writes: list[int] = writes) -> None:
            writes[0] += statement.startswith(("INSERT", "UPDATE")) and "lease" not in statement
            if writes[0] == at and statement.startswith(("INSERT", "UPDATE")):
                writes[0] += 1
                raise NOT_THERE

        event.listen(workspace.wiring.records._engine, "before_cursor_execute", fail)
        failed = turned(Loop(workspace.wiring))
        refused += failed
        assert decided(workspace) == wanted, f"the write {at} was refused"
        assert workspace.wiring.board.read("tide") == quiet.wiring.board.read("tide")
        shutil.rmtree(tmp_path / f"refused-{at}")
        if writes[0] < at:
            break
    assert refused > 2, "the writes must have been refused"


def test_a_database_that_was_moved_away_is_missed_by_name_and_found_again(begun: Any) -> None:
    workspace = begun.open()
    loop, file = Loop(workspace.wiring), begun.home / "lockgate.db"
    workspace.wiring.records._engine.dispose()
    for name in ("lockgate.db", "lockgate.db-wal", "lockgate.db-shm"):
        if (begun.home / name).exists():
            (begun.home / name).rename(begun.home / f"away-{name}")
    for _ in range(3):
        with pytest.raises(StoreError, match="The database refused: unable to open database file"):
            loop.tick()
    assert not file.exists(), "an empty one in its place would be taken for the workspace's"
    for name in ("lockgate.db", "lockgate.db-wal", "lockgate.db-shm"):
        if (begun.home / f"away-{name}").exists():
            (begun.home / f"away-{name}").rename(begun.home / name)
    assert turned(loop) == 0
    assert [move.kind for move in workspace.wiring.records.all(Move)] == ["install", "start", "advance"]
    decided(workspace)


@pytest.mark.parametrize("held_s", [3.0, pytest.param(60.0, marks=pytest.mark.slow)])
def test_a_database_that_somebody_locks_is_waited_for_and_nothing_is_lost(begun: Any, held_s: float) -> None:
    workspace = begun.open()
    locked, free = threading.Event(), threading.Event()

    def lock() -> None:
        db = sqlite3.connect(begun.home / "lockgate.db", isolation_level=None)
        db.execute("BEGIN IMMEDIATE")
        locked.set()
        free.wait(held_s)
        db.execute("ROLLBACK")
        db.close()

    holder = threading.Thread(target=lock)
    holder.start()
    assert locked.wait(10)
    began = time.monotonic()
    failed, loop = 0, Loop(workspace.wiring)
    while time.monotonic() - began < held_s:
        try:
            loop.tick()
        except StoreError as error:
            failed += "locked" in str(error)
    holder.join()
    assert failed >= (held_s > 20), "it says so where it waited for longer than ten seconds"
    turned(loop)
    assert [move.kind for move in workspace.wiring.records.all(Move)] == ["install", "start", "advance"]
    decided(workspace)
