"""Parquet files become one without a value being read, and any reader takes it for a file like others."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from lockgate.store.parquet_join import MAGIC, join


def table(seed: int, rows: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "number": rng.integers(-(2**60), 2**60, rows),
            "value": rng.normal(size=rows),
            "text": [f"ü{n}" if n % 3 else None for n in range(rows)],
            "flags": [["a", "b"][: n % 3] for n in range(rows)],
            "is_so": rng.random(rows) < 0.5,
            "at": [dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=n) for n in range(rows)],
            "none": [None] * rows,
        },
        schema_overrides={"text": pl.String, "none": pl.String, "flags": pl.List(pl.String)},
    )


@pytest.mark.parametrize(
    "how", [{}, {"row_group_size": 7}, {"compression": "uncompressed", "statistics": False}], ids=str
)
def test_the_whole_holds_the_rows_of_its_parts_in_order(tmp_path: Path, how: dict[str, Any]) -> None:
    tables = [table(seed, rows) for seed, rows in enumerate((30, 1, 300))]
    parts = [tmp_path / f"{place}.parquet" for place in range(3)]
    for rows, path in zip(tables, parts, strict=True):
        rows.write_parquet(path, **how)
    join(parts, tmp_path / "whole")
    whole = pl.concat(tables)
    assert pl.read_parquet(tmp_path / "whole").equals(whole)
    picked = pl.scan_parquet(tmp_path / "whole").filter(pl.col("number") == whole["number"][200]).collect()
    assert picked.equals(whole[200:201]), "what is noted of each row group still leads to it"
    other = pytest.importorskip("pyarrow.parquet").ParquetFile(tmp_path / "whole")
    assert other.metadata.num_rows == whole.height
    assert pl.DataFrame(other.read()).equals(whole)
    assert other.read_row_group(other.num_row_groups - 1)["number"][-1].as_py() == whole["number"][-1]


def test_page_indexes_of_another_writer_are_left_out_and_its_rows_are_there(tmp_path: Path) -> None:
    pyarrow, writer = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parts = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for path in parts:
        rows = pyarrow.table({"x": list(range(1000)), "y": [{"a": 1.5}] * 1000})
        writer.write_table(rows, path, write_page_index=True, row_group_size=300)
    join(parts, tmp_path / "whole")
    found = writer.ParquetFile(tmp_path / "whole")
    assert found.read()["x"].to_pylist() == [*range(1000)] * 2
    assert not found.metadata.row_group(5).column(0).has_offset_index
    assert pl.read_parquet(tmp_path / "whole").height == 2000


def test_many_parts_and_one_alone(tmp_path: Path) -> None:
    parts = [tmp_path / f"{place}.parquet" for place in range(40)]
    for place, path in enumerate(parts):
        pl.DataFrame({"x": [place, place]}).write_parquet(path)
    join(parts, tmp_path / "whole")
    assert pl.read_parquet(tmp_path / "whole")["x"].to_list() == [place for place in range(40) for _ in range(2)]
    join(parts[:1], tmp_path / "one")
    assert pl.read_parquet(tmp_path / "one")["x"].to_list() == [0, 0]


def test_what_is_broken_off_or_has_other_columns_is_refused_by_name(tmp_path: Path) -> None:
    good, short, other = (tmp_path / f"{name}.parquet" for name in ("good", "short", "other"))
    pl.DataFrame({"x": [1]}).write_parquet(good)
    pl.DataFrame({"x": [1.0]}).write_parquet(other)
    short.write_bytes(good.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"short.parquet is no whole Parquet file"):
        join([good, short], tmp_path / "whole")
    (tmp_path / "whole").unlink()
    with pytest.raises(ValueError, match=r"other.parquet has other columns than .*good.parquet"):
        join([good, other], tmp_path / "whole")
    (tmp_path / "tail.parquet").write_bytes(MAGIC + b"\xff" * 9 + (9).to_bytes(4, "little") + MAGIC)
    with pytest.raises(ValueError, match="a footer"):
        join([tmp_path / "tail.parquet"], tmp_path / "tail")
