"""Whatever order rows come in, they are the same dataset; and a difference is what a person would count by hand."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from lockgate.assess.dataset_diff import Side, diff
from lockgate.features.content import arranged, digest, once, settled
from lockgate.features.contract import check, infer
from lockgate.records import ContractSpec, DatasetRef, ModelSpec

NOW = datetime(2026, 1, 1, tzinfo=UTC)
UTC_US = pl.Datetime("us", "UTC")
ROW = st.tuples(
    st.sampled_from(["a", "b", "c", "d"]),
    st.integers(0, 3),
    st.one_of(st.none(), st.integers(4, 6)),
    st.sampled_from([0.0, -0.0, 1.5, float("nan"), None]),
    st.integers(0, 1),
)
ROWS = st.lists(ROW, min_size=1, max_size=12)


def table(rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    names = ("id", "at", "known", "x", "y")
    made = pl.DataFrame(
        rows, schema=dict(zip(names, (pl.String, pl.Int64, pl.Int64, pl.Float64, pl.Int64), strict=True)), orient="row"
    )
    return made.with_columns(
        (pl.lit(NOW) + pl.duration(hours=pl.col(n))).cast(UTC_US).alias(n) for n in ("at", "known")
    )


def spec(keys: tuple[str, ...]) -> ModelSpec:
    return ModelSpec(target="y", time="at", contract=ContractSpec(keys=keys, known="known", nullable=("x",)))


@given(ROWS, st.randoms(use_true_random=False), st.sampled_from([("id",), ()]))
def test_any_order_of_the_rows_is_the_same_dataset(rows: list[Any], chance: Any, keys: tuple[str, ...]) -> None:
    other = list(rows)
    chance.shuffle(other)
    contract = infer("m", spec(keys), table(rows))
    found = []
    for order in (rows, other):
        single = once(arranged(table(order), contract), contract)
        checked = settled(check(single.table, contract), contract)
        found.append((digest(checked.kept), checked.counts, single.repeated, digest(checked.quarantined)))
        assert checked.kept.height + checked.quarantined.height + single.repeated == len(rows), (
            "every row is accounted for"
        )
        if keys:
            assert checked.kept["id"].is_unique().all()
    assert found[0] == found[1]


@given(ROWS, ROWS)
def test_the_digest_is_the_same_exactly_where_the_rows_are(one: list[Any], other: list[Any]) -> None:
    def as_counted(rows: list[Any]) -> Counter[Any]:
        return Counter(tuple("nan" if v != v else v for v in row) for row in rows)

    assert (digest(table(one)) == digest(table(other))) == (as_counted(one) == as_counted(other))


@given(
    st.dictionaries(st.integers(0, 9), st.integers(0, 2), min_size=1),
    st.dictionaries(st.integers(0, 9), st.integers(0, 2), min_size=1),
)
def test_a_difference_by_keys_is_that_of_two_mappings(before: dict[int, int], after: dict[int, int]) -> None:
    both = before.keys() & after.keys()
    changed = sum(before[key] != after[key] for key in both)
    found = between(before, after, ("id",))
    assert (found.added, found.removed) == (len(after.keys() - before.keys()), len(before.keys() - after.keys()))
    assert (found.changed, found.same) == (changed, len(both) - changed)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), min_size=1),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), min_size=1),
)
def test_a_difference_by_content_is_that_of_two_bags(before: list[Any], after: list[Any]) -> None:
    was, now = Counter(before), Counter(after)
    found = between(before, after, ())
    assert (found.added, found.removed, found.same) == ((now - was).total(), (was - now).total(), (was & now).total())


def between(before: Any, after: Any, keys: tuple[str, ...]) -> Any:
    def frame(rows: Any) -> pl.DataFrame:
        pairs = list(rows.items()) if isinstance(rows, dict) else rows
        return pl.DataFrame(pairs, schema={"id": pl.Int64, "y": pl.Int64}, orient="row")

    contract = infer("m", ModelSpec(target="y", contract=ContractSpec(keys=keys)), frame(before))
    sides = [
        Side(DatasetRef(table="t", version=n, digest="d"), frame(rows).lazy()) for n, rows in enumerate((before, after))
    ]
    return diff(sides[0], sides[1], contract)
