"""Decisions: ladders refused, gates ruled, and sentences that a person can read."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lockgate.decide import ladder
from lockgate.decide.decay import decay
from lockgate.decide.harm import quality
from lockgate.decide.judgement import worst
from lockgate.decide.offline import offline_gate
from lockgate.decide.safety import margin, tolerance
from lockgate.decide.worth import first_crossing, worth
from lockgate.errors import SpecError
from lockgate.records import GateSpec, RolloutSpec, Ruling

NONE = np.array([])


def test_the_default_ladder_gives_its_rungs_in_order() -> None:
    found = ladder.steps(RolloutSpec())
    assert [step.name for step in found] == ["replay", "shadow", "5%", "25%", "50%", "100%"]
    assert [step.kind for step in found] == ["replay", "shadow", "share", "share", "share", "share"]
    assert [step.share for step in found] == [0, 0, 0.05, 0.25, 0.5, 1]


@pytest.mark.parametrize(
    ("rungs", "sentence"),
    [
        ((), "does not climb"),
        (("shadow",), "does not climb"),
        ((0.5,), "does not climb"),
        ((0.5, 0.25, 1.0), "does not climb"),
        ((0.5, 0.5, 1.0), "does not climb"),
        ((0.5, 1.0, 0.9), "does not climb"),
        (("shadow", "replay", 1.0), "out of order"),
        ((0.5, "shadow", 1.0), "out of order"),
        (("replay", "replay", 0.5, 1.0), "out of order"),
        (("shadow", "shadow", 0.5, 1.0), "out of order"),
        ((1.0,), "all traffic unseen"),
        (("replay", 1.0), "all traffic unseen"),
        ((0.0, 1.0), "no share of traffic"),
        ((0.5, 1.5), "no share of traffic"),
        ((math.nan, 1.0), "no share of traffic"),
        (("canary", 1.0), "There is no step 'canary'"),
    ],
)
def test_a_ladder_that_cannot_be_climbed_is_refused(rungs: tuple[str | float, ...], sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence):
        ladder.steps(RolloutSpec(ladder=rungs))


def test_an_unknown_guardrail_is_refused_before_anything_moves() -> None:
    with pytest.raises(SpecError, match=r"no guardrail 'failure'.*Did you mean 'failures'"):
        ladder.steps(RolloutSpec(guardrails=("failure",)))


def test_steps_of_nearly_one_share_have_names_of_their_own() -> None:
    """A safety verdict goes by its step's name: rounded to one name, the first step's would unlock the second."""
    found = ladder.steps(RolloutSpec(ladder=(0.001, 0.004, 0.05, 0.0512, 0.07, 1.0)))
    assert [step.name for step in found] == ["0.1%", "0.4%", "5%", "5.12%", "7%", "100%"]


def test_a_larger_share_puts_up_with_fewer_bad_calls() -> None:
    assert [tolerance(share) for share in (0.0, 0.01, 0.05, 0.25, 1.0)] == [0.02, 0.02, 0.01, 0.005, 0.005]
    assert [margin(share) for share in (0.0, 0.01, 0.05, 0.25, 1.0)] == [10, 10, 4, 2, 1.5]


def gate_of(means: np.ndarray, better_by: float = 0.0) -> tuple[Ruling, str]:
    counts = np.full(means.size, 200.0)
    item = offline_gate(
        GateSpec(),
        metric="log_loss",
        against="champion",
        better_by=better_by,
        sums=means * counts,
        counts=counts,
        call_variance=0.1,
    )
    return item.ruling, item.sentence


NOISE = np.random.default_rng(51).standard_normal(14) * 0.01


@pytest.mark.parametrize(
    ("shift", "better_by", "ruling", "words"),
    [
        (-0.05, 0.0, Ruling.PASS, "lower than"),
        (0.05, 0.0, Ruling.FAIL, "not low enough against"),
        (0.0, 0.0, Ruling.UNDECIDED, "not yet told from"),
        (-0.05, 0.05, Ruling.UNDECIDED, "not yet told from"),
        (-0.05, 0.2, Ruling.FAIL, "not low enough against"),
    ],
)
def test_the_offline_gate_rules_by_where_its_interval_lies(
    shift: float, better_by: float, ruling: Ruling, words: str
) -> None:
    found, sentence = gate_of(NOISE - NOISE.mean() + shift, better_by)
    assert found is ruling
    assert sentence.startswith(f"On 14 held-out days its log_loss is {words} that of champion: {shift:+.4f} [")


def test_the_offline_gate_needs_three_days() -> None:
    with pytest.raises(SpecError, match="2 blocks"):
        gate_of(NOISE[:2])


def judged_worth(differences: np.ndarray, history: np.ndarray = NONE, prove: str = "not worse") -> Ruling:
    spec = RolloutSpec(prove=prove)  # type: ignore[arg-type]
    return worth(spec, metric="log_loss", not_worse_by=0.02, differences=differences, history=history).ruling


DAYS = np.random.default_rng(52).standard_normal(120) * 0.02


def test_worth_passes_the_better_fails_the_worse_and_leaves_the_equal_undecided() -> None:
    assert judged_worth(DAYS - 0.02, prove="better") is Ruling.PASS
    assert judged_worth(DAYS + 0.05, prove="better") is Ruling.FAIL
    assert judged_worth(DAYS - DAYS.mean(), prove="better") is Ruling.UNDECIDED


def test_an_equal_challenger_is_proved_not_worse_but_not_better() -> None:
    assert judged_worth(DAYS - DAYS.mean()) is Ruling.PASS
    assert judged_worth(DAYS - DAYS.mean() + 0.05) is Ruling.FAIL


def test_no_day_is_undecided_and_says_so() -> None:
    item = worth(RolloutSpec(), metric="log_loss", not_worse_by=0.002, differences=NONE, history=NONE)
    assert item.ruling is Ruling.UNDECIDED
    assert item.sentence == "No day has matured yet, so nothing is known of its log_loss."


def test_worth_says_which_memory_it_judged_by() -> None:
    spec = RolloutSpec()
    short, new = (
        worth(spec, metric="m", not_worse_by=0.0, differences=DAYS, history=DAYS[:blocks]) for blocks in (30, 19)
    )
    assert short.gate.method == "GLS-t by 1d, memory short"
    assert new.gate.method == "GLS-t by 1d, memory new"


def test_a_verdict_is_not_taken_back_by_what_comes_later() -> None:
    up, down = np.array([0.0, 3.1, 0.0, 0.0]), np.array([0.0, 0.0, 0.0, 9.0])
    assert first_crossing(up, down, 3.0) == (Ruling.PASS, 2)
    assert first_crossing(down, up, 3.0) == (Ruling.FAIL, 2)
    assert first_crossing(np.zeros(4), np.zeros(4), 3.0) == (Ruling.UNDECIDED, 4)


def test_blocks_behind_the_one_that_decides_are_no_evidence() -> None:
    better = DAYS - 0.02
    whole = worth(RolloutSpec(prove="better"), metric="m", not_worse_by=0.0, differences=better, history=NONE)
    part = better[: whole.evidence.blocks]
    assert whole.evidence.blocks < better.size
    assert worth(RolloutSpec(prove="better"), metric="m", not_worse_by=0.0, differences=part, history=NONE) == whole


def test_a_history_that_remembers_less_than_the_test_is_said() -> None:
    walk = np.convolve(np.random.default_rng(58).standard_normal(90), np.ones(4) / 4, mode="valid")[:60] * 0.02 - 0.03
    calm = np.random.default_rng(59).standard_normal(60) * 0.02
    item = worth(RolloutSpec(prove="better"), metric="m", not_worse_by=0.0, differences=walk, history=calm)
    assert item.ruling is Ruling.PASS
    assert (item.evidence.blocks < 10) or "trust it less" in item.sentence


def test_quality_stops_a_challenger_much_worse_but_not_one_a_little_worse() -> None:
    champion = 0.5 + DAYS[:60] / 4
    noise = np.random.default_rng(53).standard_normal(60) * 0.01
    much, little = (
        quality(RolloutSpec(), champion_loss=champion, challenger_loss=champion * ratio + noise, history=NONE)
        for ratio in (1.16, 1.006)
    )
    assert much.ruling is Ruling.FAIL
    assert little.ruling is Ruling.UNDECIDED
    assert "so far" in much.sentence.lower()


def test_no_block_is_no_harm() -> None:
    assert quality(RolloutSpec(), champion_loss=NONE, challenger_loss=NONE, history=NONE).ruling is Ruling.UNDECIDED


def test_the_gravest_ruling_rules_and_none_is_undecided() -> None:
    assert worst([Ruling.PASS, Ruling.FAIL, Ruling.VOID]) is Ruling.FAIL
    assert worst([Ruling.PASS, Ruling.UNDECIDED]) is Ruling.UNDECIDED
    assert worst([]) is Ruling.UNDECIDED


def test_decay_is_told_once_skill_has_fallen_beyond_the_tolerance() -> None:
    base = 0.6 + np.random.default_rng(54).standard_normal(60) * 0.05
    noise = np.random.default_rng(55).standard_normal(60) * 0.02
    fallen = decay(reference_skill=0.30, tolerance=0.02, loss=0.80 * base + noise, base_loss=base)
    held = decay(reference_skill=0.30, tolerance=0.02, loss=0.70 * base + noise, base_loss=base)
    assert fallen.ruling is Ruling.FAIL
    assert fallen.sentence.startswith("Skill has fallen by more than 0.020: 0.1")
    assert "over the last 60 days against 0.300 when it was made" in fallen.sentence
    assert held.ruling is Ruling.UNDECIDED
    assert held.sentence.startswith("Skill is not shown to have fallen by more than 0.020")


def test_a_quiet_season_hides_no_decay() -> None:
    """The raw loss falls under what it was when the champion was made, and its skill against each day's base rate fell."""
    base = np.linspace(0.6, 0.3, 60)
    loss = 0.85 * base + np.random.default_rng(57).standard_normal(60) * 0.01
    assert loss[40:].mean() < 0.70 * 0.6
    assert decay(reference_skill=0.30, tolerance=0.02, loss=loss, base_loss=base).ruling is Ruling.FAIL


def test_no_block_is_no_decay() -> None:
    assert decay(reference_skill=0.3, tolerance=0.02, loss=NONE, base_loss=NONE).ruling is Ruling.UNDECIDED
