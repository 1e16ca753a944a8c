"""What one draw on the alpha budget costs, beside a bare SQLite insert and commit of the same bytes on the same disk.

    python benchmarks/ledger_spend.py [FOLDER]     # FOLDER: on the disk to measure; by default the one this file is on

Draws and bare inserts take turns, so that whatever else the disk does strikes both alike; the ratio is of their medians.
"fsync" is the median of waiting for the disk: the bare insert, less the same insert with synchronous=OFF. "within a window"
puts every earlier draw into the stretch that must be summed, which at a budget of 2 a year leaves each an alpha of 1e-5;
"over years" gives each the default .01 and spreads them as a budget must, 199 in any year. The last line is a ledger in
which verdicts with long paths lie between the draws.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from lockgate.records import BudgetSpec, Evidence, Gate, Ruling, Spend, Verdict, encode, spend_id
from lockgate.store.sql import SqlRecords
from lockgate.store.sql_tables import connect_file

TIMES, YEAR_S, NOW_S = 1000, 365 * 86400.0, 1.7e9
SPEC = BudgetSpec()
# 1,000 draws more must fit beside 10,000: what is measured is a draw that is allowed.
TINY, USUAL = 1e-5, 0.01


def draw(number: int, alpha: float, at_s: float) -> Spend:
    gate = f"guardrail {number}"
    return Spend(
        id=spend_id("delay", ("r1-0a1b2c",), gate),
        model="delay",
        gate=gate,
        alpha=alpha,
        at_s=at_s,
        written_s=at_s,
        rollout="r1-0a1b2c",
    )


def verdict(number: int) -> Verdict:
    gate = Gate(
        name="worth", question="worth", claim="better", measure="m", method="m", margin=0, alpha=0.05, guarantee="exact"
    )
    path = tuple(0.001 * step for step in range(400))
    return Verdict(
        id=f"v{number}",
        model="delay",
        ruling=Ruling.UNDECIDED,
        gate=gate,
        evidence=Evidence(path=path, values=path),
        subject=("new", "old"),
        sentence="It is not decided.",
        at_s=NOW_S,
        written_s=NOW_S,
    )


def bare(file: Path, synchronous: str) -> Callable[[int, bytes], None]:
    """One insert and its commit, on a table of a number and the bytes."""
    db = sqlite3.connect(file, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute(f"PRAGMA synchronous={synchronous}")
    db.execute("CREATE TABLE row (number INTEGER PRIMARY KEY, body BLOB)")

    def insert(number: int, body: bytes) -> None:
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO row VALUES (?, ?)", (number, body))
        db.execute("COMMIT")

    return insert


def milliseconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)


def quantile(times: list[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, int(share * len(times)))]


def measure(name: str, held: list[Spend], folder: Path, verdicts: int = 0) -> None:
    records = SqlRecords(connect_file(folder / "lockgate.db"))
    each = max(1, len(held) // verdicts) if verdicts else len(held)
    for start in range(0, len(held), each or 1):
        records.spend(SPEC, *held[start : start + each])
        if verdicts:
            records.write(verdict(start))
    full, off = bare(folder / "full.db", "FULL"), bare(folder / "off.db", "OFF")
    spends, inserts, unsynced = list[float](), list[float](), list[float]()
    for number in range(TIMES):
        new = draw(len(held) + number, TINY, NOW_S + number)
        body = encode(new)
        spends.append(milliseconds(partial(records.spend, SPEC, new)))
        inserts.append(milliseconds(partial(full, number, body)))
        unsynced.append(milliseconds(partial(off, number, body)))
    p50, bare50 = quantile(spends, 0.5), quantile(inserts, 0.5)
    print(
        f"{name:<32} {p50:7.3f} {quantile(spends, 0.99):7.3f}   {bare50:7.3f} {quantile(inserts, 0.99):7.3f}   "
        f"{p50 / bare50:5.1f}   {bare50 - quantile(unsynced, 0.5):7.3f}"
    )


def main() -> None:
    disk = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    within = [draw(number, TINY, NOW_S - number) for number in range(10_000)]
    # 199, not 200, to a year: the draws that are timed need a little room too.
    over = [draw(number, USUAL, NOW_S - number * YEAR_S / 199) for number in range(10_000)]
    over = [item for item in over if item.at_s >= 0]
    print(f"{TIMES} draws each, ms                 p50     p99   bare p50     p99   ratio   fsync")
    for name, held, verdicts in (
        ("no earlier draw", [], 0),
        ("1,000 within a window", within[:1000], 0),
        ("10,000 within a window", within, 0),
        (f"{len(over):,} over years", over, 0),
        ("1,000, and 1,000 long verdicts", within[:1000], 1000),
    ):
        with tempfile.TemporaryDirectory(dir=disk) as folder:
            measure(name, held, Path(folder), verdicts)


if __name__ == "__main__":
    main()
