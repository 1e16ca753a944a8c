"""Guardrails: a rollout's calls in canonical order, cut up in any way, stop it at the same call with the same bits."""

from __future__ import annotations

import itertools
import math

import msgspec
import numpy as np
import pytest

from lockgate.decide import ladder
from lockgate.decide.guardrails import Guardrails, Seen
from lockgate.decide.judgement import Judgement
from lockgate.records import Rollout, RolloutSpec, RolloutState, Ruling, encode

PLAN = RolloutSpec(ladder=("shadow", 0.25, 1.0), guardrails=("failures", "contract_breaks", "latency_ms"), alpha=0.03)


def rollout(at: int = 1, plan: RolloutSpec = PLAN) -> Rollout:
    return Rollout(
        id="r1",
        model="m",
        champion="old",
        challenger="new",
        spec=plan,
        steps=ladder.steps(plan),
        at=at,
        state=RolloutState.RUNNING,
        started_s=0,
        stepped_s=0,
        deadline_s=1e9,
        not_worse_by=0.002,
    )


def calls(
    size: int,
    *,
    share: float = 0.25,
    failing: tuple[float, float] = (0.01, 0.01),
    breaking: float = 0.0,
    slower: float = 1.0,
    seed: int = 81,
    units: int | None = None,
) -> Seen:
    """Every call scored by both versions; the arm drawn by lot on a share."""
    rng = np.random.default_rng(seed)
    who = np.arange(size) if units is None else rng.integers(0, units, size)
    arm = (rng.random(size)[who] < share).astype(np.int64)
    pair_failed = np.column_stack([rng.random(size) < rate for rate in failing])
    broke = np.column_stack([np.zeros(size, dtype=bool), rng.random(size) < breaking])
    names = [f"c{n}" for n in range(size)]
    return Seen(
        id=names,
        unit=names if units is None else [f"u{unit}" for unit in who],
        asked_s=np.arange(size, dtype=np.float64),
        arm=arm,
        share=np.full(size, share),
        failed=np.where(arm == 1, pair_failed[:, 1], pair_failed[:, 0]),
        latency_ms=np.exp(rng.normal(2, 0.3, size)) * np.where(arm == 1, slower, 1.0),
        is_pair=np.ones(size, dtype=bool),
        pair_failed=pair_failed,
        broke_only=broke,
        bad=pair_failed[:, 1] | broke[:, 1],
    )


def part(seen: Seen, start: int, stop: int) -> Seen:
    return Seen(*(column[start:stop] for column in seen))


def judged(seen: Seen, at: int = 1, *, cuts: tuple[int, ...] = ()) -> dict[str, Judgement]:
    """The first judgement of each gate."""
    guardrails, found = Guardrails(rollout(at)), dict[str, Judgement]()
    edges = [0, *cuts, len(seen.id)]
    for start, stop in itertools.pairwise(edges):
        for item in guardrails.take(rollout(at), part(seen, start, stop)):
            found.setdefault(item.gate.name, item)
    return found


def test_no_call_is_no_judgement() -> None:
    assert judged(calls(0)) == {}


def test_a_failing_canary_is_stopped_and_the_sentence_counts_its_failures() -> None:
    item = judged(calls(2000, failing=(0.01, 0.4)))["guardrail failures"]
    assert item.ruling is Ruling.FAIL
    assert item.sentence.startswith("So far the canary is worse: ")
    assert item.evidence.exposure < 100
    assert item.evidence.until_s is not None


def test_failures_both_arms_share_stop_nobody() -> None:
    assert "guardrail failures" not in judged(calls(8000, failing=(0.2, 0.2)))


def test_in_shadow_failures_are_paired_and_nobody_is_exposed() -> None:
    item = judged(calls(500, share=0.0, failing=(0.01, 0.3)), at=0)["guardrail failures"]
    assert item.ruling is Ruling.FAIL
    assert item.evidence.exposure == 0


def test_contract_breaks_count_what_the_challenger_alone_broke() -> None:
    assert judged(calls(400, breaking=0.2))["guardrail contract_breaks"].ruling is Ruling.FAIL
    assert "guardrail contract_breaks" not in judged(calls(4000, breaking=0.04))


def test_a_slower_canary_is_stopped_by_its_latency() -> None:
    found = judged(calls(4000, slower=1.3))
    assert found["guardrail latency_ms"].ruling is Ruling.FAIL
    assert "ms against" in found["guardrail latency_ms"].sentence
    assert "guardrail latency_ms" not in judged(calls(4000))


def test_guardrails_share_one_alpha() -> None:
    item = judged(calls(2000, failing=(0.01, 0.4)))["guardrail failures"]
    assert item.gate.alpha == pytest.approx(0.01)
    assert item.evidence.detail["line"] == pytest.approx(math.log(100))


def test_a_step_is_safe_on_few_failures_of_its_own_and_never_on_none() -> None:
    assert "safe at 25%" not in judged(calls(100, failing=(0.0, 0.0)))
    item = judged(calls(12_000, failing=(0.0, 0.0)))["safe at 25%"]
    assert item.ruling is Ruling.PASS
    assert item.gate.method == "rate bet"
    assert "0 of " in item.sentence


def test_a_service_that_always_fails_a_little_is_safe_by_its_ratio() -> None:
    """Both arms fail 5 % of calls: no tolerance is met, and the canary is no worse."""
    item = judged(calls(12_000, failing=(0.05, 0.05)))["safe at 25%"]
    assert item.ruling is Ruling.PASS
    assert item.gate.method == "label bet"
    assert item.gate.margin == 2.0


def test_calls_in_shadow_unlock_no_share() -> None:
    assert "safe at shadow" in judged(calls(3000, share=0.0, failing=(0.0, 0.0)), at=0)
    assert "safe at 25%" not in judged(calls(30_000, share=0.0, failing=(0.0, 0.0)), at=1)


@pytest.mark.parametrize("seed", range(6))
def test_however_calls_are_cut_up_the_judgements_and_the_state_are_the_same_bits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    seen = calls(3000, failing=(0.05, 0.09), breaking=0.08, slower=1.1, units=400, seed=90 + seed)
    cuts = tuple(sorted(rng.integers(0, 3000, 40).tolist()))
    whole, pieces = judged(seen), judged(seen, cuts=cuts)
    assert {name: encode(item) for name, item in whole.items()} == {name: encode(item) for name, item in pieces.items()}


def test_a_restart_in_the_middle_goes_on_to_the_same_bits() -> None:
    seen = calls(3000, failing=(0.05, 0.07), units=300)
    whole, first = Guardrails(rollout()), Guardrails(rollout())
    whole.take(rollout(), seen)
    first.take(rollout(), part(seen, 0, 1100))
    again = Guardrails(rollout(), first.state())
    again.take(rollout(), part(seen, 1100, 3000))
    assert encode(again.state()) == encode(whole.state())


def test_a_unit_that_went_back_is_left_out_and_named() -> None:
    seen = calls(600, failing=(0.2, 0.2), units=40)
    back = next(row for row in range(300, 600) if seen.arm[row] == 1)
    arm = seen.arm.copy()
    arm[back] = 0
    guardrails = Guardrails(rollout())
    guardrails.take(rollout(), seen._replace(arm=arm))
    assert guardrails.state().strays == (f"c{back}",)


def test_arms_that_do_not_come_up_as_their_shares_say_are_void() -> None:
    """A router that sends half of the canary's calls elsewhere: the evidence is unsound, whatever it says."""
    seen = calls(6000, failing=(0.02, 0.02))
    lost = (seen.arm == 1) & (np.arange(6000) % 2 == 0)
    item = judged(seen._replace(arm=np.where(lost, 0, seen.arm)))["guardrail failures"]
    assert item.ruling is Ruling.VOID
    assert "fewer than foretold" in item.sentence


def test_a_challenger_that_fails_is_stopped_also_where_the_arms_are_uneven() -> None:
    """Void first, then harm, in one stretch or in two: the same two judgements."""
    well, broken = calls(6000, failing=(0.02, 0.02)), calls(6000, failing=(0.02, 0.5))
    lost = (well.arm == 1) & (np.arange(6000) % 2 == 0)
    first = well._replace(arm=np.where(lost, 0, well.arm))
    second = broken._replace(
        id=[f"d{one}" for one in broken.id],
        asked_s=broken.asked_s + float(well.asked_s[-1]) + 1,
        arm=np.where(lost, 0, broken.arm),
    )
    whole = Seen(
        *(a + b if isinstance(a, list) else np.concatenate([a, b]) for a, b in zip(first, second, strict=True))
    )
    cut = Guardrails(rollout())
    told = [cut.take(rollout(), first), cut.take(rollout(), second)]
    rulings = [[one.ruling for one in found if one.gate.name == "guardrail failures"] for found in told]
    assert rulings == [[Ruling.VOID], [Ruling.FAIL]]
    once = Guardrails(rollout()).take(rollout(), whole)
    both = [one for one in once if one.gate.name == "guardrail failures"]
    assert both == [one for found in told for one in found if one.gate.name == "guardrail failures"]


def test_an_aborted_judgement_changes_nothing_of_the_record() -> None:
    plan = msgspec.structs.replace(PLAN, guardrails=("quality",))
    assert Guardrails(rollout(plan=plan)).take(rollout(plan=plan), calls(50, failing=(0.0, 0.9))) == []
