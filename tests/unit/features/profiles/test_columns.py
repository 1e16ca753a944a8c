"""Profiles of columns that say their levels, and of versions that said nothing."""

from __future__ import annotations

import numpy as np
import pytest

from lockgate.features.levelled import levelled
from lockgate.features.profiles import columns as counting
from lockgate.records import Column

ROWS = 3 * counting.AT_ONCE + 7  # more than are counted in one go
CONTRACT = [Column(name="carrier", type="text", is_nullable=True), Column(name="wait", type="float")]


@pytest.mark.parametrize("levels", [12, 3_000])  # a category's; so many that they are texts
def test_a_column_that_says_its_levels_counts_as_one_that_is_read_text_by_text(levels: int) -> None:
    rng = np.random.default_rng(3)
    known = [None, "of no row", *(f"carrier {n}" for n in range(levels))]
    codes = rng.choice([0, *range(2, levels + 2)], ROWS).astype(np.uint32)
    said, wait = levelled(known, codes), rng.normal(size=ROWS)
    plain = np.array(said.tolist(), dtype=object)
    by_levels, by_text = (counting.reference({"carrier": own, "wait": wait}, CONTRACT) for own in (said, plain))
    assert by_levels == by_text
    window = counting.window({"carrier": said[:100], "wait": wait[:100]}, by_text)
    assert window == counting.window({"carrier": plain[:100], "wait": wait[:100]}, by_text)
    (carrier, _) = window.columns
    assert carrier.missing == int((codes[:100] == 0).sum())


def test_predictions_that_nobody_made_are_missing_in_every_row() -> None:
    wait = np.arange(ROWS, dtype=np.float64)
    alone = counting.reference({"wait": wait}, CONTRACT[1:])
    said = counting.predicted(wait / ROWS)
    whole = counting.window({"wait": wait}, type(alone)(rows=0, columns=(*alone.columns, said)))
    prediction = whole.column(counting.PREDICTION, "prediction")
    assert prediction is not None
    assert (prediction.missing, prediction.there, prediction.rows) == (ROWS, 0, ROWS)
