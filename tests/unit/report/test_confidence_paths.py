"""Interval paths: they say at every block what the e-value says, and later blocks do not change them."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

import lockgate
from lockgate.decide.decay import decay
from lockgate.decide.harm import contract_breaks, quality
from lockgate.decide.judgement import Judgement
from lockgate.decide.offline import offline_gate
from lockgate.decide.worth import worth
from lockgate.errors import SpecError
from lockgate.monitor.verdicts import verdict
from lockgate.records import Evidence, Gate, GateSpec, RolloutSpec, Ruling, Verdict
from lockgate.report.confidence import MOST_ENDS, block_ends, bound_of, closing, domain, gauge, strength
from lockgate.stats import glst
from lockgate.stats.glst import Memory

Floats = NDArray[np.float64]
LINE = math.log(20)
# As ledgers hold it from before drift had evidence.
MOVED_ONCE = Judgement(
    ruling=Ruling.FAIL,
    gate=Gate(
        name="drift of wind",
        question="harm",
        claim="drifted",
        measure="wind",
        method="total variation x importance",
        margin=0.2,
        alpha=None,
        guarantee="not measured",
    ),
    evidence=Evidence(estimate=0.4, detail={"importance": 0.7, "weight": 0.28, "bar": 0.2}),
    sentence="wind moved by 0.40 of 1 from its reference; the champion's use of it is 70.0%: look at the calls.",
)
MEMORIES: tuple[Memory, ...] = ("independent", "new", "short", "long")


def of(judgement: Judgement) -> Verdict:
    return verdict(judgement, model="late", subject=("b", "a"), rollout=None, at_s=0.0, now_s=0.0)


def days(world: str, size: int, seed: int) -> Floats:
    z = np.random.default_rng(seed).standard_normal(size + 1)
    if world == "remembers":
        for at in range(1, size + 1):
            z[at] += 0.5 * z[at - 1]
    return np.exp(z[1:]) * 0.01 - 0.0165 if world == "skewed" else z[1:] * 0.02


def judged(memory: Memory, shift: float, world: str = "normal", *, prove: str = "not worse", seed: int = 7) -> Verdict:
    spec = RolloutSpec(prove=prove, memory=memory)  # type: ignore[arg-type]
    past = days(world, 40, seed + 100)
    differences = days(world, 28, seed) + shift
    return of(worth(spec, metric="log_loss", not_worse_by=0.004, differences=differences, history=past))


@pytest.mark.parametrize("world", ["remembers", "skewed"])
@pytest.mark.parametrize("memory", MEMORIES)
@pytest.mark.parametrize("shift", [-0.03, 0.04])
def test_an_end_crosses_the_margin_at_the_block_where_its_e_value_crosses_the_line(
    world: str, memory: Memory, shift: float
) -> None:
    found = judged(memory, shift, world)
    path, interval = strength(found), closing(found)
    assert path is not None
    assert interval is not None
    assert path.other is not None
    assert interval.at.tolist() == path.at.tolist()
    assert (interval.high <= 0.004).tolist() == (path.log_e >= LINE).tolist()
    assert (interval.low >= 0.004).tolist() == (path.other >= LINE).tolist()
    assert (interval.low <= interval.estimate).all()
    assert (interval.estimate <= interval.high).all()


def test_a_ruling_comes_with_the_first_interval_clear_of_the_margin() -> None:
    rulings: set[Ruling] = set()
    for shift in (-0.03, 0.04):
        found = judged("short", shift)
        interval = closing(found)
        assert interval is not None
        clear = np.flatnonzero((interval.high <= interval.bound) | (interval.low >= interval.bound))
        assert clear.tolist() == [found.evidence.blocks - 1]
        rulings.add(found.ruling)
    assert rulings == {Ruling.PASS, Ruling.FAIL}


@pytest.mark.parametrize("memory", MEMORIES)
def test_later_blocks_do_not_change_an_end(memory: Memory) -> None:
    differences, past = days("remembers", 30, 3), days("remembers", 40, 4)
    history = past if memory in ("short", "long") else None
    at = np.arange(1, 31)
    whole = block_ends(differences, memory=memory, history=history, line=LINE, at=at)
    for size in (9, 20):
        part = block_ends(differences[:size], memory=memory, history=history, line=LINE, at=at[:size])
        for early, late in zip(part, whole, strict=True):
            np.testing.assert_allclose(early, late[:size], rtol=1e-9)


@pytest.mark.parametrize("memory", MEMORIES)
def test_the_test_itself_stands_at_its_line_at_both_ends(memory: Memory) -> None:
    differences, past = days("normal", 30, 5) - 0.01, days("normal", 40, 6)
    history = past if memory in ("short", "long") else None
    lows, highs = block_ends(differences, memory=memory, history=history, line=LINE, at=np.array([30]))
    low, high = float(lows[0]), float(highs[0])
    slack = 0.002 * (high - low)
    turned = None if history is None else -history
    for margin, is_over in ((high + slack, True), (high - slack, False)):
        assert (glst.log_e(margin - differences, memory=memory, history=turned)[-1] >= LINE) is np.bool_(is_over)
    for margin, is_over in ((low - slack, True), (low + slack, False)):
        assert (glst.log_e(differences - margin, memory=memory, history=history)[-1] >= LINE) is np.bool_(is_over)


@pytest.mark.parametrize("memory", MEMORIES)
def test_the_interval_moves_and_stretches_with_the_differences(memory: Memory) -> None:
    differences, past = days("normal", 24, 8), days("normal", 40, 9)
    history = past if memory in ("short", "long") else None
    at = np.array([12, 24])
    plain = block_ends(differences, memory=memory, history=history, line=LINE, at=at)
    moved = block_ends(
        50 * differences + 3, memory=memory, history=None if history is None else 50 * history, line=LINE, at=at
    )
    for before, after in zip(plain, moved, strict=True):
        np.testing.assert_allclose(after, 50 * before + 3, rtol=0, atol=0.01)


@pytest.mark.parametrize("memory", MEMORIES)
@pytest.mark.parametrize("world", ["remembers", "skewed"])
def test_a_larger_margin_is_never_excluded_less(memory: Memory, world: str) -> None:
    """What the search for an end leans on: the margins under which the mean is shown to lie go on for ever."""
    differences, past = days(world, 40, 11), days(world, 40, 12)
    reach = np.concatenate([-np.geomspace(50, 0.01, 80), np.geomspace(0.01, 50, 80)])
    margins = differences.mean() + differences.std() * reach
    history = -past if memory in ("short", "long") else None
    log_e = glst.log_e(margins[:, None] - differences, memory=memory, history=history)
    for line in (LINE, math.log(100)):
        is_shown = log_e >= line
        assert not (is_shown[:-1] & ~is_shown[1:]).any()
        # Johnson's correction lets no margin be shown over days so skewed to the right, however large: then the end is open.
        assert is_shown.any() or world == "skewed"


def test_more_blocks_close_the_interval() -> None:
    differences = days("normal", 200, 13)
    low, high = block_ends(differences, memory="independent", history=None, line=LINE, at=np.array([10, 50, 200]))
    width = high - low
    assert width[0] > 2 * width[1] > 3 * width[2]


def test_too_few_blocks_and_blocks_all_alike_exclude_nothing_they_cannot() -> None:
    at = np.arange(1, 3)
    low, high = block_ends(np.array([0.1, -0.1]), memory="new", history=None, line=LINE, at=at)
    assert np.isinf([*low, *high]).all()
    low, high = block_ends(np.zeros(20), memory="independent", history=None, line=LINE, at=np.array([20]))
    assert low[0] <= 0 <= high[0]


def test_many_blocks_are_thinned_and_the_last_one_is_kept() -> None:
    spec = RolloutSpec(memory="independent")
    differences = days("normal", 150, 14)
    item = worth(
        spec, metric="m", not_worse_by=1e-4, differences=differences - differences.mean(), history=np.array([])
    )
    interval = closing(of(item))
    assert interval is not None
    assert interval.at.size == MOST_ENDS
    assert interval.at[-1] == item.evidence.blocks


@pytest.mark.parametrize("memory", MEMORIES)
def test_the_opposites_path_ends_where_the_verdict_says(memory: Memory) -> None:
    found = judged(memory, 0.04)
    path = strength(found)
    assert path is not None
    assert path.other is not None
    assert path.other[-1] == found.evidence.log_e_other
    assert found.ruling is Ruling.FAIL
    assert path.ruled is path.other
    assert path.beside is path.log_e
    assert path.reached == found.evidence.blocks - 1


def test_of_an_undecided_gate_the_claim_is_followed_and_nothing_is_reached() -> None:
    path = strength(judged("short", 0.004))
    assert path is not None
    assert path.reached is None
    assert path.ruled is path.log_e


def test_a_better_challenger_is_bounded_away_from_nought() -> None:
    found = judged("short", -0.03, prove="better")
    interval = closing(found)
    assert interval is not None
    assert found.ruling is Ruling.PASS
    assert (interval.bound, interval.alike) == (0.0, 0.0)
    assert interval.high[-1] <= 0 < interval.high[-2]


def test_a_harm_by_blocks_stands_over_a_bar_that_is_subtracted_already() -> None:
    champion = 0.5 + days("normal", 60, 15)
    spec = RolloutSpec()
    worse = of(quality(spec, champion_loss=champion, challenger_loss=1.2 * champion, history=np.array([])))
    lost = of(decay(reference_skill=0.2, tolerance=0.02, loss=0.9 * champion, base_loss=champion))
    for found in (worse, lost):
        interval, path = closing(found), strength(found)
        assert interval is not None
        assert path is not None
        assert found.ruling is Ruling.FAIL
        assert (interval.bound, interval.alike, path.other) == (0.0, None, None)
        over = dict(zip(path.at.tolist(), (path.log_e >= path.line).tolist(), strict=True))
        assert (interval.low >= 0).tolist() == [over[at] for at in interval.at.tolist()]


def test_a_judges_interval_is_the_one_it_looked_at() -> None:
    rng = np.random.default_rng(16)
    arm = (rng.random(20_000) < 0.2).astype(int)
    bad = (rng.random(20_000) < np.where(arm == 1, 0.03, 0.01)).astype(float)
    found = lockgate.Judge(lockgate.Policy(kind="rate")).observe_batch(arm, bad, 0.2)
    assert found is not None
    interval, path = closing(found), strength(found)
    assert interval is not None
    assert path is not None
    looks = found.evidence.looks
    assert interval.at.tolist() == path.at.tolist() == [look.calls for look in looks]
    assert interval.low.tolist() == [look.low or 0.0 for look in looks]
    assert interval.high.tolist() == [math.inf if look.high is None else look.high for look in looks]
    assert interval.low[-1] >= 1.0 == interval.bound == interval.alike
    assert interval.estimate[-1] == found.evidence.estimate
    assert path.reached == len(looks) - 1
    low, high = domain(interval)
    assert 0 < low < interval.low[-1] < interval.estimate[-1] < high < math.inf


def test_evidence_without_a_path_has_a_gauge_and_no_interval() -> None:
    spec = RolloutSpec()
    breaks = of(contract_breaks(spec, pairs=400, broke=(1, 25)))
    moved = of(MOVED_ONCE)
    counts = np.full(28, 200.0)
    once = of(
        offline_gate(
            GateSpec(),
            metric="log_loss",
            against="champion",
            better_by=0.003,
            sums=days("normal", 28, 17) * counts,
            counts=counts,
            call_variance=0.1,
        )
    )
    for found in (breaks, moved, once):
        assert closing(found) is None
        assert strength(found) is None
    first, second = gauge(breaks), gauge(moved)
    assert first is not None
    assert (first.kind, first.value, first.line) == ("e", breaks.evidence.log_e, breaks.evidence.detail["line"])
    assert second == ("moved", 0.28, 0.2)
    assert gauge(once) is None
    assert bound_of(once.gate) == -0.003


def test_a_method_with_an_unknown_memory_is_refused_by_name() -> None:
    found = judged("short", 0.0)
    gate = msgspec.structs.replace(found.gate, method="GLS-t by 1d, memory shirt")
    with pytest.raises(SpecError, match=r"no memory 'shirt'.*Did you mean 'short'"):
        closing(msgspec.structs.replace(found, gate=gate))


def test_evidence_with_nothing_to_decide_at_is_refused() -> None:
    found = judged("short", 0.0)
    without = msgspec.structs.replace(found.evidence, detail={})
    by_alpha = strength(msgspec.structs.replace(found, evidence=without))
    assert by_alpha is not None
    assert by_alpha.line == pytest.approx(LINE)
    gate = msgspec.structs.replace(found.gate, alpha=None)
    with pytest.raises(SpecError, match="neither a line nor an alpha"):
        strength(msgspec.structs.replace(found, gate=gate, evidence=without))
