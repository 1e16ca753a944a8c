"""Slices: the part that lost is named, luck among many parts is expected, and small parts are left out."""

from __future__ import annotations

import numpy as np
import pytest

import lockgate as lg
from lockgate.decide.slices import Part, gate, sentence, slices
from lockgate.errors import SpecError
from lockgate.records import Ruling


def part(level: str, mean: float, *, rows: int = 50, days: int = 14, seed: int = 0) -> Part:
    rng = np.random.default_rng([seed, int(level.strip("s") or 0)])
    counts = np.full(days, float(rows))
    return Part("shop", level, (mean + 0.02 * rng.standard_normal(days)) * counts, counts)


def test_a_slice_that_lost_is_named_and_fails_its_gate() -> None:
    found = slices([part("s1", 0.05), part("s2", -0.05), part("s3", -0.05)], margin=0.002, alpha=0.05)
    assert [item.state for item in found] == ["worse", "not worse", "not worse"]
    item = gate(found, metric="log_loss", against="champion", margin=0.002, alpha=0.05)
    assert item.ruling is Ruling.FAIL
    assert item.sentence.startswith("Worse than champion on 1 of 3 slices: shop s1 (+0.0")


def test_slices_all_shown_not_worse_pass_and_none_at_all_is_undecided() -> None:
    found = slices([part("s1", -0.05), part("s2", -0.04)], margin=0.002, alpha=0.05)
    assert gate(found, metric="m", against="champion", margin=0.002, alpha=0.05).ruling is Ruling.PASS
    nothing = gate((), metric="m", against="champion", margin=0.002, alpha=0.05)
    assert nothing.ruling is Ruling.UNDECIDED
    assert "No slice holds 200 rows" in nothing.sentence


def test_slices_of_few_rows_or_blocks_are_left_out() -> None:
    assert slices([part("s1", 0.5, rows=10), part("s2", 0.5, rows=500, days=2)], margin=0.0, alpha=0.05) == ()


@pytest.mark.parametrize("seed", range(3))
def test_of_two_hundred_slices_at_the_margin_hardly_any_run_names_one(seed: int) -> None:
    """At the margin the chance that any of them is called worse is alpha at most; 60 runs, and a bound of 3 SE over it."""
    named = 0
    for run in range(20):
        parts = [part(f"s{level}", 0.0, seed=1 + seed * 100 + run) for level in range(200)]
        named += any(item.state == "worse" for item in slices(parts, margin=0.0, alpha=0.05))
    assert named <= 20 * 0.05 + 3 * np.sqrt(20 * 0.05 * 0.95)


def test_a_comparison_names_the_slice_that_lost_under_a_gain_on_the_whole() -> None:
    rng = np.random.default_rng(3)
    size = 12_000
    shop, day = rng.integers(0, 6, size), np.sort(rng.integers(0, 30, size))
    late = (rng.random(size) < 0.4).astype(float)
    new = np.where(shop == 4, 0.4 + 0.2 * (0.5 - late), 0.4 + 0.3 * (late - 0.4))
    rows = {"late": late, "old": np.full(size, 0.4), "new": new, "shop": shop, "day": day}
    verdict = lg.compare("old", "new", rows, target="late", by="day", slices=["shop"], margin=0.001)
    assert verdict.ruling is Ruling.PASS
    assert [item.level for item in verdict.evidence.slices if item.state == "worse"] == ["4"]
    assert "Worse than old on 1 of 6 slices: shop 4 (+" in verdict.sentence
    with pytest.raises(SpecError, match="no loss of a row"):
        lg.compare("old", "new", rows, target="late", by="row", metric="roc_auc", slices=["shop"])
    with pytest.raises(SpecError, match="too many for slices"):
        lg.compare("old", "new", rows | {"id": np.arange(size)}, target="late", by="day", slices=["id"])


def test_no_slice_is_named_where_none_lost() -> None:
    found = slices([part("s1", -0.05), part("s3", 0.002)], margin=0.0, alpha=0.05)
    assert sentence(found, "champion").startswith("On none of 2 slices is it shown worse than champion; on 1")
