"""A row has one answer: a table scored and a service asked say the same of it, to the bit, hostile rows too."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lockgate.records import Prediction
from lockgate.workspace.scoring import Options

AT = datetime(2023, 12, 30, 10, tzinfo=UTC)
X1 = [0.0, -0.0, 5e-324, 1e-7, 0.1, 1 / 3, -2.5, 1e15, -1e300, 1.7976931348623157e308, 3.5e38, 2**53 + 1.0]
X2 = [None, 0.0, -0.0, 1.0, 1e38, -1e39]
COLOURS = ["red", "green", "blue", "mauve", "", "ÜÑ ✈", 'say "red"', "a\nb", " red", "RED"]
TIMES = [AT, datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC)]
BOATS = ["b1", "7", "7.0", "ü", "a" * 300, " "]


def hostile() -> pl.DataFrame:
    """Each value at least once with each of several others, and rows that a request is refused for."""
    count = 600
    rows = {
        "boat": [BOATS[n % len(BOATS)] if n % 3 else f"u{n}" for n in range(count)],
        "asked_at": [TIMES[n % len(TIMES)] for n in range(count)],
        "x1": [None if n % 97 == 5 else X1[(n * 7) % len(X1)] for n in range(count)],
        "x2": [X2[(n * 5) % len(X2)] for n in range(count)],
        "colour": [None if n % 89 == 7 else COLOURS[(n * 3) % len(COLOURS)] for n in range(count)],
    }
    return pl.DataFrame(rows, schema_overrides={"asked_at": pl.Datetime("us", "UTC")})


def body(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"asked_at": row["asked_at"].isoformat()}


@pytest.mark.parametrize("name", ["in.parquet", "in.csv", "in.jsonl"])
def test_a_scored_row_and_a_request_for_it_have_the_same_answer_flags_and_refusal(
    serving: Any, tmp_path: Path, name: str
) -> None:
    shop, server = serving
    table = hostile()
    if name == "in.csv":
        table = table.with_columns(pl.col("colour").replace("", None))  # in CSV an empty text is none
        table.with_columns(pl.col("asked_at").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")).write_csv(tmp_path / name)
    elif name == "in.jsonl":
        table.with_columns(pl.col("asked_at").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")).write_ndjson(tmp_path / name)
    else:
        table.write_parquet(tmp_path / name)
    workspace = shop.open()
    options = Options(rows_at_once=150, prefix=f"batch-{name}")
    scored = workspace.score_table(tmp_path / name, tmp_path / "out.parquet", options=options)
    workspace.close()
    out = pl.read_parquet(tmp_path / "out.parquet")
    answered = 0
    for place, row in enumerate(table.iter_rows(named=True)):
        said = server.predict(body(row), id=f"one-{name}-{place}")
        own = out.row(place, named=True)
        if said.status_code == 422:
            assert own["value"] is None
            assert own["refused"].startswith(f"{said.json()['error']['column']}: "), (own, said.text)
            continue
        (told,) = said.json()["predictions"]
        assert said.status_code == 200
        answered += 1
        names = ("value", "version", "arm", "served_by", "flags")
        assert {key: own[key] for key in names} == {key: told[key] for key in names}, (place, row)
    assert answered == scored.rows - sum(scored.refused.values())
    assert 400 < answered < 600
    assert len(scored.refused) >= 2
    entries = {entry.id: entry for entry in shop.log() if isinstance(entry, Prediction)}
    for place in range(table.height):
        one, many = entries.get(f"one-{name}-{place}-0"), entries.get(f"batch-{name}-{place}")
        assert (one is None) == (many is None)
        if one is not None and many is not None:
            assert (one.unit, one.asked_s, one.inputs, one.flags, one.value) == (
                many.unit,
                many.asked_s,
                many.inputs,
                many.flags,
                many.value,
            )
