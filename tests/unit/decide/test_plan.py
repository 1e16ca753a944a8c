"""Plans: what a rollout takes, and what can never decide is refused with what would mend it."""

from __future__ import annotations

import numpy as np
import pytest

import lockgate as lg
from lockgate.errors import SpecError
from lockgate.stats import forecast, label_bet

BUSY = {"calls_per_day": 100_000.0, "failure_rate": 0.01}


def test_every_guarded_step_has_its_calls_days_and_the_harm_it_sees() -> None:
    found = lg.plan(**BUSY, ladder=("replay", "shadow", 0.05, 0.5, 1.0))
    assert [step.name for step in found.steps] == ["shadow", "5%", "50%"]
    for step in found.steps:
        assert step.calls is not None
        assert step.days == pytest.approx(step.calls / 100_000)
        assert step.exposed == pytest.approx(step.calls * step.share)
        assert step.smallest_harm is not None
        assert step.smallest_harm > 1
    assert found.is_sound
    assert found.alpha == pytest.approx(0.12)


def test_beside_a_champion_that_never_fails_some_failures_of_the_canary_alone_stop_it() -> None:
    for step in lg.plan(calls_per_day=1e5, failure_rate=0.0, guardrails=("failures",), ladder=(0.05, 0.5, 1.0)).steps:
        assert step.smallest_harm is None
        judge = lg.Judge(lg.Policy(kind="rate", alpha=0.01))
        ruled = [judge.observe(arm=1, value=1.0, canary_share=step.share) for _ in range(step.stops_at)]
        assert [verdict is not None for verdict in ruled] == [False] * (step.stops_at - 1) + [True]


def test_more_calls_a_day_need_fewer_days_and_no_fewer_calls() -> None:
    slow, fast = (lg.plan(calls_per_day=calls, failure_rate=0.01) for calls in (1_000.0, 100_000.0))
    assert [step.calls for step in slow.steps] == [step.calls for step in fast.steps]
    assert all((s.days or 0) > (f.days or 0) for s, f in zip(slow.steps, fast.steps, strict=True))


def test_a_service_that_fails_more_than_is_put_up_with_climbs_by_the_ratio() -> None:
    found = lg.plan(calls_per_day=1e5, failure_rate=0.05)
    assert {step.by for step in found.steps} == {"ratio"}
    assert found.is_sound


def test_steps_too_slow_for_the_deadline_are_refused_with_the_share_that_would_do() -> None:
    found = lg.plan(calls_per_day=1_000, failure_rate=0.0, ladder=("shadow", 0.01, 0.5, 1.0), deadline="30d")
    (refusal,) = found.refusals
    assert "1% alone takes" in refusal
    share = float(refusal.split("a share of ")[1].split()[0])
    assert lg.plan(calls_per_day=1_000, failure_rate=0.0, ladder=("shadow", share, 0.5, 1.0), deadline="30d").is_sound


def test_a_gain_too_small_for_the_deadline_is_refused_with_the_margin_that_would_do() -> None:
    known = {"calls_per_day": 5e4, "failure_rate": 0.001, "gain": 0.004, "block_sd": 0.02, "history": 40}
    (refusal,) = lg.plan(**known).refusals
    assert "worth is proved after some" in refusal
    margin = float(refusal.split("a margin of ")[1].split()[0])
    assert lg.plan(**known, not_worse_by=margin * 1.01).is_sound


def test_blocks_of_a_handful_of_calls_never_decide() -> None:
    found = lg.plan(calls_per_day=20, failure_rate=0.0, deadline="900d")
    assert any("worth is never proved" in refusal for refusal in found.refusals)


def test_no_gain_at_all_is_seen_in_a_deadline_of_days() -> None:
    found = lg.plan(**BUSY, gain=1.0, block_sd=0.01, deadline="4d")
    assert any("No gain at all is proved within 4 days" in refusal for refusal in found.refusals)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"calls_per_day": 0.0}, "decide nothing"),
        ({"failure_rate": 1.5}, "failure rate of 1.5 cannot be"),
        ({"failure_rate": float("nan")}, "cannot be"),
        ({"block_sd": 0.0}, "standard deviation"),
        ({"ladder": (0.5, 0.2, 1.0)}, "does not climb"),
        ({"guardrails": ("speed",)}, "no guardrail 'speed'"),
        ({"memory": "shortish", "gain": 1.0, "block_sd": 1.0}, "no memory 'shortish'"),
    ],
)
def test_figures_that_cannot_be_are_refused(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        lg.plan(**(BUSY | wrong))  # type: ignore[arg-type]


def test_a_step_is_shown_safe_within_the_calls_that_its_plan_foretold() -> None:
    """200 canaries like their champion; a forecast is a promise: two in three keep it, and the median does by far."""
    share, rate, margin, alpha = 0.25, 0.05, 2.0, 0.01
    promised = forecast.calls_until_no_worse(share=share, failure_rate=rate, margin=margin, alpha=alpha)
    rng = np.random.default_rng(12)
    size = int(3 * promised)
    needed = []
    for _ in range(200):
        bad = rng.random(size) < rate
        canary = (rng.random(size) < share) & bad
        gained = label_bet.log_gain(share, label_bet.NO_WORSE[:, None], np.log(label_bet.NO_WORSE)[:, None], canary)
        null = label_bet.log_gain(share, np.array([margin]), np.log([margin]), canary[:, None])[:, 0]
        path = np.cumsum(np.where(bad, gained - null, 0.0), axis=1) + np.log(label_bet.NO_WORSE_PRIOR)[:, None]
        log_e = np.logaddexp.reduce(path, axis=0)
        needed.append(int(np.argmax(log_e >= -np.log(alpha))) or size)
    assert 0.4 * promised < np.median(needed) < promised
