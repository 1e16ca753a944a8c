"""A text column that repeats reads like any other, and says its levels as long as they are its own."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from lockgate.features import many_calls
from lockgate.features.check import breaks
from lockgate.features.contract import to_columns
from lockgate.features.levelled import levelled, levels_of, present
from lockgate.features.pipeline import Pipeline, levels
from lockgate.records import Column, Contract
from lockgate.records.prediction import Levelled
from lockgate.runtime.compile.layout import Coded, Layout, lookups, packed_numbers, packed_texts
from lockgate.runtime.frames import framer
from lockgate.runtime.packed import pack, unpack

NAMES = ("LHR", "JFK", "ü", "")
PORT = Column(name="port", type="text", levels=NAMES, is_nullable=True)


def texts(count: int = 600) -> list[str | None]:
    every = [*NAMES, None, "ZZZ"]  # the last is no level of the contract
    rng = np.random.default_rng(7)
    return [every[at] for at in rng.integers(0, len(every), count)]


def both(values: list[str | None], column: Column = PORT) -> tuple[Any, Any]:
    """A table's column with its levels, and the same as objects alone."""
    found = to_columns(pl.DataFrame({"port": pl.Series(values, dtype=pl.String)}), (column,))["port"]
    plain = np.empty(len(values), dtype=object)
    plain[:] = values
    return found, plain


def test_a_table_column_has_its_levels_and_reads_as_the_texts_it_holds() -> None:
    found, plain = both(texts())
    known = levels_of(found)
    assert known is not None
    assert set(known.levels) == {*NAMES, None, "ZZZ"}
    assert found.tolist() == plain.tolist() == texts()
    assert levels_of(plain) is None


@pytest.mark.parametrize(
    "at", [slice(3, 400), slice(None, None, 7), np.array([5, 5, 0]), np.arange(600) % 3 == 0], ids=str
)
def test_a_part_of_its_rows_has_its_levels_too(at: Any) -> None:
    found, plain = both(texts())
    part = found[at]
    known = levels_of(part)
    assert known is not None
    assert part.tolist() == plain[at].tolist() == [known.levels[code] for code in known.codes]
    few = present(known)
    assert set(few.levels) == set(part.tolist())
    assert [few.levels[code] for code in few.codes] == part.tolist()


def test_what_was_written_into_has_no_levels_any_more() -> None:
    found, _ = both(texts())
    found[0] = "elsewhere"
    assert found[0] == "elsewhere"
    assert levels_of(found) is None
    assert levels_of(np.concatenate([both(texts())[0]] * 2)) is None, "nor has what was put together of several"


def test_a_short_table_and_one_of_ever_new_texts_have_none() -> None:
    assert levels_of(both(["LHR"] * 5)[0]) is None
    many = [str(number) for number in range(3_000)]
    found, _ = both(many)  # type: ignore[arg-type]
    assert levels_of(found) is None
    assert found.tolist() == many
    assert levels_of(both(texts(), Column(name="port", type="text"))[0]) is None, "nor has a column without levels"


@pytest.mark.parametrize("is_nullable", [True, False])
def test_the_contract_finds_the_same_rows_in_both(is_nullable: bool) -> None:
    column = msgspec.structs.replace(PORT, is_nullable=is_nullable)
    told, plain = (breaks({"port": one}, [column]) for one in both(texts()))
    assert [(item.flag, item.rows.tolist()) for item in told] == [(item.flag, item.rows.tolist()) for item in plain]
    assert "port: unseen level" in [item.flag for item in told]


def test_levels_as_numbers_graph_inputs_and_frames_are_the_same_of_both() -> None:
    target = np.arange(600) % 2.0
    found, plain = both(texts())
    step = Pipeline.of(levels("port")).fit({"port": plain}, target)
    assert step.matrix({"port": found}).tobytes() == step.matrix({"port": plain}).tobytes()
    table = Coded(column="port", levels={"LHR": 2.0, "": None}, unseen=-1.0, missing=0.5)
    ready = lookups(Layout(coded=(table, table)))
    numbers = [packed_numbers({"port": one}, (), ready, np.float32).tobytes() for one in (found, plain)]
    assert numbers[0] == numbers[1]
    assert packed_texts({"port": found}, ("port",)).tolist() == packed_texts({"port": plain}, ("port",)).tolist()
    for categories in ({}, {"port": ("JFK", "LHR")}):
        frame = framer(("port",), (PORT,), categories)
        assert frame({"port": found}).equals(frame({"port": plain}))
        assert frame({"port": found}).dtypes.equals(frame({"port": plain}).dtypes)


def test_it_comes_through_a_pipe_and_through_the_log_as_it_is() -> None:
    found, plain = both(texts())
    there = unpack(pack(found))
    assert levels_of(there) is not None
    assert there.tolist() == plain.tolist()
    contract = Contract(model="late", columns=(PORT, Column(name="y", type="int", is_known_before=False)), target="y")
    (line,) = many_calls.packed({"port": found[:50]}, contract)
    assert isinstance(line, Levelled)
    assert len(line.codes) == 50
    rare = levelled([str(number) for number in range(400)], np.arange(400, dtype=np.uint32))
    assert many_calls.packed({"port": rare}, contract) == ([str(number) for number in range(400)],)
