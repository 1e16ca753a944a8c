"""A step of levels learns the same of a column that says its levels as of one that is read text by text."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from lockgate.features.levelled import levelled
from lockgate.features.pipeline import LevelsStep, Pipeline, levels

Order = Literal["name", "outcome"]
# "gone" is a level of no row: a part of the rows still knows it.
KNOWN = ["UA", "AA", "gone", "B6", None]


def learnt(pipeline: Pipeline) -> tuple[str, ...] | None:
    (step,) = pipeline.steps
    assert isinstance(step, LevelsStep)
    return step.levels


@pytest.mark.parametrize(("order", "expected"), [("name", ("AA", "B6", "UA")), ("outcome", ("UA", "AA", "B6"))])
def test_levels_are_those_of_the_rows_in_order(order: Order, expected: tuple[str, ...]) -> None:
    codes = np.array([0, 1, 1, 3, 4, 0], dtype=np.uint32)
    target = np.array([0.0, 1.0, 0.0, 1.0, 1.0, 0.0])
    fitted = Pipeline.of(levels("carrier", order=order)).fit({"carrier": levelled(KNOWN, codes)}, target)
    assert learnt(fitted) == expected


@pytest.mark.parametrize("order", ["name", "outcome"])
def test_a_column_that_says_its_levels_and_one_that_does_not_give_the_same_pipeline(order: Order) -> None:
    rng = np.random.default_rng(7)
    said = levelled(KNOWN, rng.choice([0, 1, 3, 4], 500).astype(np.uint32))
    plain = np.array(said.tolist(), dtype=object)
    step, target = Pipeline.of(levels("carrier", order=order)), rng.random(500)
    by_codes, by_text = (step.fit({"carrier": column}, target) for column in (said, plain))
    assert by_codes.hash == by_text.hash
    assert np.array_equal(by_codes.matrix({"carrier": said}), by_text.matrix({"carrier": plain}), equal_nan=True)


def test_a_column_of_nothing_but_missing_values_has_no_levels() -> None:
    for column in (levelled(["AA", None], np.array([1, 1], dtype=np.uint32)), np.array([None, None], dtype=object)):
        assert learnt(Pipeline.of(levels("carrier")).fit({"carrier": column}, np.zeros(2))) == ()
