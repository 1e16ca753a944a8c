"""A request's id is the caller's where it is safe to write down, and new where it is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.telemetry.request_id import LONGEST, new_id, request_id


@pytest.mark.parametrize("own", [b"a", b"0af7651916cd43dd8448eb211c80319c", b"shop/7:a=b+c@d~e.f_g-h", b"x" * LONGEST])
def test_the_callers_own_is_taken(own):
    assert request_id([(b"host", b"h"), (b"x-request-id", own)]) == own.decode()


def test_the_first_of_several_counts():
    assert request_id([(b"x-request-id", b"one"), (b"x-request-id", b"two")]) == "one"


@given(st.binary(max_size=200))
def test_whatever_comes_what_is_written_down_is_short_and_safe(own):
    name = request_id([(b"x-request-id", own)])
    assert 0 < len(name) <= LONGEST
    assert name.isascii()
    assert name.isprintable()
    assert not set(name) & set(" \"'<>\\{};,\r\n")
    # and it is a safe one's own
    assert request_id([(b"x-request-id", name.encode())]) == name


def test_new_ones_differ():
    assert len({new_id() for _ in range(1000)}) == 1000
