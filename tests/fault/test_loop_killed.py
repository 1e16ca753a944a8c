"""The loop killed again and again during a replay of scored days: what it decided is what it would have decided anyway."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time

from lockgate.records import Routing
from lockgate.report.ledger import verify

FIRST, DAYS = 41, 24
# A day is scored once; where the end came before its mark, again under the same ids by the same routing. The clock steps
# past the lease of whoever was killed.
REPLAY = """
import sys, time
from pathlib import Path
import polars as pl
from lockgate.workspace.workspace import Workspace

root, turn = Path(sys.argv[1]), int(sys.argv[2])
workspace = Workspace.open(root, clock=lambda: time.time() + 60 * turn)


def tick(what):
    print("tick", what, flush=True)
    while (done := workspace.tick()).read:
        assert done.is_leader
    assert done.is_leader


tick("first")
for file in sorted((root / "days").glob("*.parquet")):
    mark = file.with_suffix(".done")
    if mark.exists():
        continue
    table = pl.read_parquet(file)
    print("score", file.stem, flush=True)
    found = workspace.score("tide", table, prefix="d")
    known = (table["known_at"].dt.epoch("us") / 1e6).to_list()
    told = zip([p.id for p in found], map(float, table["y"].to_list()), known, strict=True)
    workspace.outcomes("tide", list(told))
    mark.touch()
    tick(file.stem)
workspace.close()
print("end", flush=True)
"""


def replay(root, turn: int, kill_at: str | None = None, after_s: float = 0.0) -> bool:
    """Run the replay; True where it came to its end. kill_at: the line on which it is killed, `after_s` later."""
    argv = [sys.executable, "-c", REPLAY, str(root), str(turn)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.strip() == kill_at:
                time.sleep(after_s)
                process.send_signal(signal.SIGKILL)
                process.wait(10)
                return False
        said = process.stderr.read()
    assert process.returncode == 0, said
    return True


def ledger(shop) -> list[tuple[str, str]]:
    entries = shop.open().wiring.records.entries()
    assert verify(entries).broken is None
    return [(entry.kind, entry.subject) for entry in entries if entry.kind in ("verdict", "move")]


def test_a_loop_killed_at_any_time_decides_what_an_undisturbed_one_decides(workshop, tmp_path):
    workspace = workshop.open()
    workspace.gate(workshop.versions["rival"])
    workspace.rollout(workshop.versions["rival"], by="the tests", anyway=True)
    (workshop.root / "days").mkdir()
    for day in range(FIRST, FIRST + DAYS):
        workshop.table(first_day=day, days=1).write_parquet(workshop.root / "days" / f"{day}.parquet")
    began = len(ledger(workshop))
    other = type(workshop)(tmp_path / "undisturbed", workshop.versions)
    shutil.copytree(workshop.root, other.root)

    kills = [("tick 41", 0.0), ("tick 43", 0.004), ("score 47", 0.002), ("tick 49", 0.012), ("tick 55", 0.03)]
    for turn, (line, after_s) in enumerate(kills):
        assert not replay(workshop.root, turn, line, after_s), f"it was not killed at {line}"
    assert replay(workshop.root, len(kills))
    assert replay(other.root, 0)

    undisturbed = ledger(other)
    assert len(undisturbed) > began, "the days must have decided something"
    assert {kind for kind, _ in undisturbed[began:]} == {"verdict", "move"}
    assert ledger(workshop) == undisturbed
    ours, theirs = (shop.open().wiring.records.get(Routing, "tide") for shop in (workshop, other))
    assert ours == theirs
    published = workshop.open().wiring.board.read("tide")
    assert published == ours
