"""The row half: what a worker counts."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from lockgate.errors import SpecError
from lockgate.features.profiles.columns import reference
from lockgate.features.profiles.rows import AT_ONCE, LiveWindow
from lockgate.records import Column

CONTRACT = (
    Column(name="wait", type="float", is_nullable=True),
    Column(name="carrier", type="text", levels=("AA", "UA")),
    Column(name="is_hub", type="bool"),
)
ORDER = tuple(column.name for column in CONTRACT)
REFERENCE = reference(
    {
        "wait": np.random.default_rng(1).standard_normal(400),
        "carrier": np.array(["AA", "UA"] * 200, dtype=object),
        "is_hub": np.array([0.0, 1.0] * 200),
    },
    CONTRACT,
)


def test_every_call_is_counted_once_whenever_it_is_asked_for() -> None:
    live = LiveWindow(REFERENCE, ORDER)
    taken = []
    for number in range(3 * AT_ONCE + 7):
        live.add((0.5, "AA", True), 0.1, float(number))
        if number % 300 == 299:
            taken.append(live.take())
    taken.append(live.take())
    assert sum(profile.rows for profile in taken) == 3 * AT_ONCE + 7
    assert [profile.since_s for profile in taken][:2] == [0.0, 300.0]
    empty = live.take()
    assert (empty.rows, empty.since_s) == (0, None)
    assert all(column.rows == 0 for column in empty.columns)


def test_values_of_another_type_are_unseen_and_raise_nothing() -> None:
    live = LiveWindow(REFERENCE, ORDER)
    live.add(("12", 7, "yes"), None, 0.0)
    live.add((True, None, 1), None, 1.0)
    live.add((10**400, "ZZ", None), None, 2.0)
    wait, carrier, hub = live.take().columns
    assert (wait.absent, carrier.absent, hub.absent) == ((0, 0, 1, 2), (1, 0, 0, 2), (1, 0, 0, 2))


def test_a_reference_of_another_model_is_refused() -> None:
    with pytest.raises(SpecError, match=r"no input 'is_hub'.*of another model"):
        LiveWindow(REFERENCE, ("wait", "carrier"))
    with pytest.raises(SpecError, match=r"of 1 values.*rows of 3"):
        LiveWindow(REFERENCE, ORDER).add((1.0,), None, 0.0)


def test_a_worker_that_counts_loads_no_frames() -> None:
    look = (
        "import sys, lockgate.features.profiles.rows as r, lockgate.features.profiles.columns as c; "
        "print(sorted({'polars', 'pandas', 'scipy', 'sklearn', 'sqlalchemy', 'deltalake', 'mlflow'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
