"""The demo's year told twice, with real worker processes: the same moves in the same order, for the same evidence."""

from __future__ import annotations

import subprocess
import sys
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest

MODEL = "late_arrival"
OUTCOMES = ("worth", "guardrail quality")
"""Gates that rest on outcomes alone: latencies, ids and hashes differ from run to run."""


def told(folder: Path) -> Path:
    pytest.importorskip("lightgbm")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "lockgate", "demo", "--directory", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=1_200,
    )
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-2_000:]
    return folder


def remembered(folder: Path) -> tuple[list[Any], list[Any]]:
    """The moves, and what the gates saw of outcomes; versions by the order in which they were made."""
    from lockgate.records import Move, Rollout, Verdict, Version
    from lockgate.workspace.workspace import Workspace

    workspace = Workspace.open(folder)
    records = workspace.wiring.records
    made = sorted(records.all(Version, MODEL), key=lambda version: version.made_s)
    place = {version.id: number for number, version in enumerate(made)}
    rollouts = {rollout.id: rollout for rollout in records.all(Rollout, MODEL)}
    moves = [
        (move.kind, place[move.to], None if move.rollout is None else place[rollouts[move.rollout].challenger])
        for move in records.all(Move, MODEL)
    ]
    # In the middle of the first rollout that is promoted a worker is killed, and the shadows in its hands die with it: of
    # that day fewer or more pairs are known. What was ruled when is the same all the same.
    killed = next(challenger for kind, _, challenger in moves if kind == "promote")
    seen = [
        (place[v.subject[0]], v.gate.name, str(v.ruling), v.at_s)
        + (() if place[v.subject[0]] == killed else (v.evidence.n, v.evidence.estimate, v.evidence.log_e))
        for v in records.all(Verdict, MODEL)
        if v.gate.name in OUTCOMES
    ]
    workspace.close()
    return moves, seen


@pytest.mark.slow  # two whole demos
def test_the_year_told_twice_makes_the_same_moves_for_the_same_evidence(tmp_path: Path) -> None:
    first, second = (remembered(told(tmp_path / name)) for name in ("first", "second"))
    assert len(first[0]) > 5
    assert len(first[1]) > 5
    assert first[0] == second[0]
    others = [(a, b) for a, b in zip_longest(first[1], second[1]) if a != b]
    assert not others, f"of {len(first[1])} verdicts {len(others)} differ, first: {others[:3]}"
