"""Rows are held out by time where there is a time, by unit where units come again, else by chance; and never otherwise."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from lockgate.errors import ConfigError, ContractError, SpecError
from lockgate.features.contract import to_columns
from lockgate.features.held_out import is_held_out
from lockgate.features.infer import infer
from lockgate.records import ContractSpec, GateSpec, ModelSpec
from lockgate.train.split import split

ROWS = 400


def table(**more: object) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    start = datetime(2024, 1, 1, tzinfo=UTC)
    made = pl.DataFrame(
        {
            "x": rng.normal(size=ROWS),
            "city": [f"c{i % 40}" for i in range(ROWS)],
            "at": [start + timedelta(hours=6 * i) for i in range(ROWS)],
            "y": rng.integers(0, 2, ROWS),
        }
    )
    return made.with_columns(**more) if more else made


def cut(rows: pl.DataFrame, **spec: object):
    asked = ModelSpec(target="y", **spec)
    return split(rows, infer("m", asked, rows), asked)


def test_by_time_what_is_held_out_comes_after_all_that_trains():
    found = cut(table(), time="at", gate=GateSpec(holdout="20d"))
    assert found.record.kind == "time"
    assert found.train["at"].max() < found.record.from_s <= found.held_out["at"].min()


def test_a_share_of_a_table_with_time_is_its_last_rows_from_a_whole_day_on():
    found = cut(table(), time="at", gate=GateSpec(holdout="25%"))
    assert found.record.from_s % 86400 == 0
    assert 0.2 < found.held_rows.size / ROWS < 0.3


def test_an_outcome_known_only_after_the_cut_trains_nobody():
    late = table(known=pl.col("at") + pl.duration(days=3))
    found = cut(late, time="at", contract=ContractSpec(known="known"), gate=GateSpec(holdout="20d"))
    assert found.train["known"].max() < found.record.from_s
    assert found.train_rows.size < (table()["at"].dt.epoch("s") < found.record.from_s).sum()


def test_units_that_come_again_are_on_one_side_only():
    found = cut(table(), unit="city", gate=GateSpec(split="group"))
    assert found.record.kind == "group"
    assert not set(found.train["city"]) & set(found.held_out["city"])


def test_without_time_or_unit_rows_are_held_out_by_chance_and_found_again():
    rows = table().drop("at", "city")
    spec = ModelSpec(target="y", seed=5)
    contract = infer("m", spec, rows)
    found = split(rows, contract, spec)
    assert (found.record.kind, found.record.share, found.record.seed) == ("random", 0.2, 5)
    again = np.flatnonzero(is_held_out(to_columns(rows, contract.columns), found.record, None))
    np.testing.assert_array_equal(found.held_rows, again)


def test_chance_over_a_time_column_must_be_asked_for_by_name():
    assert cut(table(), time="at").record.kind == "time"
    assert cut(table(), time="at", gate=GateSpec(split="random")).record.kind == "random"


def test_what_the_table_has_not_is_refused():
    rows = table().drop("at", "city")
    with pytest.raises(SpecError, match="no time column"):
        cut(rows, gate=GateSpec(split="time"))
    with pytest.raises(SpecError, match="has no unit"):
        cut(rows, gate=GateSpec(split="group"))
    with pytest.raises(ConfigError, match="need a share"):
        cut(rows, gate=GateSpec(holdout="14d"))


def test_too_few_rows_are_refused_with_their_number():
    with pytest.raises(ContractError, match="held out; 50 is the least"):
        cut(table(), time="at", gate=GateSpec(holdout="2d"))


def test_rows_without_an_outcome_are_on_neither_side():
    holes = table(y=pl.when(pl.int_range(pl.len()) % 4 == 0).then(None).otherwise(pl.col("y")))
    found = cut(holes, time="at", gate=GateSpec(holdout="30d"))
    assert not (np.concatenate([found.train_rows, found.held_rows]) % 4 == 0).any()
    assert not np.isnan(found.y).any()
