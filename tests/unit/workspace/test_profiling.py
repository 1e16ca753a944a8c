"""`lockgate.profile`: any table, and what is refused of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import polars as pl
import pytest

import lockgate as lg
from lockgate.errors import ContractError, NotFound, SpecError
from lockgate.records import Profile

ROWS = 3000
START = datetime(2026, 1, 1)  # noqa: DTZ001 - a time without a zone is part of what is tried


def _table() -> pl.DataFrame:
    rng = np.random.default_rng(7)
    every = range(ROWS)
    return pl.DataFrame(
        {
            "wait": [None if k % 9 == 0 else float(value) for k, value in enumerate(rng.standard_normal(ROWS))],
            "seats": rng.integers(1, 500, ROWS),
            "is_hub": rng.random(ROWS) < 0.3,
            "carrier": rng.choice(np.array(["AA", "UA", "DL"]), ROWS),
            "tail": [f"N{k}" for k in every],
            "asked": [START + timedelta(minutes=k) for k in every],
            "known": [START + timedelta(minutes=k - k % 60) for k in every],
            "said": rng.random(ROWS),
        }
    )


TABLE = _table()
REFERENCE = lg.profile(TABLE, time="asked", prediction="said")


class Arrow:
    """A table that shows itself only as an Arrow stream."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return TABLE.__arrow_c_stream__(requested_schema)


def kept(found: Profile) -> Profile:
    return msgspec.structs.replace(found, notes=())


@pytest.mark.parametrize(
    "make",
    [
        pl.DataFrame.lazy,
        lambda table: pd.DataFrame({name: table[name].to_list() for name in table.columns}),
        lambda table: {name: table[name].to_list() for name in table.columns},
        lambda _: Arrow(),
        lambda table: table.with_columns(pl.col("carrier").cast(pl.Categorical)),
        lambda table: table.with_columns(pl.col("asked", "known").dt.replace_time_zone("UTC")),
        lambda table: pl.concat([table[:100], table[100:2000], table[2000:]], rechunk=False),
    ],
    ids=["lazy", "pandas", "mapping", "arrow", "categorical", "zoned", "chunked"],
)
def test_whatever_a_table_is_made_of_its_profile_is_the_same(make: Any) -> None:
    assert kept(lg.profile(make(TABLE), time="asked", prediction="said")) == kept(REFERENCE)


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow", "t.csv", "t.csv.gz", "delta"])
def test_a_file_is_streamed_to_the_same_profile(tmp_path: Path, name: str) -> None:
    write = {
        "t.parquet": lambda place: TABLE.write_parquet(place, row_group_size=700),
        "t.arrow": TABLE.write_ipc,
        "t.csv": TABLE.write_csv,
        "t.csv.gz": lambda place: TABLE.write_csv(place, compression="gzip"),
        "delta": lambda place: TABLE.write_delta(str(place)),
    }
    place = tmp_path / name
    write[name](place)
    assert kept(lg.profile(place, time="asked", prediction="said")) == kept(REFERENCE)
    assert kept(lg.profile(str(place), against=REFERENCE, prediction="said")) == kept(REFERENCE)


def test_a_large_table_is_sampled_alike_in_memory_and_streamed() -> None:
    rng = np.random.default_rng(9)
    table = pl.DataFrame({"x": rng.standard_normal(300_000).cumsum(), "y": rng.integers(0, 9, 300_000)})
    assert lg.profile(table.lazy()) == lg.profile(table)


def test_what_was_taken_one_way_of_several_is_said() -> None:
    said = " ".join(REFERENCE.notes)
    assert "'asked' says no time zone: taken as UTC" in said
    assert "3,000 rows: too few for small drifts" in said
    berlin = TABLE.with_columns(
        pl.col("asked", "known").dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin")
    )
    window = lg.profile(berlin.with_columns(extra=1), against=REFERENCE, prediction="said")
    assert "'known' is in Europe/Berlin: moved to UTC" in " ".join(window.notes)
    assert "'extra' is not in the reference" in " ".join(window.notes)
    assert kept(window) == kept(REFERENCE)
    odd = lg.profile({"x": [1.0, float("inf"), float("nan")], "nothing": [None, None, None]})
    assert "'x': 1 infinite values" in " ".join(odd.notes)
    assert "'nothing' has no value at all" in " ".join(odd.notes)
    assert odd.columns[0].absent == (0, 1, 1, 0)


def test_a_window_may_be_empty_or_one_row() -> None:
    assert lg.profile(TABLE.clear(), against=REFERENCE, prediction="said").rows == 0
    one = lg.profile(TABLE[:1], against=REFERENCE, prediction="said")
    rest = lg.profile(TABLE[1:], against=REFERENCE, prediction="said")
    assert kept(one + rest) == kept(rest + one) == kept(REFERENCE)


@pytest.mark.parametrize(
    ("table", "asked", "kind", "words"),
    [
        (TABLE.clear(), {}, SpecError, r"no rows: .*Count a reference over"),
        (TABLE[:1], {}, SpecError, "one row: "),
        (TABLE, {"columns": ["wiat"]}, SpecError, "Did you mean 'wait'"),
        (TABLE, {"time": "seats"}, SpecError, "'seats' holds Int64, not times"),
        (TABLE, {"bins": 5}, SpecError, "16 to 32"),
        (TABLE.drop("seats"), {"against": REFERENCE}, ContractError, "no column 'seats'.*The reference counts it"),
        (
            TABLE.with_columns(pl.col("seats").cast(pl.String)),
            {"against": REFERENCE, "prediction": "said"},
            ContractError,
            r"'seats' was a number in the reference, and is String here.*cast\(pl.Float64\)",
        ),
        (TABLE, {"against": REFERENCE, "bins": 16}, SpecError, "Leave bins out"),
        (TABLE, {"against": msgspec.structs.replace(REFERENCE, engine=7)}, SpecError, "by engine 7.*Count it again"),
        ({"x": [[1], [2]]}, {}, ContractError, "List.*a column of its own"),
        (7, {}, SpecError, "int cannot be read as a table"),
    ],
)
def test_what_cannot_be_counted_is_named_with_a_cure(table: Any, asked: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        lg.profile(table, **asked)


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no file .*nowhere.parquet"):
        lg.profile(tmp_path / "nowhere.parquet")
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(SpecError, match=r"broken.parquet cannot be read"):
        lg.profile(broken)
