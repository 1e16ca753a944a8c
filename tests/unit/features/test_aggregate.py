"""Declarations of sources and aggregates: what cannot be is refused by name, and one meaning has one hash."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lockgate.errors import ConfigError, SpecError
from lockgate.features.aggregate import define, micro, micros, refuse_changed
from lockgate.records import AggregateSpec, SourceSpec
from lockgate.workspace import config

COLUMNS: dict[str, Any] = {"id": "int", "at": "time", "told": "time", "port": "text", "wait": "float", "ok": "bool"}
SOURCE = SourceSpec(key="id", time="at", known="told", columns=COLUMNS)


def source(**more: Any) -> SourceSpec:
    return SourceSpec(**{"key": "id", "time": "at", "columns": COLUMNS} | more)


def aggregate(**more: Any) -> AggregateSpec:
    return AggregateSpec(**{"source": "s", "by": ("port",), "window": "1h"} | more)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"key": "idd"}, r"There is no column 'idd'.*Did you mean 'id'"),
        ({"key": "wait"}, "key, 'wait', is float"),
        ({"time": "port"}, "time, 'port', is text"),
        ({"known": "at"}, "time and known are both 'at'"),
        ({"stale_after": "soon"}, "'soon' is not a duration"),
    ],
)
def test_a_source_that_cannot_be_is_refused(more: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        source(**more)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "is none of them"),
        ({"count": True, "sum": "wait"}, "is count and sum"),
        ({"sum": "wait", "window": None}, "needs a window"),
        ({"sum": "wait", "window": "1 hour"}, "not a duration"),
        ({"sum": "wait", "default": float("nan")}, "no value"),
        ({"count": True, "default": 0.5}, "A count is never 0.5"),
    ],
)
def test_an_aggregate_that_cannot_be_is_refused(more: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        aggregate(**more)


@pytest.mark.parametrize(
    ("more", "kept", "said"),
    [
        ({"count": True, "source": "t"}, None, "There is no source 't'"),
        ({"sum": "wat"}, None, "There is no column 'wat'.*Did you mean 'wait'"),
        ({"sum": "port"}, None, "cannot take 'port', which is text"),
        ({"count": True, "by": ("wait",)}, None, "cannot take 'wait', which is float"),
        ({"count": True, "where": "wait > 'x'"}, None, "cannot be compared"),
        ({"count": True, "where": "wait + 1"}, None, "a rule is true or false"),
        ({"count": True, "window": "2d"}, "1d", "looks back 2d, and 's' is kept for 1d"),
        ({"last": "wait", "window": None}, "1d", "looks back without end"),
    ],
)
def test_what_does_not_go_with_its_source_is_refused_by_name(more: dict[str, Any], kept: str | None, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        define("a", aggregate(**more), {"s": source(retention=kept)})


def test_one_meaning_has_one_hash_however_it_is_written() -> None:
    one = define("a", aggregate(count=True, by=("port", "ok"), window="60m"), {"s": SOURCE})
    other = define("b", aggregate(count=True, by={"ok": "ok", "port": "port"}, window="1h"), {"s": SOURCE})
    assert one.hash == other.hash
    kept = define(
        "a", aggregate(count=True, by=("port", "ok")), {"s": source(known="told", retention="9d", stale_after="1h")}
    )
    assert one.hash == kept.hash, "how long it is kept changes no value"
    assert one.hash != define("a", aggregate(count=True, by=("port", "ok")), {"s": source()}).hash


def test_a_changed_definition_is_refused_with_what_differs() -> None:
    held = {"a": define("a", aggregate(count=True), {"s": SOURCE})}
    refuse_changed("m", held, held, by="version abc")
    refuse_changed("m", held, {}, by="version abc")
    changed = {"a": define("a", aggregate(count=True, window="2h"), {"s": SOURCE})}
    with pytest.raises(SpecError, match=r"another definition .* than version abc .*: they differ in window_us"):
        refuse_changed("m", held, changed, by="version abc")


def test_microseconds_come_back_from_seconds_exactly() -> None:
    rng = np.random.default_rng(1)
    told = rng.integers(-(10**15), 8_500_000_000_000_000, 200_000)
    assert np.array_equal(micros(told / 1e6), told)
    assert [micro(moment) for moment in (told / 1e6).tolist()] == told.tolist()


TOML = """
[source.s]
key = "id"
time = "at"
columns = { id = "int", at = "time", port = "text" }
[model.m]
target = "y"
TIME
[model.m.aggregates.a]
source = "s"
count = true
by = ["port"]
window = "1h"
"""


def test_the_file_is_read_whole_and_its_mistakes_are_named(tmp_path: Path) -> None:
    file = tmp_path / "lockgate.toml"
    file.write_text(TOML.replace("TIME", 'time = "t"'))
    spec = config.read(file)
    assert spec.model["m"].aggregates["a"].keys == {"port": "port"}
    for old, new, said in (
        ("TIME", "", "no column says when that was asked"),
        ('by = ["port"]', 'by = ["prt"]', r"model.m.aggregates: .*'prt'"),
        ("count = true", 'cuont = "x"', "cuont"),
        ("[source.s]", "[source.r]", "no source 's'"),
        ('port = "text"', 'port = "string"', "string"),
    ):
        file.write_text(TOML.replace(old, new).replace("TIME", 'time = "t"'))
        with pytest.raises(ConfigError, match=said):
            config.read(file)
