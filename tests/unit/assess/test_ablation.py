"""What a model loses without a feature: seen where it is, not seen where it is not, and said so in one sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lockgate.assess.ablation import losses, sentence
from lockgate.errors import SpecError
from lockgate.features import Pipeline, custom, levels, numeric, raw, row, scaled
from lockgate.features.parted import alone, kind_of, without
from lockgate.records.feature_worth import FeatureWorth

DAYS, PER_DAY = 30, 40
BLOCK = np.repeat(np.arange(DAYS), PER_DAY)


def test_a_feature_that_matters_is_seen_and_one_that_does_not_is_not() -> None:
    rng = np.random.default_rng(0)
    own = rng.exponential(1, BLOCK.size)
    day = rng.normal(0, 0.3, DAYS)[BLOCK]
    found = losses(own, {"needed": own + 0.5 + day, "idle": own + rng.normal(0, 0.1, own.size)}, BLOCK, alpha=0.05)
    assert found["needed"].low > 0
    assert found["idle"].low < 0 < found["idle"].high
    assert found["needed"].mean == pytest.approx((0.5 + day).mean())


def test_the_intervals_of_many_idle_features_hold_together() -> None:
    """Over 300 worlds of 20 idle features, some feature is wrongly seen in at most 5 % of them; the chance that a sound
    method shows 26 or more is below 1e-2.
    """
    rng = np.random.default_rng(1)
    wrong = 0
    for _ in range(300):
        own = np.zeros(BLOCK.size)
        day = rng.normal(0, 1, (20, DAYS))
        others = {str(place): rng.normal(0, 1, own.size) + day[place][BLOCK] for place in range(20)}
        wrong += any(one.low > 0 or one.high < 0 for one in losses(own, others, BLOCK, alpha=0.05).values())
    assert wrong <= 25


def test_too_few_blocks_and_no_error_rate_are_refused() -> None:
    with pytest.raises(SpecError, match="2 blocks cannot give an interval"):
        losses(np.zeros(4), {"a": np.ones(4)}, np.array([0, 0, 1, 1]), alpha=0.05)
    with pytest.raises(SpecError, match="An alpha of 1 is no error rate"):
        losses(np.zeros(4), {"a": np.ones(4)}, np.arange(4), alpha=1)


def worth(name: str, **more: Any) -> FeatureWorth:
    plain: dict[str, Any] = {"kind": "row", "columns": ("x",), "one_row_us": 3.0, "batch_us": 0.1, "missing": 0.0}
    return FeatureWorth(name=name, gone=(name,), **(plain | more))


def test_the_sentence_names_the_costliest_that_could_go() -> None:
    told = [
        worth("speed", loses=0.02, low=0.01, high=0.03),
        worth("cheap", loses=0.0, low=-0.0001, high=0.0002, one_row_us=0.1),
        worth("dear", loses=0.0, low=-0.0001, high=0.0002),
    ]
    assert sentence(told, "log_loss", 0.05) == (
        "dear costs 3.0 us and its absence loses nothing we can see: log_loss moves by [-0.0001, +0.0002]; so do cheap. "
        "One at a time: of two that say the same, each could go and not both. All 3 intervals hold together with chance 0.95."
    )
    assert sentence(told[:1], "log_loss", 0.05).startswith("None could go")


PIPELINE = Pipeline.of(
    numeric("a", "b"),
    levels("s"),
    row("speed", "a / b"),
    row("pace", "1 / speed"),
    scaled("speed"),
    custom("m:f", needs=("a",), gives=("u", "v")),
    row("w", "u + b"),
)


def test_a_feature_goes_with_what_is_made_of_it() -> None:
    assert without(PIPELINE, "speed").gone == ("speed", "pace")
    assert without(PIPELINE, "a").gone == ("a",), "what reads the table's own column stays"
    left = without(PIPELINE, "u").pipeline
    assert left is not None
    assert left.names == ("a", "b", "s", "speed", "pace", "v")
    assert without(Pipeline.of(raw("a")), "a").pipeline is None


def test_a_feature_alone_takes_the_steps_that_make_it() -> None:
    assert alone(PIPELINE, "pace").names == ("speed", "pace")
    assert alone(PIPELINE, "b").needs == ("b",)
    assert alone(PIPELINE, "w").names == ("u", "w")
    assert [kind_of(PIPELINE, name) for name in ("a", "s", "speed", "pace", "u")] == [
        "numeric",
        "levels",
        "scaled",
        "row",
        "custom",
    ]
