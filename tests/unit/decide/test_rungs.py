"""Policies as they are typed: what is given replaces what lockgate.toml says, and what cannot be is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from lockgate.decide.rungs import policy, rung, rungs
from lockgate.errors import SpecError
from lockgate.records import RolloutSpec

BASE = RolloutSpec(worse_by=0.2)


def test_rungs_are_words_and_shares() -> None:
    assert rungs("replay, shadow,0.05,25%,1.0") == ("replay", "shadow", 0.05, 0.25, 1.0)
    assert (rung(" shadow "), rung("5%"), rung("1")) == ("shadow", 0.05, 1.0)


def test_what_is_left_out_stays() -> None:
    assert policy(BASE) == BASE
    found = policy(
        BASE,
        ladder_text="shadow,0.5,1.0",
        deadline="30d",
        alpha=0.02,
        prove="better",
        guardrails=["failures", "failures"],
        require_approval="0.5,1.0",
    )
    assert found == RolloutSpec(
        ladder=("shadow", 0.5, 1.0),
        deadline="30d",
        alpha=0.02,
        prove="better",
        guardrails=("failures",),
        require_approval=(0.5, 1.0),
        worse_by=0.2,
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"ladder_text": "shadwo,1.0"}, "no step 'shadwo'.*Did you mean 'shadow'"),
        ({"ladder_text": "shadow,0.5,0.2,1.0"}, "does not climb"),
        ({"ladder_text": "shadow,nan,1.0"}, "is no share"),
        ({"ladder_text": " , "}, "names no step"),
        ({"deadline": "30"}, "'30' is not a duration"),
        ({"deadline": "-1d"}, "is not a duration"),
        ({"alpha": 0.0}, "is no error rate"),
        ({"alpha": float("nan")}, "is no error rate"),
        ({"prove": "beter"}, "no claim to prove 'beter'.*Did you mean 'better'"),
        ({"guardrails": ["failure"]}, "no guardrail 'failure'.*Did you mean 'failures'"),
        ({"require_approval": "0.3"}, "no step to approve '30%'"),
        ({"require_approval": "replay"}, "replay is entered when the rollout starts"),
    ],
)
def test_what_cannot_be_is_refused_by_name(given: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        policy(BASE, **given)
