"""The counts on which drift's guarantees are measured are those that rows would give, and the evidence is the judge's.

docs/guarantees/drift_windows.py draws windows as counts of the reference's cells, from shares that it knows. Held here
against rows that are profiled, and against `DriftJudge`. Chi-squared tests at 1e-4 over all cells of a profile, seeds fixed:
a fresh seed fails one with that chance.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from scipy.stats import chi2

import lockgate as lg
from lockgate.decide.drifting.lines import counted
from lockgate.records.profile import ColumnProfile, Pair, Profile
from lockgate.sim import drifts

PLACE = Path(__file__).parents[2] / "docs/guarantees/drift_windows.py"


def maker() -> Any:
    spec = importlib.util.spec_from_file_location("drift_windows", PLACE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MAKER = maker()


def far_off(rows: list[np.ndarray], shares: list[np.ndarray]) -> float:
    """The chance of counts so far from these shares, over all columns together; pairs are of the same rows, and so apart."""
    squares, free = 0.0, 0
    for own, share in zip(rows, shares, strict=True):
        is_open = share > 0
        assert own[~is_open].sum() == 0
        expected = share[is_open] * own.sum()
        squares += float(((own[is_open] - expected) ** 2 / expected).sum())
        free += int(is_open.sum()) - 1
    return float(chi2.sf(squares, free))


def test_rows_have_the_counts_that_are_drawn() -> None:
    rng = np.random.default_rng([67, 0])
    before, lines = MAKER.reference(rng, 20_000)
    window = lg.profile(MAKER.rows_of(rng, 200_000), against=before)
    rows, true = counted(lines, before, window), MAKER.true_shares(before, lines)
    columns = [isinstance(lines.items[line.item], ColumnProfile) for line in lines.lines]
    assert sum(columns) == 20
    assert far_off(rows[:20], true[:20]) > 1e-4
    assert all(far_off([own], [share]) > 1e-4 / 105 for own, share in zip(rows[20:], true[20:], strict=True))
    # The reference's own shares, which are off by its own luck, are told from the true ones.
    assert far_off(rows[:20], [line.reference / line.reference.sum() for line in lines.lines[:20]]) < 1e-4


@pytest.mark.parametrize("name", ["mean +0.2 sd", "spread x 1.5"])
def test_rows_that_have_moved_have_the_counts_that_are_drawn(name: str) -> None:
    rng = np.random.default_rng([67, 1])
    before, lines = MAKER.reference(rng, 20_000)
    table = MAKER.rows_of(rng, 100_000)
    moved = table.with_columns(
        normal0=table["normal0"] + 0.2 if name == "mean +0.2 sd" else table["normal0"] * 1.5,
    )
    rows = counted(lines, before, lg.profile(moved, against=before))[:1]
    assert far_off(rows, MAKER.true_shares(before, lines, MAKER.MOVED[name])[:1]) > 1e-4
    assert far_off(rows, MAKER.true_shares(before, lines)[:1]) < 1e-4


def as_profile(before: Profile, lines: Any, drawn: list[np.ndarray], place: int) -> Profile:
    """One window of the drawn counts, as a worker or a table would have handed it over."""
    columns = list(before.columns)
    pairs = list(before.pairs)
    for line, own in zip(lines.lines, drawn, strict=True):
        item, cells = lines.items[line.item], own[place].tolist()
        if isinstance(item, Pair):
            pairs[pairs.index(item)] = msgspec.structs.replace(item, counts=(cells[1], cells[0], 0, 0))
            continue
        inside = len(item.facets[0].counts)
        facet = msgspec.structs.replace(item.facets[0], counts=tuple(cells[:inside]))
        columns[columns.index(item)] = msgspec.structs.replace(item, facets=(facet,))
    return msgspec.structs.replace(
        before, rows=int(drawn[0][place].sum()), columns=tuple(columns), pairs=tuple(pairs), notes=()
    )


@pytest.mark.parametrize("world", ["spiking", "moved"])
def test_the_judge_makes_of_the_counts_what_is_measured(world: str) -> None:
    rng = np.random.default_rng([67, 2])
    before, lines = MAKER.reference(rng, 20_000)
    if world == "moved":
        true = MAKER.true_shares(before, lines, MAKER.MOVED["mean +0.2 sd"])
        shares = [np.broadcast_to(own, (8, own.size)) for own in true]
    else:
        shares = MAKER.in_world(world, rng, lines, MAKER.true_shares(before, lines), 8)
    drawn = MAKER.counts(rng, 1_000, shares)
    judge = lg.DriftJudge(before, false_alarms_per_year=1, windows_per_year=MAKER.A)
    path, begun = [], []
    for place in range(8):
        found = judge.observe(as_profile(before, lines, drawn, place))
        path.append(judge.log_evidence)
        begun += [place + 1] if found is not None and found.ruling == "fail" else []
    assert path == pytest.approx(MAKER.evidence(lines, drawn).tolist(), abs=1e-9)
    assert begun == MAKER.alarms(np.array(path))
    assert bool(begun) == (world == "moved")


def test_a_quiet_world_stays_within_the_ball_about_the_true_shares() -> None:
    rng = np.random.default_rng([67, 3])
    before, lines = MAKER.reference(rng, 20_000)
    true = MAKER.true_shares(before, lines)
    for world in drifts.QUIET:
        for own, share in zip(MAKER.in_world(world, rng, lines, true, 20), true, strict=True):
            assert np.abs(own - share).sum(axis=1).max() / 2 <= 0.02 + 1e-12
            assert np.allclose(own.sum(axis=1), 1)


def test_references_of_real_rows_alarm_no_more_often_than_promised() -> None:
    """Short form of the guarantee's figure: 3 references, four worlds, 200 windows of two sizes each, 4.8 alarms promised."""
    runs = [
        MAKER.quiet(np.random.default_rng([67, 4, place]), reference_rows=20_000, rows=(1_000, 50_000), windows=200)
        for place in range(3)
    ]
    assert sum(count for run in runs for count in run.values()) <= 4
