"""`lockgate score` killed at any moment: begun again it goes on, and every row is in OUT once and in the log once."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lockgate.records import Prediction, Shadow
from lockgate.records.prediction import Window
from lockgate.records.profile import read_profile
from lockgate.store.log_table import LogTables
from lockgate.store.log_union import UnionLog
from lockgate.store.segments import SegmentLog

DAYS, AT_ONCE = 40, 400
# The models answer some rows at a time, so that a kill can come between two stretches of one shard.
SCORE = """
import sys, time
from pathlib import Path
from lockgate.workspace import scoring
from lockgate.workspace.workspace import Workspace
import deltalake, polars

scoring.ASKED_AT_ONCE = 150
root = Path(sys.argv[1])
workspace = Workspace.open(root)
print("ready", flush=True)
options = scoring.Options(rows_at_once=int(sys.argv[3]))
found = workspace.score_table(root / "in.parquet", root / sys.argv[2], options=options)
print("scored", found.rows, found.resumed_at, found.seconds, flush=True)
"""


def parts(root: Path, out: str) -> int:
    return len(list((root / f"{out}.parts").glob("part-*")))


def score(root: Path, out: str, kill_at: int | None = None, after_s: float = 0.0) -> str | None:
    """What it said at the end; None where it was killed: so long after it had so many parts done."""
    argv = [sys.executable, "-W", "ignore", "-c", SCORE, str(root), out, str(AT_ONCE)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().strip() == "ready", process.stderr.read()
        if kill_at is not None:
            while process.poll() is None and parts(root, out) < kill_at:
                time.sleep(0.001)
            time.sleep(after_s)
            process.send_signal(signal.SIGKILL)
        said, wrong = process.stdout.read(), process.stderr.read()
    assert process.returncode in (0, -signal.SIGKILL), wrong
    return said.strip() or None


def log_of(shop: Any) -> UnionLog:
    return UnionLog(SegmentLog(shop.home / "log"), LogTables(shop.home / "tables"))


def read(path: Path) -> pl.DataFrame:
    return pl.read_delta(str(path)) if path.is_dir() else pl.read_parquet(path)


def killed_often(shop: Any, out: str, *, kills: int, seed: int, has_shadow: bool) -> None:
    chance = random.Random(seed)
    table = shop.table(first_day=41, days=DAYS, per_day=60 * kills)
    table.write_parquet(shop.root / "in.parquet")
    said = score(shop.root, f"undisturbed-{out}")
    assert said is not None
    shards = -(-table.height // AT_ONCE)
    part_s = float(said.split()[-1]) / shards
    shutil.rmtree(shop.home / "log")
    done = cut_short = 0
    for number in range(kills):
        # At any moment within the next parts; some before the first of a run, while what was logged is looked up.
        at = parts(shop.root, out) if number % 4 == 1 else (number + 1) * shards // (kills + 2)
        done += score(shop.root, out, at, chance.uniform(0.0, 3 * part_s)) is None
        cut_short += (shop.root / f"{out}.parts").exists()
        if number % 5 == 4:
            log_of(shop).compact(may_go_on=lambda: True)
    assert done == cut_short == kills, "it was at its end before it was killed so often"
    said = score(shop.root, out)
    assert said is not None
    assert int(said.split()[2]) > 0, "the last one went on"

    found, wanted = read(shop.root / out), table["boat"].to_list()
    assert not (shop.root / f"{out}.parts").exists()
    assert found["boat"].to_list() == wanted, "every row once, in the order of the table"
    assert found["value"].null_count() == 0
    entries = log_of(shop).read()[0]
    logged = {entry.id: entry for entry in entries if isinstance(entry, Prediction)}
    assert Counter(e.id for e in entries if isinstance(e, Prediction)) == Counter(found["id"].to_list())
    assert found["value"].to_list() == [logged[name].value for name in found["id"]]
    assert found["value"].equals(read(shop.root / f"undisturbed-{out}")["value"])
    shadows = Counter(entry.id for entry in entries if isinstance(entry, Shadow))
    assert shadows == (Counter(found["id"].to_list()) if has_shadow else Counter())
    assert log_of(shop).joined("tide").height == table.height
    windows = {(e.who, e.number): read_profile(e.profile, "A window") for e in entries if isinstance(e, Window)}
    assert sum(window.rows for window in windows.values()) == table.height, "each call is counted once"


@pytest.fixture
def shadowed(workshop: Any) -> Any:
    """Its traffic is shadowed by a challenger, so that each call has two entries in the log."""
    workspace = workshop.open()
    workspace.gate(workshop.versions["rival"])
    workspace.rollout(workshop.versions["rival"], by="the tests", anyway=True)
    workspace.close()
    return workshop


def test_three_kills_of_a_shadowed_scoring_lose_and_double_nothing(shadowed: Any) -> None:
    killed_often(shadowed, "out.parquet", kills=3, seed=5, has_shadow=True)


@pytest.mark.slow
def test_twenty_kills_lose_and_double_nothing(workshop: Any) -> None:
    killed_often(workshop, "out.parquet", kills=20, seed=11, has_shadow=False)


@pytest.mark.slow
@pytest.mark.parametrize("out", ["out.parquet", "out"])
def test_twenty_kills_of_a_shadowed_scoring_lose_and_double_nothing(shadowed: Any, out: str) -> None:
    killed_often(shadowed, out, kills=20, seed=17, has_shadow=True)
