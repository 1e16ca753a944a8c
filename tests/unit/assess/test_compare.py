"""Comparisons: columns, arrays and models, once or block by block, with every unknown word refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression

import lockgate as lg
from lockgate.errors import SpecError
from lockgate.records import Ruling

START = datetime(2024, 1, 1, tzinfo=UTC).replace(tzinfo=None)


def table(days: int = 30, per_day: int = 120, *, gain: float = 0.5, seed: int = 1) -> pl.DataFrame:
    """An outcome that follows x and a mood of its day; `old` leans on x a little, `new` more so by `gain`."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), per_day)
    x = rng.standard_normal(day.size)
    late = rng.random(day.size) < 1 / (1 + np.exp(-(1.2 * x + rng.standard_normal(days)[day] * 0.3)))
    return pl.DataFrame(
        {
            "x": x,
            "noise": rng.standard_normal(day.size),
            "old": 1 / (1 + np.exp(-0.4 * x)),
            "new": 1 / (1 + np.exp(-(0.4 + gain) * x)),
            "coin": np.full(day.size, 0.5),
            "late": late.astype(int),
            "at": [
                START + timedelta(days=int(d), minutes=int(m))
                for d, m in zip(day, rng.integers(0, 1440, day.size), strict=True)
            ],
            "shop": rng.integers(0, 40, day.size),
        }
    )


ROWS = table()


def test_a_better_challenger_passes_and_the_sentence_gives_the_interval() -> None:
    verdict = lg.compare("old", "new", ROWS, target="late", metric="log_loss", by="day")
    assert verdict.ruling is Ruling.PASS
    assert verdict.subject == ("new", "old")
    assert verdict.evidence.high is not None
    assert verdict.evidence.high < 0
    assert verdict.evidence.blocks == 30
    assert verdict.evidence.design_effect is not None
    assert verdict.sentence.startswith("On 30 days its log_loss is lower than that of old: -0.")


def test_a_worse_challenger_fails_and_the_same_one_is_undecided() -> None:
    assert lg.compare("new", "old", ROWS, target="late").ruling is Ruling.FAIL
    assert lg.compare("old", "old", ROWS, target="late").ruling is Ruling.UNDECIDED


def test_rows_of_one_time_column_are_judged_by_day_unless_asked_otherwise() -> None:
    assert lg.compare("old", "new", ROWS, target="late").gate.method == "block t by day"
    assert lg.compare("old", "new", ROWS.drop("at"), target="late").gate.method == "BCa bootstrap over rows"
    assert lg.compare("old", "new", ROWS, target="late", by="row").gate.method == "BCa bootstrap over rows"
    assert lg.compare("old", "new", ROWS, target="late", by="shop").evidence.blocks == 40


@pytest.mark.parametrize(
    ("metric", "by", "method"),
    [
        ("zero_one", "row", "McNemar mid-p, score interval"),
        ("roc_auc", "row", "DeLong"),
        ("average_precision", "day", "BCa bootstrap by day"),
        ("f1", "row", "BCa bootstrap over rows"),
        ("calibration_error", "row", "BCa bootstrap over rows"),
        ("brier", "week", "block t by week"),
    ],
)
def test_each_metric_has_its_own_method(metric: str, by: str, method: str) -> None:
    small = ROWS if by == "week" else ROWS.head(30 * 40)
    verdict = lg.compare("coin", "new", small, target="late", metric=metric, by=by)
    assert verdict.gate.method == method
    assert verdict.gate.measure == metric


def test_a_metric_that_grows_with_quality_is_told_in_its_own_direction() -> None:
    verdict = lg.compare("coin", "new", ROWS, target="late", metric="roc_auc", by="row")
    assert verdict.ruling is Ruling.PASS
    assert "its roc_auc is higher than that of coin: +0." in verdict.sentence
    assert verdict.evidence.estimate is not None
    assert verdict.evidence.estimate < 0


def cost(value: np.ndarray, outcome: np.ndarray) -> np.ndarray:
    """A miss costs five times a false alarm."""
    return np.where(outcome > 0.5, 5.0 * (value < 0.5), 1.0 * (value >= 0.5))


def hits(value: np.ndarray, outcome: np.ndarray) -> float:
    return float(((value >= 0.5) & (outcome >= 0.5)).sum() / (value >= 0.5).sum())


def test_a_metric_of_ones_own_is_judged_in_the_direction_that_is_said() -> None:
    worse, better = ROWS.with_columns(p=1 - ROWS["new"]), ROWS
    assert (
        lg.compare("new", worse["p"].to_numpy(), better, target="late", metric=cost, direction="down").ruling
        is Ruling.FAIL
    )
    assert (
        lg.compare("new", worse["p"].to_numpy(), better, target="late", metric=cost, direction="up").ruling
        is Ruling.PASS
    )
    found = lg.compare(worse["p"].to_numpy(), "new", better, target="late", metric=hits, direction="up", by="row")
    assert found.ruling is Ruling.PASS
    assert "hits is higher than that of champion: +0." in found.sentence
    with pytest.raises(SpecError, match="no direction 'None'; known: down, up"):
        lg.compare("old", "new", ROWS, target="late", metric=cost)
    with pytest.raises(SpecError, match="no direction 'sideways'"):
        lg.compare("old", "new", ROWS, target="late", metric=cost, direction="sideways")  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="log_loss is better down, not 'up'"):
        lg.compare("old", "new", ROWS, target="late", metric="log_loss", direction="up")


def test_not_worse_needs_a_margin_and_is_proved_by_it() -> None:
    with pytest.raises(SpecError, match="not worse by 0"):
        lg.compare("old", "old", ROWS, target="late", prove="not worse")
    verdict = lg.compare("old", "old", ROWS, target="late", prove="not worse", margin=0.01)
    assert verdict.ruling is Ruling.PASS
    assert verdict.gate.claim == "not worse"
    assert lg.compare("new", "old", ROWS, target="late", prove="not worse", margin=0.001).ruling is Ruling.FAIL


@pytest.mark.parametrize("memory", ["independent", "short", "new"])
def test_with_a_memory_the_first_block_that_decides_ends_the_test(memory: str) -> None:
    history = table(days=60, seed=2) if memory == "short" else None
    days = table(days=90)
    verdict = lg.compare("old", "new", days, target="late", memory=memory, history=history)  # type: ignore[arg-type]
    assert verdict.ruling is Ruling.PASS
    assert verdict.evidence.blocks < 40
    assert len(verdict.evidence.path) == verdict.evidence.blocks
    assert memory in verdict.gate.method
    longer = lg.compare("old", "new", table(days=90).head(50 * 120), target="late", memory=memory, history=history)  # type: ignore[arg-type]
    assert longer.evidence.path == verdict.evidence.path


def test_a_history_may_be_a_table_or_its_block_differences() -> None:
    past = table(days=40, seed=3)
    found = lg.compare("old", "new", ROWS, target="late", memory="short", history=past)
    again = lg.compare("old", "new", ROWS, target="late", memory="short", history=list(found.evidence.history))
    assert again == lg.Verdict(
        **{f: getattr(found, f) for f in found.__struct_fields__} | {"written_s": again.written_s}
    )


def test_models_columns_and_arrays_give_the_same_verdict_in_pandas_and_polars() -> None:
    frame = ROWS.to_pandas()
    model = LogisticRegression().fit(frame[["x", "noise"]], frame["late"])
    values = model.predict_proba(frame[["x", "noise"]])[:, 1]
    of_model = lg.compare("coin", model, frame, target="late")
    of_array = lg.compare("coin", values, ROWS, target="late")
    of_column = lg.compare("coin", "model", frame.assign(model=values), target="late")
    assert of_model.evidence.digest == of_array.evidence.digest == of_column.evidence.digest
    assert of_model.ruling is Ruling.PASS


def test_zoned_times_are_read_as_utc() -> None:
    frame = ROWS.to_pandas()
    frame["at"] = frame["at"].dt.tz_localize("UTC").dt.tz_convert("America/New_York")
    assert lg.compare("old", "new", frame, target="late").evidence.blocks == 30


def test_a_regression_is_told_by_its_absolute_error() -> None:
    rng = np.random.default_rng(4)
    y = rng.normal(100, 10, 500)
    rows = {"y": y, "mean": np.full(500, 100.0), "near": y + rng.normal(0, 3, 500)}
    verdict = lg.compare("mean", "near", rows, target="y")
    assert verdict.gate.measure == "absolute_error"
    assert verdict.ruling is Ruling.PASS


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"metric": "log_los"}, r"no metric 'log_los'.*Did you mean 'log_loss'"),
        ({"metric": "absolute_error"}, "does not fit a binary task"),
        ({"by": "hour"}, "8 to 98 %"),
        ({"by": "shopp"}, r"no block 'shopp'.*Did you mean 'shop'"),
        ({"prove": "best"}, "no claim to prove 'best'"),
        ({"memory": "longish"}, r"Did you mean 'long'"),
        ({"memory": "new", "metric": "roc_auc"}, "no block test takes it"),
        ({"memory": "new", "by": "row"}, "Rows in no order"),
        ({"history": [0.1] * 30}, "only where a memory is declared"),
        ({"alpha": 0.0}, "no error rate"),
        ({"margin": -1.0}, "margin of -1.0 cannot be"),
        ({"target": "lat"}, r"no column 'lat'.*Did you mean 'late'"),
        ({"time": "x", "by": "day"}, "not times"),
        ({"task": "ranking"}, "no task 'ranking'"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        lg.compare("old", "new", ROWS, **({"target": "late"} | wrong))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.full(3600, 1.5), "The challenger said 1.5 of row 0, which is no chance"),
        (np.full(3600, np.nan), "The challenger said nan of row 0"),
        (np.full(10, 0.5), r"values of shape \(10,\) for 3600 rows"),
    ],
)
def test_predictions_that_are_none_are_refused_by_arm_and_row(values: np.ndarray, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        lg.compare("old", values, ROWS, target="late")


def test_an_outcome_that_is_missing_is_named_with_its_row() -> None:
    gap = ROWS.to_pandas().astype({"late": float})
    gap.loc[7, "late"] = np.nan
    with pytest.raises(SpecError, match=r"late is missing in row 7 \(1 rows in all\)"):
        lg.compare("old", "new", gap, target="late")


def test_two_time_columns_must_be_told_apart() -> None:
    both = ROWS.with_columns(seen=pl.col("at"))
    with pytest.raises(SpecError, match="Several columns hold times: at, seen"):
        lg.compare("old", "new", both, target="late", by="day")
    verdict = lg.compare("old", "new", both, target="late", by="day", time="seen")
    assert verdict.at_s == ROWS["at"].max().replace(tzinfo=UTC).timestamp()  # type: ignore[union-attr]


def test_nothing_is_no_table() -> None:
    with pytest.raises(SpecError, match="list is no table"):
        lg.compare("old", "new", [1, 2], target="late")


def kinds(rows: int = 600) -> tuple[pl.DataFrame, np.ndarray]:
    """Three kinds by x, and the true chances of each; `guess` is right more often than `blind`."""
    rng = np.random.default_rng(8)
    x = rng.normal(size=rows)
    raw = np.exp(np.column_stack([2 * x, np.zeros(rows), -2 * x]))
    true = raw / raw.sum(axis=1, keepdims=True)
    names = np.array(["cat", "dog", "owl"])
    kind = names[np.minimum((rng.random(rows)[:, None] > true.cumsum(axis=1)).sum(axis=1), 2)]
    guess, blind = names[true.argmax(axis=1)], rng.choice(names, rows)
    return pl.DataFrame({"x": x, "kind": kind, "guess": guess, "blind": blind}), true


def test_a_target_of_words_has_many_classes_and_chances_are_compared_by_log_loss() -> None:
    rows, true = kinds()
    even = np.full(true.shape, 1 / 3)
    found = lg.compare(even, true, rows, target="kind")
    assert found.ruling is Ruling.PASS
    assert found.gate.measure == "log_loss"
    assert lg.compare(even, true, rows, target="kind", metric="macro_f1").ruling is Ruling.PASS
    assert lg.compare(true, even, rows, target="kind", metric="accuracy").ruling is Ruling.FAIL


def test_columns_of_labels_are_compared_by_their_mistakes() -> None:
    rows, _ = kinds()
    found = lg.compare("blind", "guess", rows, target="kind")
    assert found.ruling is Ruling.PASS
    assert found.gate.method == "McNemar mid-p, score interval"


def test_fitted_models_are_asked_in_their_own_order_of_classes() -> None:
    rows, true = kinds()
    numbered = rows.with_columns(
        kind=rows["kind"].replace_strict({"cat": 10, "dog": 9, "owl": 2}, return_dtype=pl.Int64)
    )
    model = LogisticRegression().fit(numbered.select("x").to_pandas(), numbered["kind"])
    found = lg.compare(np.full(true.shape, 1 / 3), model, numbered, target="kind", task="multiclass")
    assert found.ruling is Ruling.PASS


def test_chances_that_are_none_are_refused() -> None:
    rows, true = kinds()
    for bad, told in (
        (true[:, :2], "for 600 rows of 3 classes"),
        (true * 2, "which are no chances"),
        (np.full(true.shape, np.nan), "which are no chances"),
    ):
        with pytest.raises(SpecError, match=told):
            lg.compare(bad, true, rows, target="kind")
    with pytest.raises(SpecError, match="All rows have kind = cat"):
        lg.compare("guess", "blind", rows.filter(pl.col("kind") == "cat"), target="kind")
