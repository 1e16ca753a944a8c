"""The outcome as numbers: labels are the same text from a table and from a model, and an unknown one is never a class."""

import numpy as np
import pytest

from lockgate.errors import ContractError
from lockgate.features.outcome import canonical, classes_of, label, labels, one_hot, outcome, outcome_or_unseen
from lockgate.records import Column, Contract


def contract(kind: str) -> Contract:
    return Contract(model="m", columns=(Column(name="y", type=kind, is_known_before=False),), target="y")


def column(*values: object) -> dict[str, np.ndarray]:
    is_text = any(isinstance(value, str) for value in values)
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return {"y": made if is_text else np.array([np.nan if v is None else v for v in values], dtype=float)}


@pytest.mark.parametrize(
    ("value", "text"), [(1, "1"), (1.0, "1"), (True, "1"), (0.5, "0.5"), ("yes", "yes"), (-2.0, "-2")]
)
def test_one_class_is_one_text_whatever_its_type(value, text):
    assert label(value) == text


def test_a_models_own_labels_are_written_as_the_table_writes_them():
    number = Column(name="y", type="int")
    assert canonical(("0.0", "1.0"), number) == ("0", "1")
    assert canonical(("False", "True"), Column(name="y", type="bool")) == ("0", "1")
    assert canonical(("1", "2"), Column(name="y", type="text")) == ("1", "2")


def test_a_file_that_only_counts_its_classes_takes_the_tables_labels():
    assert labels(("0", "1"), ("no", "yes")) == ("no", "yes")
    assert labels(("0", "1"), ("1", "2")) == ("0", "1")  # one of them is a number it knows: they are no other names
    assert labels(("0", "1", "2"), ("no", "yes")) == ("0", "1", "2")


def test_text_classes_come_in_order_and_missing_outcomes_stay_missing():
    told = column("yes", None, "no", "yes")
    assert classes_of(contract("text"), told, "binary") == ("no", "yes")
    np.testing.assert_array_equal(outcome(contract("text"), told, "binary", ("no", "yes")), [1, np.nan, 0, 1])


def test_number_classes_are_ordered_as_numbers():
    assert classes_of(contract("int"), column(10, 9, 2), "multiclass") == ("2", "9", "10")


def test_a_class_never_seen_is_refused_by_name_and_row_or_marked():
    told = column("a", "b", "c")
    with pytest.raises(ContractError, match="'c' in row 2"):
        outcome(contract("text"), told, "multiclass", ("a", "b"))
    np.testing.assert_array_equal(outcome_or_unseen(contract("text"), told, "multiclass", ("a", "b")), [0, 1, -1])


@pytest.mark.parametrize(
    ("values", "task", "said"),
    [
        ((1, 1, 1), "binary", "nothing to learn"),
        ((0, 1, 2), "binary", "holds 3 values"),
        (range(300), "multiclass", "too many"),
    ],
)
def test_outcomes_that_fit_no_task_are_refused(values, task, said):
    with pytest.raises(ContractError, match=said):
        classes_of(contract("int"), column(*values), task)


def test_a_value_stays_a_value():
    np.testing.assert_array_equal(outcome(contract("float"), column(1.5, -2.0), "regression", ()), [1.5, -2.0])


def test_one_hot_rows_have_one_hot():
    np.testing.assert_array_equal(one_hot(np.array([2.0, 0.0]), 3), [[0, 0, 1], [1, 0, 0]])
