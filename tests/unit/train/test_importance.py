"""How much a version leans on a column: also on one that it sees only through a feature made of it."""

from __future__ import annotations

import numpy as np
import pytest

from lockgate.features import Pipeline, numeric, row
from lockgate.features.columns import Columns
from lockgate.metrics import loss
from lockgate.train.profile import importance


def test_a_column_is_leaned_on_through_the_features_that_are_made_of_it() -> None:
    rng = np.random.default_rng(5)
    rows: Columns = {name: rng.uniform(1.0, 2.0, 1_000) for name in ("minutes", "miles", "seats", "unread")}
    pipeline = Pipeline.of(numeric("seats"), row("speed", "miles / minutes")).typed(dict.fromkeys(rows, "float"))
    target = rows["miles"] / rows["minutes"]
    pipeline = pipeline.fit(rows, target)
    place = pipeline.names.index("speed")
    found = importance(
        lambda inputs: inputs[:, place], pipeline, rows, target, loss("squared_error", "regression"), seed=1
    )  # type: ignore[index,return-value]
    assert set(found) == {"seats", "miles", "minutes"}, "what it does not read is not there"
    assert found["seats"] == 0.0
    assert found["miles"] > 0.3
    assert found["minutes"] > 0.3
    assert sum(found.values()) == pytest.approx(1.0)


def test_a_model_that_leans_on_nothing_says_so() -> None:
    rows: Columns = {"seats": np.arange(100.0)}
    pipeline = Pipeline.of(numeric("seats")).fit(rows, np.zeros(100))
    found = importance(
        lambda inputs: np.zeros(len(inputs)), pipeline, rows, np.zeros(100), loss("squared_error", "regression"), seed=1
    )
    assert found == {"seats": 0.0}
