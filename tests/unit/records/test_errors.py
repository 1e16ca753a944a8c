"""Errors: one tree, stable codes, a sentence with its cure."""

from __future__ import annotations

import pytest

from lockgate import errors
from lockgate.errors import ConfigError, ContractError, LeakError, LockgateError, PredictError, SpecError, unknown


def tree(kind: type[LockgateError]) -> list[type[LockgateError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in tree(child))]


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in tree(LockgateError)]
    assert len(codes) == len(set(codes))


def test_the_tree_in_the_docstring_names_every_error() -> None:
    assert errors.__doc__ is not None
    for kind in tree(LockgateError):
        assert kind.__name__ in errors.__doc__


def test_an_error_reads_as_its_sentence_and_its_cure() -> None:
    error = SpecError("It cannot be.", cure="Do this.", place="lockgate.toml")
    assert str(error) == "It cannot be. Do this."
    assert (error.message, error.cure, error.place) == ("It cannot be.", "Do this.", "lockgate.toml")
    assert str(SpecError("It cannot be.")) == "It cannot be."


def test_a_leak_is_a_break_of_the_contract_and_a_bad_setting_a_bad_request() -> None:
    assert issubclass(LeakError, ContractError)
    assert issubclass(ConfigError, SpecError)


def test_a_broken_contract_names_its_column_and_row() -> None:
    error = ContractError("Broken.", column="seats", row=3)
    assert (error.column, error.row) == ("seats", 3)


def test_a_failed_prediction_carries_the_word_for_the_log() -> None:
    assert PredictError("Too late.", reason="late").reason == "late"


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("log_los", ["brier", "log_loss"], "Did you mean 'log_loss'?"),
        ("zzz", ["brier", "log_loss"], "known: brier, log_loss."),
        ("x", [], "none yet"),
    ],
)
def test_an_unknown_name_is_answered_with_the_known_ones_and_the_nearest(
    name: str, known: list[str], expected: str
) -> None:
    sentence = unknown("metric", name, known)
    assert sentence.startswith(f"There is no metric {name!r}")
    assert expected in sentence


def test_no_near_name_is_no_guess() -> None:
    assert "Did you mean" not in unknown("metric", "zzz", ["brier"])
