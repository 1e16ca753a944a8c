"""The monitoring report: of days that a model closed, and of a table from any server; what it says is what was recorded."""

from __future__ import annotations

import dataclasses
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

import lockgate as lg
from lockgate.errors import NotFound, StoreError
from lockgate.records import Alarm, Block, ModelSpec, Profile, Routing
from lockgate.records.drift import CountedDay
from lockgate.report.monitored import Told, of_model, of_table, page
from lockgate.report.monitored.of_model import MOST_DAYS
from lockgate.report.monitored.told import Raised
from lockgate.store.memory import MemoryRecords
from lockgate.workspace.monitoring import monitored

DAY_S = 86400.0
START_S = 1_700_006_400.0
SPEC = ModelSpec(target="y")


def rows(n: int, *, seed: int, mean: float = 0.0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {"delay": mean + rng.standard_normal(n), "carrier": rng.choice(["AA", "UA"], n), "said": rng.random(n)}


@pytest.fixture(scope="module")
def reference() -> Profile:
    return lg.profile(rows(5_000, seed=0), prediction="said")


def lived(reference: Profile, days: int, *, moved: float = 0.0, champion: str = "c1") -> MemoryRecords:
    """Closed days of 200 calls; the loss grows day by day."""
    records = MemoryRecords()
    records.write(Routing(model="m", revision=1, champion=champion, baseline=None, constant=0.2))
    for day in range(days):
        window = lg.profile(rows(200, seed=day + 1, mean=moved), against=reference, prediction="said")
        block = Block(
            model="m",
            start_s=START_S + day * DAY_S,
            end_s=START_S + (day + 1) * DAY_S,
            champion="c1",
            calls=200,
            labelled=180,
            scored=180,
            loss=180 * (0.40 + 0.001 * day),
            base_loss=180 * 0.5,
            outcome_sum=60.0,
            failures=2,
        )
        records.write(block, CountedDay(model="m", version="c1", start_s=block.start_s, profile=window))
    return records


def told(records: MemoryRecords, reference: Profile, **more: Any) -> Told:
    return of_model(records, "m", SPEC, lambda _: reference, **more)


class Balanced(HTMLParser):
    """Every tag that is opened is closed, and in order."""

    VOID = frozenset(("meta", "link", "br"))

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.asked: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.asked += [value for name, value in attrs if name in ("src", "href") and value != "data:,"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        """Nothing stays open."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def drawn(found: Told) -> str:
    """The page, once it is known to be whole, to hold no script and to ask for nothing."""
    body = page(found)
    reader = Balanced()
    reader.feed(body)
    assert (reader.open, reader.asked) == ([], [])
    assert "<script" not in body
    for picture in re.findall(r"<svg.*?</svg>", body, re.DOTALL):
        ET.fromstring(picture)
    return body


def test_each_days_figures_are_those_of_its_block(reference):
    found = told(lived(reference, 10), reference)
    (course,) = found.courses
    assert [point.value for point in course.realised] == pytest.approx([0.40 + 0.001 * day for day in range(10)])
    assert [point.value for point in found.skill.realised] == pytest.approx(
        [1 - (0.40 + 0.001 * d) / 0.5 for d in range(10)]
    )
    assert all(point.low is None for point in course.realised), "a day by itself has no interval"
    assert [(one.rows, one.labelled) for one in found.traffic] == [(200, 180)] * 10
    assert "log loss" in drawn(found)


def test_many_days_are_told_by_weeks_with_intervals_that_hold_the_estimate(reference):
    found = told(lived(reference, MOST_DAYS + 7), reference)
    (course,) = found.courses
    assert len(course.realised) == 5
    for week, point in enumerate(course.realised):
        assert point.value == pytest.approx(0.40 + 0.001 * (7 * week + 3))
        assert point.low < point.value < point.high
        # Days are equally heavy, so that the jackknife is the mean's own t-interval: sd of 0..6 thousandths over sqrt(7).
        assert point.high - point.value == pytest.approx(
            2.4469 * 0.001 * np.std(range(7), ddof=1) / np.sqrt(7), rel=1e-3
        )
    drawn(found)


def test_a_column_that_moved_is_ranked_and_named_and_quiet_days_name_none(reference):
    moved = told(lived(reference, 10, moved=1.0), reference)
    assert next(row for row in moved.drift if not row.is_pair).name == "delay"
    assert moved.drift[0].is_listed
    assert "delay" in drawn(moved)
    assert len(next(row for row in moved.drift if row.name == "delay").history) == 10
    quiet = told(lived(reference, 10), reference)
    assert not any(row.is_listed for row in quiet.drift)


def test_pages_of_the_time_stand_beside_the_promise(reference):
    records = lived(reference, 20)
    alarm = Alarm(
        id="a1",
        model="m",
        cause="degradation",
        severity="page",
        sentence="Skill has fallen.",
        next="lockgate retrain m",
        verdict=None,
        at_s=START_S + 15 * DAY_S,
        written_s=START_S + 15 * DAY_S,
    )
    before = msgspec.structs.replace(alarm, id="a0", at_s=START_S - DAY_S)
    records.write(before, alarm, msgspec.structs.replace(alarm, id="a2", of="a1", is_over=True, severity="note"))
    found = told(records, reference, last_s=10 * DAY_S)
    assert found.pages == 1
    body = drawn(found)
    assert "1 page in these 10 days." in body
    assert "at most 4 false alarms a year" in body
    assert "lockgate retrain m" in body


def test_a_takeover_is_marked_and_performance_goes_on_over_it(reference):
    records = lived(reference, 6)
    later = records.all(Block, "m")[-1]
    fresh = msgspec.structs.replace(later, start_s=later.end_s, end_s=later.end_s + DAY_S, champion="c2")
    records.write(fresh)
    found = told(records, reference)
    assert [at_s for at_s, _ in found.takeovers] == [fresh.start_s]
    assert len(found.courses[0].realised) == 7
    assert "became champion" in drawn(found)


def test_what_cannot_be_told_is_said(reference):
    with pytest.raises(NotFound, match="No day of m has closed"):
        told(MemoryRecords(), reference)

    def damaged(_: str) -> Profile:
        raise StoreError("The profile was counted by another engine.")

    found = of_model(lived(reference, 5), "m", SPEC, damaged)
    assert found.drift == ()
    assert "No day of this champion" in found.drift_says
    drawn(found)


def test_words_that_a_page_would_obey_are_shown(reference):
    records = lived(reference, 3)
    nasty = '<script>alert(1)</script>"&\x1b[31m'
    found = told(records, reference)
    hurt = dataclasses.replace(
        found,
        name=nasty,
        sentence=nasty,
        notes=(nasty,),
        raised=(Raised(START_S, "page", nasty, nasty, nasty),),
        drift=tuple(row._replace(name=nasty, says=nasty) for row in found.drift),
    )
    body = drawn(hurt)
    assert "\x1b" not in body
    assert "&lt;script&gt;" in body


def table(n: int, *, days: int, seed: int, decay: float = 0.0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    at_s = START_S + np.sort(rng.random(n)) * days * DAY_S
    x = rng.normal(size=n)
    p = 1 / (1 + np.exp(-1.5 * x))
    y = (rng.random(n) < p * (1 - decay * np.linspace(0, 1, n))).astype(np.int64)
    made = pl.DataFrame({"time": (at_s * 1e6).astype(np.int64), "x": x, "score": p, "late": y})
    return made.with_columns(pl.col("time").cast(pl.Datetime("us", "UTC")))


@pytest.fixture(scope="module")
def of_a_table(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder: Path = tmp_path_factory.mktemp("tables")
    table(4_000, days=40, seed=1).write_parquet(folder / "reference.parquet")
    table(4_000, days=40, seed=2, decay=0.7).write_parquet(folder / "live.parquet")
    record = monitored(
        folder / "live.parquet",
        folder / "reference.parquet",
        prediction="score",
        outcome="late",
        time="time",
        horizon="2d",
    )
    return of_table(record)


def test_a_table_tells_realised_beside_estimated_and_skill_beside_the_raw_metric(of_a_table):
    first = of_a_table.courses[0]
    assert first.name == "log loss"
    assert first.realised
    assert first.estimated
    assert all(point.low <= point.value <= point.high for point in first.realised)
    assert of_a_table.skill.realised[-1].value < of_a_table.skill.before
    assert len(of_a_table.bins) > 1
    body = drawn(of_a_table)
    for words in ("if P(Y|X) is unchanged", "Skill", "Calibration", "How outcomes come in", "Mean prediction"):
        assert words in body, words


def test_the_same_record_gives_the_same_page(of_a_table):
    assert page(of_a_table) == page(of_a_table)
