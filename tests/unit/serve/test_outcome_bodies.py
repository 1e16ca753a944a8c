"""Outcomes as callers send them."""

from __future__ import annotations

import json
import math

import msgspec
import pytest

from lockgate.errors import ContractError
from lockgate.serve.outcomes import decode, outcome


def read(*told: object, task: str = "binary"):
    return decode(json.dumps({"outcomes": list(told)}).encode(), model="m", task=task, now_s=1000.0)


def test_an_outcome_carries_when_it_came_true_and_when_it_was_told():
    (found,) = read({"id": "r-0", "value": 1, "at": "1970-01-01T00:10:00Z"})
    assert (found.id, found.model, found.value, found.at_s, found.received_s) == ("r-0", "m", 1.0, 600.0, 1000.0)


def test_a_time_in_another_zone_is_the_same_moment():
    (found,) = read({"id": "r-0", "value": 0, "at": "1970-01-01T02:10:00+02:00"})
    assert found.at_s == 600.0


@pytest.mark.parametrize("told", [{"id": "r-0", "value": 1}, {"id": "r-0", "value": 1, "at": None}])
def test_without_a_time_it_came_true_now(told):
    (found,) = read(told)
    assert found.at_s == 1000.0


def test_an_empty_list_is_no_outcome_and_no_error():
    assert read() == []


def test_order_is_kept():
    assert [o.id for o in read(*({"id": f"r-{n}", "value": n % 2} for n in range(5)))] == [f"r-{n}" for n in range(5)]


@pytest.mark.parametrize("value", [0.5, 2, -1, 1e-9])
def test_a_binary_task_knows_0_and_1_alone(value):
    with pytest.raises(ContractError, match="must be 0 or 1") as caught:
        read({"id": "r-0", "value": value})
    assert caught.value.column == "value"
    assert "'r-0'" in str(caught.value)


def test_a_regression_takes_any_finite_number():
    (found,) = read({"id": "r-0", "value": -12.5}, task="regression")
    assert found.value == -12.5


@pytest.mark.parametrize("task", ["binary", "regression"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_no_outcome_of_any_task(task, value):
    with pytest.raises(ContractError, match="must be"):
        outcome("r-0", value, 1.0, model="m", task=task, now_s=2.0)


@pytest.mark.parametrize(
    ("told", "column"),
    [
        ({"value": 1}, "id"),
        ({"id": "r-0"}, "value"),
        ({"id": 7, "value": 1}, "id"),
        ({"id": "r" * 513, "value": 1}, "id"),
        ({"id": "r-0", "value": "1"}, "value"),
        ({"id": "r-0", "value": None}, "value"),
        ({"id": "r-0", "value": True}, "value"),
        ({"id": "r-0", "value": 1, "at": "1970-01-01T00:10:00"}, "at"),
        ({"id": "r-0", "value": 1, "at": "yesterday"}, "at"),
        ({"id": "r-0", "value": 1, "at": 600}, "at"),
        ({"id": "r-0", "value": 1, "when": 600}, "when"),
    ],
)
def test_a_wrong_field_is_named(told, column):
    with pytest.raises(ContractError) as caught:
        read(told)
    assert caught.value.column == column


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"outcomes": 1}', b"null"])
def test_a_body_of_another_shape_names_the_list(body):
    with pytest.raises(ContractError) as caught:
        decode(body, model="m", task="binary", now_s=1.0)
    assert caught.value.column == "outcomes"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"outcomes": [{"id": "a", "value": NaN}]}'])
def test_what_is_no_json_is_left_to_the_server_to_say(body):
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)) as caught:
        decode(body, model="m", task="binary", now_s=1.0)
    assert not isinstance(caught.value, msgspec.ValidationError)


def test_an_outcome_stamped_in_the_future_is_refused_by_name_and_a_clock_a_little_ahead_is_not():
    (found,) = read({"id": "r-0", "value": 1, "at": "1970-01-01T00:17:30Z"})
    assert found.at_s == 1050
    with pytest.raises(
        ContractError, match=r"outcome of 'r-0' is stamped 3,600 s ahead of this machine's clock"
    ) as caught:
        read({"id": "r-0", "value": 1, "at": "1970-01-01T01:16:40Z"})
    assert caught.value.column == "at"
    for never in (math.nan, math.inf):
        with pytest.raises(ContractError, match="no time"):
            outcome("r-0", 1.0, never, model="m", task="binary", now_s=1000.0)
