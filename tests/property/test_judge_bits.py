"""However calls are cut into batches, a judge comes to the same state and the same verdict, to the bit."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lockgate as lg

WALL_TIME = re.compile(r'"(written_s|at_s)":[0-9.e+]+')
KINDS = ("rate", "accuracy", "latency", "paired")


def calls(kind: str, size: int, seed: int, *, has_units: bool) -> dict[str, np.ndarray | None]:
    """A stream whose share moves, with sticky units where asked for, and a canary somewhat worse."""
    rng = np.random.default_rng(seed)
    share = np.sort(rng.choice([0.05, 0.25, 0.4], size)) if seed % 3 else np.linspace(0.02, 0.5, size)
    unit = rng.integers(0, max(size // 3, 1), size) if has_units else None
    place = rng.random(size) if unit is None else rng.random(size)[unit]
    arm = (place < share).astype(np.int64)
    if kind == "latency":
        value = np.exp(rng.normal(3, 0.5, size)) * (1 + 0.2 * arm)
    else:
        value = (rng.random(size) < np.where(arm == 1, 0.09, 0.05)).astype(np.float64)
    shadow = (rng.random(size) < 0.05).astype(np.float64) if kind == "paired" else None
    return {"arm": arm, "value": value, "canary_share": share, "unit": unit, "shadow": shadow}


def state(judge: lg.Judge) -> str:
    return WALL_TIME.sub("", judge.state())


def in_batches(policy: lg.Policy, columns: dict[str, np.ndarray | None], cuts: list[int]) -> str:
    judge = lg.Judge(policy)
    for start, stop in zip([0, *cuts], [*cuts, len(columns["arm"])], strict=True):  # type: ignore[arg-type]
        part = {name: None if column is None else column[start:stop] for name, column in columns.items()}
        judge.observe_batch(**part)  # type: ignore[arg-type]
    return state(judge)


def one_by_one(policy: lg.Policy, columns: dict[str, np.ndarray | None]) -> str:
    judge = lg.Judge(policy)
    names = [name for name, column in columns.items() if column is not None]
    for row in zip(*(columns[name].tolist() for name in names), strict=True):  # type: ignore[union-attr]
        judge.observe(**dict(zip(names, row, strict=True)))
    return state(judge)


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    size=st.integers(1, 700),
    seed=st.integers(0, 10_000),
    has_units=st.booleans(),
    promote=st.booleans(),
    data=st.data(),
)
def test_any_cut_gives_the_bits_of_one_call_at_a_time(
    kind: str, size: int, seed: int, has_units: bool, promote: bool, data: st.DataObject
) -> None:
    policy = lg.Policy(kind=kind, promote=promote and kind != "latency", alpha=0.05)  # type: ignore[arg-type]
    columns = calls(kind, size, seed, has_units=has_units)
    cuts = sorted(data.draw(st.lists(st.integers(0, size), max_size=6)))
    single = one_by_one(policy, columns)
    assert in_batches(policy, columns, cuts) == single
    assert in_batches(policy, columns, []) == single


@pytest.mark.parametrize("kind", KINDS)
def test_batches_longer_than_the_judges_own_chunks_agree_too(kind: str) -> None:
    policy = lg.Policy(kind=kind, alpha=1e-6)  # type: ignore[arg-type]
    columns = calls(kind, 20_000, 7, has_units=False)
    assert (
        in_batches(policy, columns, [9_000, 17_500]) == in_batches(policy, columns, []) == one_by_one(policy, columns)
    )
