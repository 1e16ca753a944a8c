"""The judge: what it refuses by name, what it says, and that it forgets nothing between processes."""

from __future__ import annotations

import math

import numpy as np
import pytest

import lockgate as lg
from lockgate.decide.assign import assign
from lockgate.errors import LockgateError, SpecError, StoreError
from lockgate.records import Ruling, Verdict, decode
from lockgate.records.evidence import ENGINE
from lockgate.records.judge_state import JudgeState


def rate(**more: object) -> lg.Judge:
    return lg.Judge(lg.Policy(kind="rate", **more))  # type: ignore[arg-type]


def failing(judge: lg.Judge, canary: float, champion: float, *, share: float = 0.05, seed: int = 3) -> Verdict | None:
    rng = np.random.default_rng(seed)
    arm = (rng.random(40_000) < share).astype(int)
    value = (rng.random(40_000) < np.where(arm == 1, canary, champion)).astype(float)
    return judge.observe_batch(arm, value, share)


def test_a_bad_canary_is_rolled_back_and_the_verdict_says_so_far() -> None:
    verdict = failing(rate(), 0.5, 0.01)
    assert verdict is not None
    assert (verdict.move, verdict.ruling) == ("roll_back", Ruling.FAIL)
    assert verdict.sentence.startswith("So far the canary is worse: ")
    assert verdict.evidence.exposure == verdict.evidence.n[1] < 30
    assert verdict.evidence.low is not None
    assert verdict.evidence.low >= 1
    assert verdict.evidence.extra_events == pytest.approx(
        verdict.evidence.events[1] - verdict.evidence.n[1] * verdict.evidence.events[0] / verdict.evidence.n[0]
    )
    assert verdict.evidence.engine == ENGINE
    assert (verdict.gate.guarantee, verdict.gate.alpha) == ("exact", 0.01)


def test_a_canary_that_fails_alike_is_promoted_only_where_the_policy_may() -> None:
    shy = rate()
    assert failing(shy, 0.05, 0.05, share=0.5) is None
    verdict = failing(rate(promote=True), 0.05, 0.05, share=0.5)
    assert verdict is not None
    assert (verdict.move, verdict.evidence.high) == ("promote", 1.5)
    assert "less than 1.5 times as bad" in verdict.sentence


def test_no_data_is_no_verdict() -> None:
    judge = rate(promote=True)
    assert judge.observe_batch([], [], []) is None
    assert judge.verdict is None


def test_a_judge_that_has_ruled_takes_no_more_evidence() -> None:
    judge = rate()
    first = failing(judge, 0.5, 0.01)
    state = judge.state()
    assert judge.observe(arm=1, value=1.0, canary_share=0.05) is None
    assert failing(judge, 0.5, 0.01) is None or judge.verdict == first
    assert judge.state() == state


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ({"kind": "rates"}, r"no kind of policy 'rates'.*Did you mean 'rate'"),
        ({"kind": "rate", "alpha": 0.0}, "no error rate"),
        ({"kind": "rate", "alpha": math.nan}, "no error rate"),
        ({"kind": "rate", "margin_ratio": 1.0}, "cannot be shown"),
        ({"kind": "rate", "harm": 0.5}, "harm of 0.5 times is none"),
        ({"kind": "latency", "promote": True}, "knows no ratio"),
    ],
)
def test_a_policy_that_cannot_be_is_refused_by_name(policy: dict[str, object], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        lg.Policy(**policy)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ((2, 1.0, 0.05), "no arm 2"),
        ((1, 0.5, 0.05), "neither 1.0, failed, nor 0.0"),
        ((1, math.nan, 0.05), "neither 1.0"),
        ((1, 1.0, 0.0), "A share of 0.0 carries no evidence"),
        ((1, 1.0, 1.0), "A share of 1.0 carries no evidence"),
        ((1, 1.0, math.nan), "carries no evidence"),
        ((1, 1.0, None), "share is missing"),
    ],
)
def test_a_call_that_cannot_be_is_refused_by_name_and_counts_for_nothing(
    call: tuple[int, float, float | None], words: str
) -> None:
    judge = rate()
    empty = judge.state()
    with pytest.raises(SpecError, match=words):
        judge.observe(*call)
    arm, value, share = call
    with pytest.raises(SpecError, match=words):
        judge.observe_batch([0, arm], [0.0, value], None if share is None else [0.05, share])
    assert judge.state() == empty


def test_a_batch_names_the_row() -> None:
    with pytest.raises(SpecError, match=r"\(row 2\)"):
        rate().observe_batch([0, 1, 1], [0.0, 1.0, 7.0], 0.05)
    with pytest.raises(SpecError, match=r"2 units came with 3 calls"):
        rate().observe_batch([0, 1, 1], [0.0, 1.0, 1.0], 0.05, unit=["a", "b"])
    with pytest.raises(SpecError, match=r"value has the shape \(2,\)"):
        rate().observe_batch([0, 1, 1], [0.0, 1.0], 0.05)


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_a_latency_that_cannot_be_is_refused(value: float) -> None:
    judge = lg.Judge(lg.Policy(kind="latency"))
    with pytest.raises(SpecError, match="A latency of"):
        judge.observe(arm=0, value=value, canary_share=0.5)
    with pytest.raises(SpecError, match="A latency of"):
        judge.observe_batch([0], [value], 0.5)
    with pytest.raises(SpecError, match="takes no shadow"):
        judge.observe(arm=0, value=1.0, canary_share=0.5, shadow=1.0)


def test_numbers_of_any_make_are_the_same_numbers() -> None:
    plain, made = rate(), rate()
    for _ in range(30):
        plain.observe(arm=1, value=1.0, canary_share=0.5)
        made.observe(arm=np.int64(1), value=np.float32(1), canary_share=np.float64(0.5))  # type: ignore[arg-type]
    assert made.verdict is not None
    assert plain.verdict is not None
    assert made.verdict.id == plain.verdict.id


def test_calls_without_a_unit_count_beside_those_with_one_also_once_the_watch_is_full() -> None:
    rng = np.random.default_rng(4)
    units: list[int | None] = [*range(5000), *([None] * 3000)]
    arm = (rng.random(8000) < 0.1).astype(int)
    value = (rng.random(8000) < 0.05).astype(float)
    batch, single = rate(), rate()
    batch.observe_batch(arm, value, 0.1, units)
    for row in range(8000):
        single.observe(int(arm[row]), float(value[row]), 0.1, units[row])
    assert batch.state() == single.state()


def test_an_accuracy_judge_takes_no_pairs() -> None:
    judge = lg.Judge(lg.Policy(kind="accuracy"))
    with pytest.raises(SpecError, match='by kind="paired"'):
        judge.observe(arm=0, value=1.0, canary_share=0.5, shadow=0.0)
    with pytest.raises(SpecError, match='by kind="paired"'):
        judge.observe_batch([0], [1.0], 0.5, shadow=[0.0])


def test_a_paired_policy_needs_both_values_and_no_share() -> None:
    judge = lg.Judge(lg.Policy(kind="paired"))
    with pytest.raises(SpecError, match="what both versions did"):
        judge.observe(arm=0, value=1.0, canary_share=0.5)
    assert judge.observe(arm=0, value=0.0, shadow=1.0) is None
    assert judge.observe(arm=1, value=1.0, shadow=0.0) is None
    for _ in range(20):
        judge.observe(arm=0, value=0.0, shadow=1.0)
    assert judge.verdict is not None
    assert judge.verdict.move == "roll_back"
    assert judge.verdict.evidence.exposure == 0


def test_a_unit_bets_once_and_its_later_failures_are_only_described() -> None:
    judge = rate()
    for _ in range(200):
        assert judge.observe(arm=1, value=1.0, canary_share=0.05, unit="heavy") is None
    assert '"repeated":199' in judge.state()
    assert '"events":[0,200]' in judge.state()


def test_a_unit_that_goes_back_is_refused_one_by_one_and_in_a_batch() -> None:
    judge = rate()
    judge.observe(arm=1, value=0.0, canary_share=0.05, unit="u7")
    state = judge.state()
    with pytest.raises(SpecError, match="went back from the canary"):
        judge.observe(arm=0, value=0.0, canary_share=0.05, unit="u7")
    with pytest.raises(SpecError, match="went back from the canary"):
        judge.observe_batch([0, 0], [0.0, 0.0], 0.05, unit=["u1", "u7"])
    assert judge.state() == state


def test_a_unit_in_the_champion_may_become_the_canarys_as_the_share_grows() -> None:
    judge = rate()
    judge.observe(arm=0, value=1.0, canary_share=0.05, unit="u7")
    assert judge.observe(arm=1, value=1.0, canary_share=0.5, unit="u7") is None


def test_with_a_salt_a_share_that_disagrees_with_the_assignment_is_refused() -> None:
    judge = rate(salt="r1")
    arm = int(assign("r1", "u7", 0.05) == "challenger")
    assert judge.observe(arm=arm, value=0.0, canary_share=0.05, unit="u7") is None
    with pytest.raises(SpecError, match="assigned to the other"):
        judge.observe(arm=1 - arm, value=0.0, canary_share=0.05, unit="u8" if arm else "u7")


def test_arms_that_do_not_come_up_as_their_shares_say_make_the_evidence_void() -> None:
    rng = np.random.default_rng(8)
    arm = (rng.random(20_000) < 0.03).astype(int)
    verdict = rate().observe_batch(arm, np.zeros(20_000), 0.05)
    assert verdict is not None
    assert (verdict.ruling, verdict.move) == (Ruling.VOID, "hold")
    assert "mend it and begin anew" in verdict.sentence


def lopsided(calls: int = 4_000) -> tuple[np.ndarray, np.ndarray]:
    """A fifth of the canary's calls go astray, and from the middle on half of its answers fail; the void comes before."""
    rng = np.random.default_rng(9)
    arm = (rng.random(calls) < 0.16).astype(int)
    value = (rng.random(calls) < np.where((arm == 1) & (np.arange(calls) >= calls // 2), 0.5, 0.01)).astype(float)
    return arm, value


def test_void_evidence_lets_nothing_pass_and_harm_still_stops() -> None:
    arm, value = lopsided()
    judge = rate(promote=True)
    first = judge.observe_batch(arm[:2_000], value[:2_000], 0.2)
    assert first is not None
    assert first.ruling is Ruling.VOID
    assert (judge.void, judge.verdict, judge.is_over) == (first, first, False)
    second = judge.observe_batch(arm[2_000:], value[2_000:], 0.2)
    assert second is not None
    assert (second.ruling, second.move) == (Ruling.FAIL, "roll_back")
    assert "looks worse" in second.sentence
    assert "stopped to be safe" in second.sentence
    assert second.evidence.n[1] - first.evidence.n[1] < 400, "within some calls of what is broken"
    assert (judge.void, judge.verdict, judge.is_over) == (first, second, True)
    assert judge.observe(1, 1.0, 0.2) is None


def test_void_and_then_harm_come_to_the_same_however_the_calls_are_cut() -> None:
    arm, value = lopsided()
    whole, alone, halves = rate(promote=True), rate(promote=True), rate(promote=True)
    whole.observe_batch(arm, value, 0.2)
    for a, v in zip(arm.tolist(), value.tolist(), strict=True):
        alone.observe(a, v, 0.2)
    halves.observe_batch(arm[:1_500], value[:1_500], 0.2)
    halves = lg.Judge.resume(halves.state())
    halves.observe_batch(arm[1_500:], value[1_500:], 0.2)
    assert whole.void is not None
    assert whole.verdict is not None
    for other in (alone, halves):
        assert other.void is not None
        assert other.verdict is not None
        assert (other.void.id, other.verdict.id) == (whole.void.id, whole.verdict.id)
        assert other.verdict.evidence == whole.verdict.evidence


def test_a_void_judge_that_sees_no_harm_goes_on_quickly() -> None:
    """Its calls are shown no worse all the while, which is no ruling any more."""
    rng = np.random.default_rng(10)
    arm = (rng.random(200_000) < 0.16).astype(int)
    judge = rate(promote=True)
    verdict = judge.observe_batch(arm, (rng.random(200_000) < 0.02).astype(float), 0.2)
    assert verdict is not None
    assert verdict.ruling is Ruling.VOID
    assert judge.told_since(None) == [verdict]
    assert sum(decode(JudgeState, judge.state()).calls) == 200_000


def test_a_gross_mismatch_in_one_long_batch_is_void_and_no_overflow() -> None:
    arm = (np.random.default_rng(2).random(30_000) < 0.4).astype(int)
    verdict = rate().observe_batch(arm, np.zeros(30_000), 0.2)
    assert verdict is not None
    assert verdict.ruling is Ruling.VOID
    assert verdict.evidence.n[0] + verdict.evidence.n[1] < 300


def test_a_state_goes_on_to_the_same_bits_and_a_damaged_or_foreign_one_is_refused() -> None:
    rng = np.random.default_rng(5)
    arm, value = (rng.random(3000) < 0.1).astype(int), (rng.random(3000) < 0.02).astype(float)
    units = rng.integers(0, 500, 3000)
    arm = (rng.random(500) < 0.1).astype(int)[units]
    whole, first = rate(harm=2.0), rate(harm=2.0)
    whole.observe_batch(arm, value, 0.1, units)
    first.observe_batch(arm[:1700], value[:1700], 0.1, units[:1700])
    again = lg.Judge.resume(first.state())
    again.observe_batch(arm[1700:], value[1700:], 0.1, units[1700:])
    assert again.state() == whole.state()
    with pytest.raises(StoreError, match="cannot be read"):
        lg.Judge.resume(first.state()[:-20])
    with pytest.raises(SpecError, match=f"engine {ENGINE + 1}"):
        lg.Judge.resume(first.state().replace(f'"engine":{ENGINE}', f'"engine":{ENGINE + 1}'))


@pytest.mark.parametrize("kind", ["rate", "accuracy", "latency", "paired"])
def test_the_state_stays_under_100_kb_whatever_the_traffic_and_the_shares(kind: str) -> None:
    rng = np.random.default_rng(6)
    size = 50_000
    judge = lg.Judge(lg.Policy(kind=kind))  # type: ignore[arg-type]
    share = rng.uniform(0.01, 0.6, size)
    arm = (rng.random(size) < share).astype(int)
    value = np.exp(rng.normal(3, 1, size)) if kind == "latency" else (rng.random(size) < 0.02).astype(float)
    if kind == "paired":
        judge.observe_batch(arm, value, shadow=(rng.random(size) < 0.02).astype(float))
    else:
        judge.observe_batch(arm, value, share)
    assert len(judge.state()) < 100_000
    assert lg.Judge.resume(judge.state()).state() == judge.state()


def test_a_verdict_is_dated_by_the_call_that_decided() -> None:
    judge = lg.Judge(lg.Policy(kind="paired"))
    verdict = judge.observe_batch(np.zeros(30, int), np.zeros(30), shadow=np.ones(30), at_s=np.arange(30) + 100.0)
    assert verdict is not None
    assert verdict.at_s == 100.0 + verdict.evidence.n[1] - 1


def test_a_slower_canary_is_told_by_its_quantiles() -> None:
    rng = np.random.default_rng(9)
    arm = (rng.random(20_000) < 0.2).astype(int)
    verdict = lg.Judge(lg.Policy(kind="latency")).observe_batch(
        arm, np.exp(rng.normal(3, 0.4, 20_000)) * (1 + arm), 0.2
    )
    assert verdict is not None
    assert verdict.evidence.detail["canary_p50"] == pytest.approx(2 * verdict.evidence.detail["champion_p50"], rel=0.5)
    assert " ms against " in verdict.sentence


def test_every_error_is_one_of_ours() -> None:
    for bad in ("", "{}", "[]", "null"):
        with pytest.raises(LockgateError):
            lg.Judge.resume(bad)
