import math

import numpy as np
import pytest

from lockgate.errors import PredictError
from lockgate.runtime.answers import check_of, digest


def refused(check, answer):
    with pytest.raises(PredictError) as refusal:
        check(answer)
    return refusal.value.reason


def test_a_chance_may_end_a_rounding_outside():
    check = check_of("binary")
    assert (check(1 + 1e-8), check(-1e-8), check(np.float32(0.5))) == (1.0, 0.0, 0.5)
    assert refused(check, 1.001) == "out_of_range"


def test_regression_takes_any_finite_number_and_no_text():
    check = check_of("regression")
    assert (check(-7), check(1e300)) == (-7.0, 1e300)
    assert [refused(check, wrong) for wrong in ("7", math.inf, 10**400, [7])] == [
        "shape",
        "non_finite",
        "non_finite",
        "shape",
    ]


def test_value_takes_the_number_out_of_an_answer():
    check = check_of("binary", value=lambda answer: answer["p"])
    assert check({"p": 0.25, "why": "wind"}) == 0.25
    assert refused(check, {"why": "wind"}) == "shape"
    assert refused(check, {"p": 2}) == "out_of_range"


def test_valid_is_asked_before_value():
    check = check_of("any", value=len, valid=bool)
    assert check("four") == 4.0
    assert refused(check, "") == "invalid"


def test_a_look_that_raises_finds_another_shape():
    assert refused(check_of("any", valid=lambda answer: answer.text), "plain") == "shape"


def test_equal_answers_have_equal_digests():
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest("yes") != digest("no")
    assert 0 <= digest("yes") < 1


def test_what_has_no_canonical_bytes_has_no_digest():
    assert math.isnan(digest(object()))
    assert math.isnan(digest("\udc80"))
