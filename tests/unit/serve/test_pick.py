import math
from dataclasses import dataclass

import numpy as np
import pytest

from lockgate.errors import SpecError
from lockgate.serve.pick import inputs_of, pick, scalar


@dataclass
class Flight:
    plane: str


def predict(row, plane="N0", *, trace=None): ...


def test_a_parameter_is_found_by_place_by_name_and_by_default():
    find = pick("plane", predict)
    assert [find(((0, "N1"), {})), find(((0,), {"plane": "N2"})), find(((0,), {}))] == ["N1", "N2", "N0"]
    assert pick("trace", predict)(((0,), {"trace": 7})) == "7"


def test_a_column_is_a_key_or_an_attribute_of_the_row():
    find = pick("plane", lambda row: row)
    assert find((({"plane": "N1"},), {})) == "N1"
    assert find(((), {"row": Flight("N2")})) == "N2"
    assert find(((7, {"plane": "N3"}), {})) == "N3"


def test_a_callable_is_asked_with_the_same_arguments():
    assert pick(lambda row, plane: f"{row}{plane}", predict)(((1, 2), {})) == "12"


@pytest.mark.parametrize("nothing", [None, ""])
def test_nothing_names_nobody(nothing):
    assert pick("plane", lambda row: row)((({"plane": nothing},), {})) is None
    assert pick("plane", lambda row: row)((({},), {})) is None


def test_half_a_surrogate_pair_is_written_out():
    assert pick("plane", lambda row: row)((({"plane": "N\udc80"},), {})) == "N\\udc80"


def test_inputs_are_what_the_log_can_hold():
    row = {"wait": np.float32(0.5), "seats": np.int64(3), "tags": ["a"], "late": True, "name": None, "big": 10**400}
    kept = inputs_of([*row, "missing"], lambda row: row)(((row,), {}))
    assert kept == (0.5, 3, "['a']", True, None, math.inf, None)
    assert [type(value) for value in kept[:2]] == [float, int]
    assert scalar(2**70) == float(2**70)


def test_one_text_is_no_list_of_names():
    with pytest.raises(SpecError, match="inputs="):
        inputs_of("wait", predict)
