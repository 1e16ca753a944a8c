"""Many processes at one dataset: two add, one compacts, one cleans, one reads a pinned version; and adders killed at work."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lockgate.errors import Conflict
from lockgate.store.delta import DeltaTables
from lockgate.workspace.workspace import Workspace

COMMON = """
import json, sys, time
import polars as pl
from pathlib import Path
from lockgate.errors import Conflict
from lockgate.workspace.workspace import Workspace
root, until = sys.argv[1], time.monotonic() + float(sys.argv[2])
"""
ADD = (
    COMMON
    + """
name, workspace, made, conflicts, turn = sys.argv[3], Workspace.open(root), [], 0, 0
whole = workspace.table("tide@0")
while time.monotonic() < until:
    turn += 1
    rows = whole[: 500 + turn].with_columns(boat=pl.format("{}-{}-{}", pl.lit(name), pl.lit(turn), pl.col("boat")))
    try:
        made.append([str(workspace.data("tide", rows).ref), rows.height, f"{name}-{turn}-"])
    except Conflict:
        conflicts += 1
print(json.dumps({"made": made, "conflicts": conflicts}))
"""
)
COMPACT = (
    COMMON
    + """
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError
done = 0
while time.monotonic() < until:
    try:
        DeltaTable(Path(root) / ".lockgate/tables/tide").optimize.z_order(["boat"])
        done += 1
    except CommitFailedError:
        pass
    time.sleep(0.05)
print(json.dumps({"compacted": done}))
"""
)
CLEAN = (
    COMMON
    + """
workspace, gone = Workspace.open(root, clock=lambda: time.time() + 90 * 86400), 0
while time.monotonic() < until:
    gone += len(workspace.clean("tide", older_than="30d").versions)
    time.sleep(0.05)
print(json.dumps({"gone": gone}))
"""
)
READ = (
    COMMON
    + """
from lockgate.features.content import digest
workspace, content, reads = Workspace.open(root), set(), 0
while time.monotonic() < until:
    content.add(digest(workspace.table("tide@0")))
    reads += 1
print(json.dumps({"reads": reads, "content": sorted(content)}))
"""
)


def start(program: str, root: Path, seconds: float, *more: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-W", "ignore", "-c", program, str(root), str(seconds), *more]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def end(child: subprocess.Popen[str]) -> Any:
    told, complained = child.communicate(timeout=120)
    assert child.returncode == 0, complained
    return json.loads(told)


def test_rows_that_a_compaction_put_together_meanwhile_are_not_in_the_version(tmp_path: Path) -> None:
    """Deltalake lets an overwrite pass a compaction, and the compacted rows stay beside the new ones."""
    tables = DeltaTables(tmp_path / ".lockgate" / "tables")
    refs = [tables.write("tide", pl.DataFrame({"boat": ["first"] * 9}))]
    child = start(COMPACT.replace("time.sleep(0.05)", ""), tmp_path, 6.0)
    written = conflicts = 0
    while child.poll() is None:
        rows = pl.DataFrame({"boat": [f"b{written}"] * (10 + written % 7)})
        try:
            refs.append(tables.write("tide", rows))
        except Conflict:
            conflicts += 1
            continue
        written += 1
        assert tables.read(refs[-1]).equals(rows)
    assert end(child)["compacted"] > 0
    assert written > conflicts


@pytest.mark.parametrize("seconds", [4.0, pytest.param(60.0, marks=pytest.mark.slow)])
def test_nothing_is_lost_while_two_add_one_compacts_one_cleans_and_one_reads(workshop: Any, seconds: float) -> None:
    root = workshop.root
    workspace = Workspace.open(root)
    (pinned,) = workspace.datasets("tide")
    children = [start(ADD, root, seconds, name) for name in ("one", "two")]
    children += [start(program, root, seconds) for program in (COMPACT, CLEAN, READ)]
    one, two, compacted, cleaned, read = [end(child) for child in children]

    assert min(len(one["made"]), len(two["made"]), compacted["compacted"], cleaned["gone"], read["reads"]) > 0
    assert read["content"] == [pinned.content], "the pinned version was read back exact, every time"
    made = {ref: (height, mark) for ref, height, mark in one["made"] + two["made"]}
    assert len(made) == len(one["made"]) + len(two["made"]), "no two adds were told of the same version"
    held = workspace.datasets("tide")[1:]
    assert {str(d.ref): d.rows for d in held} == {ref: height for ref, (height, _) in made.items()}
    assert [d.ref.version for d in held] == sorted({d.ref.version for d in held}), (
        "records stand in the order of versions"
    )
    kept = [d for d in held if workspace.wiring.tables.is_kept(d.ref)]
    assert cleaned["gone"] == len(held) - len(kept)
    assert kept[-1] == held[-1]
    for dataset in kept:
        rows = workspace.table(dataset.ref)
        height, mark = made[str(dataset.ref)]
        assert (rows.height, bool(rows["boat"].str.starts_with(mark).all())) == (height, True)
    assert workspace.table("tide@0").height == pinned.rows
    workspace.close()


KILLED = (
    COMMON
    + """
workspace, turn = Workspace.open(root), int(sys.argv[3]) * 1000
whole = workspace.table("tide@0")
print("begun", flush=True)
while True:
    turn += 1
    workspace.data("tide", whole.with_columns(boat=pl.format("{}-{}", pl.lit(turn), pl.col("boat"))))
"""
)


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_an_adder_killed_at_any_moment_leaves_whole_versions(workshop: Any, kills: int) -> None:
    chance, workspace = random.Random(7), Workspace.open(workshop.root)
    for number in range(kills):
        child = start(KILLED, workshop.root, 60, str(number))
        assert child.stdout is not None
        assert child.stdout.readline() == "begun\n"
        time.sleep(chance.uniform(0.05, 0.9))
        child.send_signal(signal.SIGKILL)
        child.communicate()
        for dataset in workspace.datasets("tide")[-3:]:
            rows = workspace.table(dataset.ref)
            assert rows.height == dataset.rows == 3000
            assert rows["boat"].str.extract(r"^(\d+)-").n_unique() == 1
    assert len(workspace.datasets("tide")) > kills // 2, "the adders had come to add something"
    whole: pl.DataFrame = workshop.table()
    made = workspace.data("tide", whole[:100])
    assert workspace.table("tide").height == made.rows == 100
    workspace.close()
