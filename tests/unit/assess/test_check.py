"""The check: a model beside its baselines, told plainly, and bad input refused in a sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lockgate.assess.check import Answers, CheckQuestion, refuse, report
from lockgate.errors import SpecError
from lockgate.records import Column, Contract, Report, Ruling, decode, encode

ROWS = 1_200


def question(rows: int = ROWS, *, sharpness: float = 1.0, seed: int = 0, **more: Any) -> CheckQuestion:
    """The outcome follows x and the colour; the model knows both, times `sharpness`; one baseline knows x, one nothing."""
    rng = np.random.default_rng(seed)
    x, noise = rng.normal(size=(2, rows))
    colour = rng.choice(np.array(["red", "green", "blue"], dtype=object), rows)
    logit = 1.2 * x + 1.0 * (colour == "red")
    outcome = (rng.random(rows) < chance(logit)).astype(float)
    asked: dict[str, Any] = {
        "name": "trees",
        "task": "binary",
        "target": "late",
        "classes": ("0", "1"),
        "format": "joblib",
        "library": None,
        "contract": None,
        "columns": {"x": x, "noise": noise, "colour": colour},
        "outcome": outcome,
        "values": chance(sharpness * logit),
        "rivals": (
            Answers(name="majority", what="the share of 1", values=np.full(rows, outcome.mean())),
            Answers(name="line", what="logistic in x", values=chance(1.2 * x + 0.3)),
        ),
        "block": None,
        "by": "row",
        "split": "every row",
        "rows": rows,
        "now_s": 1_700_000_000.0,
    }
    return CheckQuestion(**(asked | more))


def chance(logit: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logit))


def many(rows: int = 900, *, seed: int = 3, **more: Any) -> CheckQuestion:
    """Three classes by two numbers; the model knows the truth, a baseline the shares alone."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 2))
    raw = np.exp(1.5 * np.column_stack([x[:, 0], x[:, 1], np.zeros(rows)]))
    true = raw / raw.sum(axis=1, keepdims=True)
    outcome = (rng.random(rows)[:, None] > true.cumsum(axis=1)).sum(axis=1).astype(float)
    asked: dict[str, Any] = {
        "task": "multiclass",
        "target": "kind",
        "classes": ("cat", "dog", "owl"),
        "columns": {"a": x[:, 0], "b": x[:, 1]},
        "outcome": outcome,
        "values": true,
        "rivals": (Answers(name="shares", what="of the classes", values=np.tile([0.4, 0.4, 0.2], (rows, 1))),),
    }
    return question(rows, **(asked | more))


def numbers(rows: int = 600, *, seed: int = 4, **more: Any) -> CheckQuestion:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    outcome = 20 + 5 * x + rng.normal(size=rows)
    asked: dict[str, Any] = {
        "task": "regression",
        "target": "price",
        "classes": (),
        "columns": {"x": x},
        "outcome": outcome,
        "values": 20 + 5 * x,
        "rivals": (Answers(name="mean", what="20", values=np.full(rows, 20.0)),),
    }
    return question(rows, **(asked | more))


def value(found: Report, metric: str) -> float:
    return next(score.value for score in found.scores if score.metric == metric)


def kinds(found: Report) -> list[str]:
    return [finding.kind for finding in found.findings]


def test_a_model_that_beats_every_baseline_passes_and_the_best_comes_first() -> None:
    found = report(question())
    assert found.ruling is Ruling.PASS
    assert found.best == "line"
    assert [rival.name for rival in found.rivals] == ["line", "majority"]
    assert all(rival.verdict.ruling is Ruling.PASS for rival in found.rivals)
    assert found.sentence.startswith("trees beats the best baseline, line: its log loss is 0.5")
    assert found.findings == ()


def test_a_model_that_loses_is_told_so_plainly() -> None:
    found = report(question(sharpness=-1.0))
    assert found.ruling is Ruling.FAIL
    assert found.sentence.startswith("trees loses to a baseline, line: its log loss is")
    assert found.next[0] == "Do not serve it: line does better, with less. Serve line until a model is shown better."


def test_a_model_that_says_what_a_baseline_says_does_not_beat_it() -> None:
    same = question()
    found = report(question(values=same.rivals[1].values))
    assert found.ruling is Ruling.FAIL
    assert "it says what it says" in found.sentence
    assert found.next[0].startswith("Do not serve it: line does as well with less.")


def test_a_small_lead_is_undecided_and_the_rows_that_would_decide_are_named() -> None:
    asked = question(120, seed=2)
    close = chance(1.2 * asked.columns["x"] + 0.3 + 0.35 * (asked.columns["colour"] == "red"))
    found = report(question(120, seed=2, values=close))
    assert found.ruling is Ruling.UNDECIDED
    assert "is ahead of the best baseline, line, but luck could do that" in found.sentence
    assert found.next[0].startswith("Bring some ")
    assert "more rows that it never saw" in found.next[0]


def test_several_baselines_raise_the_bar_for_each() -> None:
    """A lead that would count alone does not among twenty tries."""
    asked = question(200, seed=21)
    close = chance(1.2 * asked.columns["x"] + 0.3 + 0.45 * (asked.columns["colour"] == "red"))
    one = report(question(200, seed=21, values=close, rivals=asked.rivals[1:]))
    assert one.ruling is Ruling.PASS
    p = one.rivals[0].verdict.evidence.detail["p"]
    twin = [Answers(name=f"line {i}", what="", values=asked.rivals[1].values) for i in range(int(0.05 / p) + 1)]
    several = report(question(200, seed=21, values=close, rivals=tuple(twin)))
    assert several.ruling is Ruling.UNDECIDED
    assert "among all the baselines tried it does not" in several.rivals[0].verdict.sentence


def test_many_classes_are_judged_as_two_are() -> None:
    found = report(many())
    assert found.ruling is Ruling.PASS
    assert found.proposal.metric == "log_loss"
    assert [s.metric for s in found.scores][:3] == ["log_loss", "brier", "accuracy"]
    assert all(s.low is not None and s.low < s.value < (s.high or 0) for s in found.scores[:-1])
    assert found.calibration


def test_numbers_are_judged_in_their_own_units() -> None:
    found = report(numbers())
    assert found.ruling is Ruling.PASS
    assert value(found, "absolute_error") == pytest.approx(0.8, abs=0.05)
    assert value(found, "r2") == pytest.approx(25 / 26, abs=0.01)


@pytest.mark.parametrize("metric", ["roc_auc", "average_precision", "f1", "zero_one", "brier", "accuracy"])
def test_an_asked_metric_rules(metric: str) -> None:
    found = report(question(metric=metric))
    assert found.proposal.is_asked
    assert found.scores[0].metric == metric
    assert found.rivals[0].verdict.gate.measure == metric
    assert found.slice_metric == (metric if metric in ("zero_one", "brier") else "log_loss")


def test_costs_are_weighed_where_they_are_given() -> None:
    found = report(question(costs=(1.0, 20.0)))
    assert found.proposal.metric == "cost"
    assert found.ruling is Ruling.UNDECIDED or found.ruling is Ruling.PASS
    always = report(question(costs=(1.0, 20.0), values=np.ones(ROWS) * 0.9))
    assert value(always, "cost") == pytest.approx(1 - question().outcome.mean())


def test_labels_without_chances_are_judged_as_decisions() -> None:
    asked = question()
    found = report(question(values=(asked.values > 0.5).astype(float)))
    assert found.proposal.metric == "accuracy"
    assert {s.metric for s in found.scores} == {"accuracy", "balanced_accuracy", "f1"}
    assert found.calibration == ()
    assert "labels and no chances" in found.findings[0].sentence
    with pytest.raises(SpecError, match="needs chances"):
        report(question(values=(asked.values > 0.5).astype(float), metric="log_loss"))


def test_days_are_taken_as_one_and_too_few_of_them_are_named() -> None:
    day = np.repeat(np.arange(30), ROWS // 30)
    found = report(question(block=day, by="day"))
    assert found.by == "day"
    assert found.rivals[0].verdict.evidence.blocks == 30
    assert found.scores[0].method == "block t by day"
    few = report(question(block=np.repeat([0, 1, 2], ROWS // 3), by="day"))
    assert few.by == "row"
    assert "span 3 days only" in few.findings[0].sentence


def test_a_perfect_model_beats_a_constant_although_nothing_varies() -> None:
    asked = question(200, seed=6)
    even = np.tile([0.0, 1.0], 100)
    perfect = np.where(even > 0, 0.999, 0.001)
    flat = (Answers(name="half", what="0.5", values=np.full(200, 0.5)),)
    for metric in ("log_loss", "roc_auc", "accuracy"):
        found = report(question(200, columns=asked.columns, outcome=even, values=perfect, rivals=flat, metric=metric))
        assert found.ruling is Ruling.PASS, metric


def test_a_class_never_seen_stays_in_and_counts_against_the_model() -> None:
    asked = many()
    outcome = asked.outcome.copy()
    outcome[:90] = -1
    found = report(many(outcome=outcome, unseen=("yak",)))
    assert "unseen_class" in kinds(found)
    assert "'yak'" in found.findings[0].sentence
    right = (asked.values.argmax(axis=1) == outcome).mean()
    assert value(found, "accuracy") == pytest.approx(right)
    least = -np.log(1e-6) * 90 / 900
    assert value(found, "log_loss") > least


def test_chances_that_are_too_sure_are_named_with_the_cure() -> None:
    found = report(question(sharpness=3.0))
    told = next(f for f in found.findings if f.kind == "calibration")
    assert "too sure of themselves" in told.sentence
    assert "Recalibrate" in told.cure


def test_values_off_by_a_line_are_named_with_the_line() -> None:
    asked = numbers()
    found = report(numbers(values=2 * asked.values - 20 + 3))
    told = next(f for f in found.findings if f.kind == "calibration")
    assert "outcomes follow 8.3" in told.sentence


def test_a_slice_that_loses_to_the_baseline_is_named() -> None:
    asked = question()
    is_blue = asked.columns["colour"] == "blue"
    wrong = np.where(is_blue, chance(-0.5 * asked.columns["x"]), asked.values)
    found = report(question(values=wrong, rivals=asked.rivals[:1]))
    assert found.ruling is Ruling.PASS
    assert found.slices
    worse = [s for s in found.slices if s.state == "worse"]
    assert [(s.column, s.level) for s in worse if s.column == "colour"] == [("colour", "blue")]
    assert found.weakest[0].level == "blue"
    assert any(f.kind == "slice" and "Where colour is blue" in f.sentence for f in found.findings)


def test_several_slices_that_lose_are_one_finding() -> None:
    asked = question()
    colour = asked.columns["colour"]
    wrong = np.where(colour == "blue", chance(-0.5 * asked.columns["x"]), asked.values)
    columns = {"colour": colour, "paint": colour, "shade": colour}
    found = report(question(values=wrong, rivals=asked.rivals[:1], columns=columns))
    told = [f for f in found.findings if f.kind == "slice"]
    assert len(told) == 1
    assert told[0].sentence.endswith("], and so in 2 more of 9 slices.")
    assert "does colour mean the same there?" in told[0].cure


def test_a_slice_of_time_is_told_as_one() -> None:
    asked = question()
    year = np.repeat([2014.0, 2015.0, 2016.0], ROWS // 3)
    wrong = np.where(year == 2016, chance(-0.5 * asked.columns["x"]), asked.values)
    found = report(question(values=wrong, rivals=asked.rivals[:1], columns={"year": year}))
    told = next(f for f in found.findings if f.kind == "slice")
    assert "Where year is 2016" in told.sentence
    assert "stretch of time" in told.cure


def test_what_to_type_next_is_the_command_that_was_typed() -> None:
    typed = "lockgate check trees.joblib holdout.csv --target late"
    found = report(question(300, command=typed))
    assert any(step.endswith(f"{typed} --trained-on TRAINING_ROWS") for step in found.next)
    unknown = report(question(300))
    assert any("--trained-on TRAINING_ROWS, in Python trained_on=TRAINING_ROWS" in step for step in unknown.next)


def test_days_that_are_wanted_are_days() -> None:
    asked = question(120, seed=2)
    close = chance(1.2 * asked.columns["x"] + 0.3 + 0.35 * (asked.columns["colour"] == "red"))
    found = report(question(120, seed=2, values=close, block=np.arange(120) % 20, by="day"))
    assert found.ruling is Ruling.UNDECIDED
    assert "more days that it never saw" in found.next[0]
    assert "(20 do not)" in found.next[0]


def test_the_sentence_has_the_figures_of_the_table_and_no_powers_of_ten() -> None:
    asked = numbers()
    found = report(numbers(outcome=asked.outcome * 2000, values=asked.values * 2000))
    assert "e+0" not in found.sentence
    assert f"its absolute error is {found.scores[0].value:,.0f}, that of mean" in found.sentence


def test_an_outcome_that_was_given_no_chance_is_counted() -> None:
    asked = question()
    values = asked.values.copy()
    values[np.flatnonzero(asked.outcome > 0)[:2]] = 0.0
    found = report(question(values=values))
    assert any(f.sentence.startswith("2 rows were given no chance at all") for f in found.findings)


def test_few_surprises_by_days_are_not_judged() -> None:
    asked = question(columns={"x": np.zeros(ROWS)})
    sure = np.where(asked.outcome > 0, 0.97, 0.02)
    day = np.arange(ROWS) % 30
    found = report(question(values=sure, block=day, by="day"))
    assert not [f for f in found.findings if f.kind == "calibration"]
    alone = report(question(values=sure))
    told = next(f for f in alone.findings if f.kind == "calibration")
    assert "not sure enough: they let" in told.sentence
    assert "decisions be wrong, and 0 were" in told.sentence


def test_bins_go_by_days_where_there_are_some() -> None:
    """A mood of the day makes the bins' intervals wider."""
    rng = np.random.default_rng(8)
    day = np.arange(ROWS) % 20
    x = rng.normal(size=ROWS)
    outcome = (rng.random(ROWS) < chance(x + 1.5 * rng.normal(size=20)[day])).astype(float)
    asked = {"outcome": outcome, "values": chance(x), "columns": {"x": x}}
    by_row, by_day = report(question(**asked)), report(question(**asked, block=day, by="day"))
    wider = [d.high - d.low > r.high - r.low for d, r in zip(by_day.calibration, by_row.calibration, strict=True)]
    assert sum(wider) >= 8


def test_asked_slices_are_cut_and_an_unknown_one_is_refused() -> None:
    found = report(question(slices=("x",)))
    assert {s.column for s in found.slices} == {"x"}
    assert len(found.slices) == 4
    with pytest.raises(SpecError, match="Did you mean 'colour'"):
        report(question(slices=("color",)))


def test_a_constant_model_is_told() -> None:
    found = report(question(values=np.full(ROWS, 0.4)))
    assert any("answers the same to every row" in f.sentence for f in found.findings)


def test_a_report_survives_being_written_down() -> None:
    found = report(question())
    assert decode(Report, encode(found)) == found


def test_the_same_question_gives_the_same_report() -> None:
    assert report(question(400)) == report(question(400))


def test_progress_is_told() -> None:
    said: list[str] = []
    report(question(300), said.append)
    assert said[0] == "metrics and their intervals"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"values": np.full(ROWS, np.nan)}, "answered no finite number to 1,200 of 1,200 rows, row 0"),
        ({"values": np.full((ROWS, 2), 0.5)}, r"answered shape \(1200, 2\) to 1,200 rows"),
        ({"values": np.full(ROWS, 1.5)}, "1.5, which is no chance"),
        ({"outcome": np.zeros(ROWS)}, "All 1,200 tested rows have late = '0'"),
        ({"outcome": np.full(ROWS, np.nan)}, "missing in 1200 rows"),
        ({"outcome": np.arange(ROWS) % 3 * 1.0}, "neither of the two classes in 400 rows"),
        ({"rivals": ()}, "No baseline stands beside the model"),
        ({"rivals": (Answers(name="rule", what="", values=np.full(ROWS, np.inf)),)}, "The baseline rule answered"),
        ({"metric": "log_los"}, "Did you mean 'log_loss'"),
        ({"metric": "r2"}, "does not fit a binary task"),
        ({"costs": (0.0, 1.0)}, "cannot be weighed"),
        ({"block": np.arange(3)}, "do not name those of 1200 rows"),
    ],
)
def test_what_cannot_be_judged_is_refused_in_a_sentence(more: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        report(question(**more))


def test_five_rows_are_refused_and_twelve_come_with_a_warning() -> None:
    with pytest.raises(SpecError, match="5 rows with a 'late' can judge no model") as caught:
        report(question(5))
    assert "at least 10" in caught.value.cure
    few = report(question(12, seed=1))
    assert few.findings[0].grade == "stop"
    assert "Only 12 rows were tested" in few.findings[0].sentence
    assert few.ruling is Ruling.VOID
    assert few.sentence.startswith("Nothing can be ruled on these rows: they are too few. As the figures stand, trees ")


def test_refusing_needs_no_model() -> None:
    with pytest.raises(SpecError, match="All 50 tested rows have price = 3"):
        refuse("regression", "price", np.full(50, 3.0), ())


def test_a_question_with_times_and_none_named_is_told_to_name_it() -> None:
    contract = Contract(
        model="late",
        target="late",
        columns=(
            Column(name="x", type="float"),
            Column(name="at", type="time"),
            Column(name="late", type="int", is_known_before=False),
        ),
    )
    asked = question(300)
    columns = {"x": asked.columns["x"], "at": 1.7e9 + np.arange(300) * 60.0}
    found = report(question(300, contract=contract, columns=columns))
    assert any("--time COLUMN" in step for step in found.next)


def test_where_a_leak_was_found_the_ruling_is_not_acted_upon() -> None:
    asked = question()
    echo = asked.columns | {"echo": asked.outcome * 2}
    cheat = Answers(name="rule", what="reads echo", values=np.clip(asked.outcome, 0.01, 0.99))
    found = report(question(columns=echo, inputs=("x", "colour"), rivals=(*asked.rivals, cheat)))
    assert found.ruling is Ruling.VOID
    assert "a column gives the outcome away. As the figures stand, trees loses to a baseline, rule" in found.sentence
    assert found.findings[0].column == "echo"
    assert found.next[0].startswith("Take echo out of the table")
    assert found.next[1].startswith("Check again once that is mended")
    assert not any("Serve rule" in step for step in found.next)


def test_where_no_interval_can_be_had_the_difference_stands_and_shows_nothing() -> None:
    asked = question(12, seed=1)
    outcome = np.array([1.0] + [0.0] * 11)
    found = report(question(12, seed=1, columns=asked.columns, outcome=outcome, metric="roc_auc"))
    evidence = found.rivals[0].verdict.evidence
    assert (evidence.low, evidence.high) == (None, None)
    assert "have no interval" in found.rivals[0].verdict.sentence
    assert found.ruling is not Ruling.PASS
    assert decode(Report, encode(found)) == found


@pytest.mark.parametrize("seed", range(12))
def test_poor_rows_and_poor_answers_end_in_a_report_and_never_in_a_crash(seed: int) -> None:
    """Few rows, one row of a class, constant, perfect and sure answers, columns that are empty or infinite."""
    rng = np.random.default_rng(seed)
    rows = int(rng.choice([10, 31, 90]))
    outcome = (rng.random(rows) < 0.2).astype(float)
    outcome[:2] = 0, 1
    said = (np.full(rows, 0.3), outcome * 0.998 + 0.001, rng.random(rows), np.where(outcome > 0, 0.6, 0.4))
    columns = {
        "empty": np.full(rows, np.nan),
        "wild": np.where(rng.random(rows) < 0.2, np.inf, rng.normal(size=rows)),
        "none": np.full(rows, None, dtype=object),
    }
    metrics = ("log_loss", "roc_auc", "average_precision", "f1", "zero_one", "balanced_accuracy")
    for metric in (metrics[seed % 6], metrics[(seed + seed // 6 + 1) % 6]):
        found = report(
            question(
                rows,
                columns=columns,
                outcome=outcome,
                values=said[seed % 4],
                rivals=tuple(Answers(name=f"b{i}", what="", values=v) for i, v in enumerate(said)),
                block=None if seed % 2 else np.arange(rows) % 7,
                by="row" if seed % 2 else "shop",
                metric=metric,
            )
        )
        assert found.ruling is not Ruling.PASS  # one of the baselines says what the model says
