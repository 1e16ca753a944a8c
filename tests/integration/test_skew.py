"""Logged calls replayed through the table path: what was planted in serving alone is found, and named with its first call."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lockgate.errors import ContractError
from lockgate.records import Alarm, Prediction, Ruling, Verdict

FIRST = 41
STEPS = '''
"""A feature of the user's own; what it does with its rows lies in another file, of which a version keeps no digest."""
from lockgate.features import Pipeline, custom, levels, numeric


def scaled(columns):
    from lockgate_skewed_part import reckoned

    return {"scaled": reckoned(columns)}


def features():
    return Pipeline.of(numeric("x2"), levels("colour"), custom("lockgate_skewed:scaled", needs=("x1",), gives=("scaled",)))
'''

PART = '''
"""Changed behind the version's back."""


def reckoned(columns):
    return columns["x1"] * 2.0
'''


def copy_of(built: Any, root: Path) -> Any:
    shutil.copytree(built.root, root)
    return type(built)(root, dict(built.versions))


@pytest.fixture(scope="module")
def shop(built: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A day's calls as training has them, scored once for all tests of this file."""
    shop = copy_of(built, tmp_path_factory.mktemp("skew") / "project")
    workspace = shop.open()
    workspace.score("tide", day(shop), prefix="ok")
    workspace.close()
    day(shop).write_parquet(shop.root / "same.parquet")
    return shop


def day(shop: Any, rows: int = 60) -> pl.DataFrame:
    return shop.table(first_day=FIRST, days=1, per_day=rows)


def test_calls_that_are_what_a_table_has_pass(shop: Any) -> None:
    found = shop.open().skew("tide", table=day(shop))
    assert (found.ruling, found.skewed, found.left_out) == (Ruling.PASS, (), {})
    assert (sum(found.calls.values()), found.beside) == (60, 60)


def test_the_command_passes_fails_and_does_not_know_by_its_exit_code(shop: Any, tmp_path: Path) -> None:
    passed = shop.run("data", "skew", "tide", "--table", str(shop.root / "same.parquet"))
    assert passed.returncode == 0, passed.stderr
    assert "60 logged calls are answered in a table as they were alone" in passed.stdout
    day(shop).with_columns(x1=pl.col("x1") * 1000).write_parquet(tmp_path / "grams.parquet")
    failed = shop.run("data", "skew", "tide", "--table", str(tmp_path / "grams.parquet"), "--json")
    assert failed.returncode == 1, failed.stderr
    told = json.loads(failed.stdout)["skewed"]
    assert [(one["column"], one["calls"], one["differ"]) for one in told] == [("x1", 60, 60)]
    few = shop.run("data", "skew", "tide", "--rows", "5")
    assert few.returncode == 2
    assert "too few to say" in few.stdout
    wrong = shop.run("data", "skew", "tide", "--since", "soon")
    assert wrong.returncode == 3
    assert "Write 12h, 7d, or 2026-01-31" in wrong.stderr


def serve(built: Any, root: Path, asked: pl.DataFrame) -> Any:
    """Calls as a service asks them, which may not be what training has."""
    shop = copy_of(built, root)
    workspace = shop.open()
    workspace.score("tide", asked, prefix="live")
    return workspace


@pytest.mark.parametrize(
    ("asked", "relation"),
    [
        (pl.col("x1") * 1.8 + 32, "what was asked = 1.8 x the table's + 32"),
        (pl.col("x1") * 1000, "what was asked = 1000 x the table's"),
        (pl.lit(0.25), "it was 0.25 in each of them"),
    ],
    ids=["another unit", "another scale", "a source that stopped"],
)
def test_what_serving_alone_does_to_a_column_is_found_beside_the_table(
    built: Any, tmp_path: Path, asked: pl.Expr, relation: str
) -> None:
    table = day(built)
    workspace = serve(built, tmp_path / "project", table.with_columns(x1=asked))
    found = workspace.skew("tide", table=table, name="training.parquet")
    assert found.ruling is Ruling.FAIL
    (one,) = found.skewed
    assert (one.kind, one.column, one.calls, one.differ, one.relation) == ("column", "x1", 60, 60, relation)
    first = table.sort("asked_at")["boat"][0]
    assert one.first == f"live-{first}"
    for word in ("'x1'", "training.parquet", "60 of 60", one.first):
        assert word in one.sentence
    workspace.close()


def test_some_calls_that_differ_are_counted_and_a_missing_value_is_a_difference(built: Any, tmp_path: Path) -> None:
    table = day(built).sort("asked_at")
    place = pl.int_range(pl.len())
    asked = table.with_columns(
        x2=pl.when(place == 40).then(None).otherwise("x2"),
        colour=pl.when(place % 10 == 3).then(pl.lit("blue")).otherwise("colour"),
    )
    workspace = serve(built, tmp_path / "project", asked)
    found = {one.column: one for one in workspace.skew("tide", table=table).skewed}
    changed = int((table["colour"] != asked["colour"]).sum())
    assert set(found) == ({"x2", "colour"} if table["x2"][40] is not None else {"colour"})
    assert (found["colour"].differ, found["colour"].logged, found["colour"].largest) == (changed, "blue", None)
    workspace.close()


def test_a_table_that_has_only_some_of_the_calls_or_one_twice_says_so(shop: Any) -> None:
    table = pl.concat([day(shop).head(40), day(shop).head(5)])
    found = shop.open().skew("tide", table=table, name="part.csv")
    assert (found.ruling, found.beside) == (Ruling.PASS, 35)
    assert found.left_out == {"of which part.csv has several rows": 5, "that part.csv does not have": 20}
    elsewhere = shop.open().skew("tide", table=shop.table(first_day=90, days=1), name="other.csv")
    assert (elsewhere.ruling, elsewhere.beside) == (Ruling.UNDECIDED, 0)
    assert "Only 0 calls are in other.csv" in elsewhere.sentence


def test_a_table_that_cannot_be_laid_beside_the_calls_is_refused(shop: Any) -> None:
    workspace = shop.open()
    with pytest.raises(ContractError, match=r"no column 'boat'.*The calls are told apart by it"):
        workspace.skew("tide", table=day(shop).drop("boat"))
    with pytest.raises(ContractError, match=r"the table has no column that the calls have too, but for boat"):
        workspace.skew("tide", table=day(shop).select("boat", "y"))
    with pytest.raises(ContractError, match=r"'x1' is text"):
        workspace.skew("tide", table=day(shop).with_columns(pl.col("x1").cast(pl.String)))
    workspace.close()


def test_columns_recomputed_by_the_table_path_are_compared_as_a_tables_are(shop: Any) -> None:
    from lockgate.workspace import skewing

    workspace = shop.open()
    calls = skewing.newest(workspace.wiring.log, "tide", rows=100, until_s=workspace.event_s("tide"))
    again = skewing.skew(
        workspace.wiring, "tide", calls, recompute=lambda _, columns, asked_s: {"x1": columns["x1"] + (asked_s > 0)}
    )
    assert [(one.kind, one.column, one.differ) for one in again.skewed] == [("column", "x1", 60)]
    same = skewing.skew(workspace.wiring, "tide", calls, recompute=lambda _, columns, __: {"x1": columns["x1"]})
    assert same.ruling is Ruling.PASS
    workspace.close()


@pytest.fixture
def own_step(built: Any, tmp_path: Path) -> Any:
    """A champion with a feature of the user's own, asked row by row; its definition is changed afterwards."""
    shop = copy_of(built, tmp_path / "project")
    (shop.root / "lockgate_skewed.py").write_text(STEPS)
    (shop.root / "lockgate_skewed_part.py").write_text(PART)
    workspace = shop.open()
    made = workspace.train("tide", features="lockgate_skewed:features", train_with="lockgate_tidework:fit", name="own")
    workspace.gate(made)
    workspace.rollout(made, by="the tests", anyway=True)
    import msgspec

    routing = workspace.wiring.board.read("tide")
    moved = msgspec.structs.replace(
        routing, champion=made.id, challenger=None, share=0.0, shadow=False, rollout=None, revision=routing.revision + 1
    )
    workspace.wiring.board.publish(moved)
    table = day(shop, 30)
    for row in range(table.height):
        workspace.score("tide", table[row], prefix=f"one{row}")
    workspace.close()
    return shop, made


def test_a_feature_that_became_a_mean_over_its_batch_is_named_with_the_first_call(own_step: Any) -> None:
    shop, made = own_step
    workspace = shop.open()
    assert workspace.skew("tide").ruling is Ruling.PASS
    batch_mean = PART.replace('columns["x1"] * 2.0', 'columns["x1"] * 2.0 - columns["x1"].mean() + columns["x1"] * 0')
    (shop.root / "lockgate_skewed_part.py").write_text(batch_mean)
    found = workspace.skew("tide")
    assert found.ruling is Ruling.FAIL
    feature = found.skewed[0]
    assert (feature.kind, feature.column, feature.version, feature.calls) == ("feature", "scaled", made.id, 30)
    assert feature.differ >= 29
    assert "The feature 'scaled' of own-" in feature.sentence
    assert feature.first.startswith("one")
    workspace.close()


def test_answers_that_changed_since_they_were_logged_are_named_with_the_version(own_step: Any) -> None:
    shop, made = own_step
    (shop.root / "lockgate_skewed_part.py").write_text(PART.replace("* 2.0", "* 0.0"))
    (found,) = shop.open().skew("tide").skewed
    assert (found.kind, found.version, found.calls) == ("answer", made.id, 30), "alone and together they agree"
    assert found.differ > 15
    assert f"{made.short} answers {found.differ} of 30 logged calls otherwise" in found.sentence


def test_calls_of_a_version_that_cannot_be_asked_any_more_are_no_pass(own_step: Any) -> None:
    shop, made = own_step
    (shop.root / "lockgate_skewed.py").write_text(STEPS.replace("reckoned(columns)", "reckoned(columns) - 1"))
    found = shop.open().skew("tide")
    assert (found.ruling, found.calls) == (Ruling.UNDECIDED, {})
    ((reason, calls),) = found.left_out.items()
    assert calls == 30
    assert f"{made.short} cannot be asked" in reason
    assert "lockgate_skewed" in reason


def test_the_loop_raises_one_ticket_for_what_differs_and_says_why(own_step: Any) -> None:
    shop, _ = own_step
    batch_mean = PART.replace('columns["x1"] * 2.0', 'columns["x1"] - 40 * columns["x1"].mean()')
    (shop.root / "lockgate_skewed_part.py").write_text(batch_mean)
    workspace = shop.open()
    alarms = workspace.tick().alarms
    told = [alarm for alarm in alarms if alarm.cause == "skew"]
    assert {alarm.severity for alarm in told} == {"ticket"}
    assert "'scaled'" in told[0].sentence
    assert told[0].next == "lockgate data skew tide"
    later = shop.open()
    later.score("tide", shop.table(first_day=FIRST + 1, days=1, per_day=30), prefix="later")
    again = [alarm for alarm in later.tick().alarms if alarm.cause == "skew" and not alarm.is_over]
    causes = {(v.gate.name, v.subject) for v in later.wiring.records.all(Verdict, "tide") if v.gate.claim == "skewed"}
    assert len(told) + len(again) == len(causes), "each cause is told once, also after a restart"
    all_told = [a for a in later.wiring.records.all(Alarm, "tide") if a.cause == "skew"]
    assert len([a for a in all_told if not a.is_over]) == len(causes)
    assert len([a for a in all_told if a.is_over]) == len(causes), (
        "by the records the version has no calls: each is over"
    )
    ran = shop.run("why", told[0].verdict)
    assert ran.returncode == 0, ran.stderr
    assert "scaled" in ran.stdout
    workspace.close()
    later.close()


def test_what_a_fallback_answered_is_left_out_and_counted(shop: Any) -> None:
    import msgspec

    from lockgate.workspace import skewing

    workspace = shop.open()
    calls = skewing.newest(workspace.wiring.log, "tide", rows=100, until_s=workspace.event_s("tide"))
    assert all(isinstance(call, Prediction) for call in calls)
    some = [
        msgspec.structs.replace(calls[0], served_by="constant", failure="late"),
        msgspec.structs.replace(calls[1], inputs=()),
        msgspec.structs.replace(calls[2], version="0" * 64, served_by="0" * 64),
        *calls[3:],
    ]
    found = skewing.skew(workspace.wiring, "tide", some)
    assert found.ruling is Ruling.PASS
    assert found.left_out == {
        "answered by a fallback": 1,
        "logged without their inputs (log.mode = sampled)": 1,
        "of a version that is not here": 1,
    }
    workspace.close()
