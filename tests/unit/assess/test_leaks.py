"""What a check finds in the columns: each planted fault by name, and nothing on columns that are whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lockgate.assess import duplicates, leaks
from lockgate.assess.check import Answers, CheckQuestion
from lockgate.records import Column, Contract, Finding

ROWS = 800


def question(task: str = "binary", rows: int = ROWS, *, seed: int = 0, **columns: Any) -> CheckQuestion:
    """Whole columns, and those given; the outcome follows x."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    outcomes = {
        "binary": (rng.random(rows) < 1 / (1 + np.exp(-1.5 * x))).astype(float),
        "multiclass": rng.integers(0, 3, rows).astype(float),
        "regression": np.exp(x + 0.5 * rng.normal(size=rows)),
    }
    whole = {
        "x": x,
        "gaps": np.where(rng.random(rows) < 0.2, np.nan, rng.normal(size=rows)),
        "few": rng.integers(0, 4, rows).astype(float),
        "town": rng.choice(np.array(["Aa", "Bo", None], dtype=object), rows),
        "price": rng.integers(100, 100_000, rows).astype(float),
    }
    outcome = outcomes[task]
    values = np.full((rows, 3), 1 / 3) if task == "multiclass" else np.full(rows, 0.5)
    return CheckQuestion(
        name="m",
        task=task,  # type: ignore[arg-type]
        target="late",
        classes={"binary": ("0", "1"), "multiclass": ("a", "b", "c")}.get(task, ()),
        format="joblib",
        library=None,
        contract=None,
        columns=whole | {name: make(outcome, rng) if callable(make) else make for name, make in columns.items()},
        outcome=outcome,
        values=values,
        rivals=(Answers(name="none", what="", values=values),),
        block=None,
        by="row",
        split="",
        rows=rows,
        now_s=0.0,
        seed=seed,
    )


def only(found: tuple[Finding, ...]) -> Finding:
    assert len(found) == 1, [item.sentence for item in found]
    return found[0]


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_whole_columns_are_not_accused(task: str) -> None:
    assert leaks.findings(question(task)) == ()


@pytest.mark.parametrize(
    ("task", "made", "told"),
    [
        ("binary", lambda y, rng: y + 0.01 * rng.normal(size=y.size), "AUC 1.0000"),
        ("binary", lambda y, _: np.where(y > 0, "closed", "open").astype(object), "AUC 1.0000"),
        ("binary", lambda y, rng: y * rng.uniform(0.9, 5, y.size), "AUC"),
        ("multiclass", lambda y, _: 7 - y, "100.00% of the rows"),
        ("multiclass", lambda y, _: np.array([f"kind {v:g}" for v in y], dtype=object), "100.00% of the rows"),
        ("regression", lambda y, _: 1.19 * y, "rank correlation 1.0000"),
        ("regression", lambda y, rng: np.log(y) + 0.01 * rng.normal(size=y.size), "rank correlation 0.99"),
    ],
)
def test_a_column_that_tells_the_outcome_is_named(task: str, made: Any, told: str) -> None:
    found = only(leaks.findings(question(task, echo=made)))
    assert (found.kind, found.column) == ("leak", "echo")
    assert told in found.sentence
    assert "Find out when echo is written down" in found.cure


def test_a_copy_in_many_rows_stops_and_in_few_rows_asks() -> None:
    echo = {"echo": lambda y, rng: y + 0.01 * rng.normal(size=y.size)}
    assert only(leaks.findings(question(**echo))).grade == "stop"
    assert only(leaks.findings(question(rows=200, **echo))).grade == "warn"


def test_a_strong_and_honest_column_is_left_alone() -> None:
    """AUC .92 by one column: good, and no leak."""
    asked = question(signal=lambda y, rng: y * 2.0 + rng.normal(size=y.size))
    assert leaks.findings(asked) == ()


def test_a_number_of_own_values_does_not_tell_a_row_its_own_outcome() -> None:
    """A text of many levels fits its training rows and nothing else; crossed, it tells nothing."""
    asked = question(shop=lambda y, rng: np.array([f"s {i}" for i in rng.integers(0, 300, y.size)], dtype=object))
    assert leaks.findings(asked) == ()


def test_a_column_filled_in_only_afterwards_is_named_by_what_is_missing() -> None:
    asked = question(paid=lambda y, rng: np.where(y > 0, rng.normal(size=y.size), np.nan))
    found = only(leaks.findings(asked))
    assert (found.kind, found.column) == ("leak", "paid")
    # all of it is told by the missing ones, so the column as a whole tells it too
    late = question(
        paid=lambda y, rng: np.where((y > 0) ^ (rng.random(y.size) < 0.06), 1.0 * rng.normal(size=y.size), np.nan)
    )
    found = only(leaks.findings(late))
    assert "Whether paid is missing gives late away" in found.sentence


def test_empty_and_constant_columns_are_named_together() -> None:
    nan = np.full(ROWS, np.nan)
    none = np.full(ROWS, None, dtype=object)
    found = leaks.findings(question(a=nan, b=none, c=np.ones(ROWS), d=np.full(ROWS, "k", dtype=object)))
    assert [item.sentence for item in found] == [
        "The model reads a, b, which are missing in every row here.",
        "c, d have the same value in every row.",
    ]
    assert "Find out where that was lost" in found[0].cure


def test_a_column_that_was_never_there_to_learn_from_is_to_be_dropped() -> None:
    asked = split(question(a=np.full(ROWS, np.nan)), 300)
    found = only(leaks.findings(asked))
    assert found.sentence == "a is missing in every row that it was trained on."
    assert "HistGradientBoosting" in found.cure


def test_honest_columns_of_an_easy_problem_are_a_note_together() -> None:
    """Of scikit-learn's tumours several measurements tell the kind almost whole, and so do all the rest."""
    found = leaks.findings(tumours())
    assert [item.grade for item in found] in ([], ["note"])
    eased = tumours(
        size=lambda y, rng: y + 0.3 * rng.normal(size=y.size), girth=lambda y, rng: y + 0.3 * rng.normal(size=y.size)
    )
    note = only(leaks.findings(eased))
    assert (note.kind, note.grade) == ("leak", "note")
    assert note.sentence.startswith(("girth, size each tell", "size, girth each tell"))
    assert "So do all other columns together" in note.sentence


def test_a_leak_stands_apart_also_where_the_problem_is_easy() -> None:
    found = only(leaks.findings(tumours(echo=lambda y, rng: y + 0.01 * rng.normal(size=y.size))))
    assert (found.grade, found.column) == ("warn", "echo")
    coded = only(leaks.findings(tumours(code=lambda y, _: np.where(y > 0, "B", "M").astype(object))))
    assert (coded.grade, coded.column) == ("stop", "code")


def test_a_leak_and_its_copies_are_one_finding() -> None:
    asked = question(
        paid=lambda y, _: y * 2, due=lambda y, _: 1 - y, sum_due=lambda y, rng: y + 0.01 * rng.normal(size=y.size)
    )
    found = only(leaks.findings(asked))
    assert found.grade == "stop"
    assert "each tell late almost whole" in found.sentence
    assert found.cure.startswith("Find out when paid, due, sum_due are written down.")


def tumours(**columns: Any) -> CheckQuestion:
    from sklearn.datasets import load_breast_cancer

    table = load_breast_cancer()
    rng = np.random.default_rng(0)
    outcome = table.target.astype(float)
    known = {str(name): table.data[:, at] for at, name in enumerate(table.feature_names)}
    made = {name: make(outcome, rng) for name, make in columns.items()}
    return replace(question(rows=outcome.size), columns=known | made, outcome=outcome)


@pytest.mark.parametrize(
    "made",
    [
        lambda y, rng: rng.permutation(y.size) + 5000.0,
        lambda y, rng: np.array([f"c-{i}" for i in rng.permutation(y.size)], dtype=object),
    ],
)
def test_what_names_the_row_is_no_feature(made: Any) -> None:
    found = only(leaks.findings(question(ticket=made)))
    assert (found.kind, found.column) == ("identifier", "ticket")


def test_free_text_and_measurements_of_their_own_are_no_identifiers() -> None:
    words = ["the quick fox", "a lazy dog sat", "over the hill again", "and far away"]
    asked = question(
        note=lambda y, _: np.array([f"{words[i % 4]} no {i}" for i in range(y.size)], dtype=object),
        weight=lambda y, rng: rng.normal(size=y.size),
    )
    assert leaks.findings(asked) == ()


def test_an_identifier_that_orders_by_the_outcome_is_a_leak() -> None:
    asked = question(row=lambda y, _: np.argsort(np.argsort(y, kind="stable"), kind="stable").astype(float))
    found = only(leaks.findings(asked))
    assert (found.kind, found.column) == ("leak", "row")


def timed(**columns: Any) -> CheckQuestion:
    asked = question(asked_at=1.7e9 + np.arange(ROWS) * 3600.0, **columns)
    kinds = {name: "time" if name.endswith("_at") else "float" for name in asked.columns if name != "town"}
    contract = Contract(
        model="m",
        target="late",
        time="asked_at",
        columns=(
            *(Column(name=name, type=kind) for name, kind in kinds.items()),  # type: ignore[arg-type]
            Column(name="town", type="text"),
        ),
    )
    return replace(asked, contract=contract)


def test_a_time_after_the_question_is_a_future_column() -> None:
    found = only(leaks.findings(timed(arrived_at=1.7e9 + np.arange(ROWS) * 3600.0 + 5000)))
    assert (found.kind, found.column) == ("future_column", "arrived_at")
    assert "lies after asked_at in 100.0% of the rows" in found.sentence
    unread = replace(timed(arrived_at=1.7e9 + np.arange(ROWS) * 3600.0 + 5000), inputs=("x",))
    assert only(leaks.findings(unread)).grade == "note"
    assert leaks.findings(timed(born_at=1.0e9 + np.arange(ROWS) * 3600.0)) == ()


def test_a_column_declared_to_be_known_later_stops_a_model_that_reads_it() -> None:
    asked = timed()
    later = tuple(replace_column(c, is_known_before=c.name != "few") for c in asked.contract.columns)  # type: ignore[union-attr]
    contract = Contract(model="m", target="late", time="asked_at", columns=later)
    read = replace(asked, contract=contract, inputs=("x", "few"))
    found = only(leaks.findings(read))
    assert (found.kind, found.grade, found.column) == ("future_column", "stop", "few")
    assert leaks.findings(replace(read, inputs=("x",))) == ()


def replace_column(column: Column, **changed: Any) -> Column:
    import msgspec

    return msgspec.structs.replace(column, **changed)


# ---- duplicates


def split(asked: CheckQuestion, tested: int) -> CheckQuestion:
    head = {name: values[:tested] for name, values in asked.columns.items()}
    tail = {name: values[tested:] for name, values in asked.columns.items()}
    return replace(
        asked,
        columns=head,
        outcome=asked.outcome[:tested],
        trained_on=tail,
        trained_outcome=asked.outcome[tested:],
    )


def test_no_row_is_a_copy_where_none_was_planted() -> None:
    asked = split(question(), 300)
    assert duplicates.findings(asked) == ()
    assert duplicates.set_aside(asked) == (asked, ())


def with_copies(copies: int, **columns: Any) -> CheckQuestion:
    """Of 300 tested rows so many are training rows, but for a ticket."""
    asked = split(question(**columns), 300)
    for name, values in asked.columns.items():
        if name != "ticket":
            values[:copies] = asked.trained_on[name][:copies]  # type: ignore[index]
    return asked


@pytest.mark.parametrize(("copies", "grade"), [(1, "note"), (10, "warn"), (60, "warn")])
def test_rows_trained_on_are_named_counted_and_left_out(copies: int, grade: str) -> None:
    asked = with_copies(copies)
    left, (found,) = duplicates.set_aside(asked)
    assert (found.kind, found.grade) == ("duplicates", grade)
    assert found.sentence.startswith(f"{copies} of 300 tested rows")
    assert "left out of every figure" in found.sentence
    assert left.outcome.tolist() == asked.outcome[copies:].tolist()
    assert left.columns["x"].tolist() == asked.columns["x"][copies:].tolist()
    assert left.rivals[0].values.size == 300 - copies


def test_where_hardly_a_row_is_new_nothing_can_be_trusted() -> None:
    asked = with_copies(290)
    left, (found,) = duplicates.set_aside(asked)
    assert found.grade == "stop"
    assert left is asked


def test_a_copy_under_a_new_number_is_a_copy() -> None:
    asked = with_copies(30, ticket=np.arange(ROWS) * 1.0)
    assert duplicates.set_aside(asked)[1][0].sentence.startswith("30 of 300 tested rows (10.0%)")


def test_columns_of_few_values_repeat_by_nature_and_are_not_accused() -> None:
    rng = np.random.default_rng(1)
    asked = question()
    few = {name: rng.integers(0, 2, ROWS).astype(float) for name in ("a", "b", "c")}
    same = split(replace(asked, columns=few), 300)
    left, found = duplicates.set_aside(same)
    assert left is same
    assert all(item.grade == "note" for item in (*found, *duplicates.findings(same)))


def test_equal_rows_with_two_outcomes_are_counted() -> None:
    asked = question()
    for values in asked.columns.values():
        values[100:200] = values[:100]
    asked.outcome[100:200] = 1 - asked.outcome[:100]
    found = only(duplicates.findings(asked))
    assert found.sentence.startswith("100 of 800 tested rows (12.5%) repeat another one. 200 rows are equal and have")


def test_minus_nought_and_missing_are_equal_to_themselves() -> None:
    columns = {
        "a": np.array([0.0, -0.0, np.nan, np.nan] * 30),
        "b": np.append(np.repeat(np.arange(20.0), 2), np.arange(20.0, 100.0)) / 7,
    }
    columns["c"] = np.sqrt(columns["b"])
    asked = replace(question(rows=120), columns=columns)
    assert only(duplicates.findings(asked)).sentence.startswith("20 of 120")


def test_a_leak_that_the_model_leaves_alone_still_misleads_the_baselines() -> None:
    asked = question(echo=lambda y, _: y * 3, ticket=np.arange(ROWS) * 1.0, empty=np.full(ROWS, np.nan))
    found = only(leaks.findings(replace(asked, inputs=("x", "few"))))
    assert (found.kind, found.grade, found.column) == ("leak", "stop", "echo")
    assert "a baseline that does looks better than it is" in found.sentence
    assert found.cure.endswith("--known-after echo")
