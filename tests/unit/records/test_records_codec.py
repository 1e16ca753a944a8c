"""Records: frozen, strict on the way in, canonical on the way out; and durations."""

from __future__ import annotations

import inspect

import msgspec
import pytest

from lockgate import records
from lockgate.errors import ConfigError, StoreError
from lockgate.records import Cell, Evidence, GateSpec, Record, RolloutSpec, Routing, decode, digest, encode
from lockgate.records.duration import seconds

ROUTING = Routing(model="m", revision=3, champion="old", baseline="base", constant=0.2)
KINDS = [kind for kind in vars(records).values() if inspect.isclass(kind) and issubclass(kind, Record)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_record_is_frozen_keyword_only_and_refuses_what_it_does_not_know(kind: type[Record]) -> None:
    config = kind.__struct_config__
    assert config.frozen
    assert config.forbid_unknown_fields
    assert all(
        parameter.kind is inspect.Parameter.KEYWORD_ONLY for parameter in inspect.signature(kind).parameters.values()
    )


def test_a_record_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        ROUTING.share = 1.0  # type: ignore[misc]


def test_equal_records_have_equal_bytes_and_one_digest() -> None:
    again = decode(Routing, encode(ROUTING))
    assert again == ROUTING
    assert encode(again) == encode(ROUTING)
    assert digest(again) == digest(ROUTING) != digest(msgspec.structs.replace(ROUTING, revision=4))


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (b'{"share":0.5,"colour":"red"}', "colour"),
        (b'{"calls":[1,2]}', "share"),
        (b'{"share":"0.5"}', "share"),
        (b'{"share":0.5,"calls":[1,2,3]}', "calls"),
        (b'{"share":0.5,"pairs":1.5}', "pairs"),
        (b'{"share":0.5', "truncated"),
        (b"", "truncated"),
        (b"[]", "array"),
    ],
)
def test_bytes_that_do_not_fit_are_refused_naming_the_record_and_the_place(body: bytes, part: str) -> None:
    with pytest.raises(StoreError, match=f"Cell cannot be read.*{part}"):
        decode(Cell, body)


def test_a_number_that_is_none_is_not_read_back_as_a_number() -> None:
    """JSON has no NaN: it is written as null, and only where null is allowed does a record come back."""
    with pytest.raises(StoreError):
        decode(Cell, encode(Cell(share=float("nan"))))
    assert decode(Evidence, encode(Evidence(estimate=float("nan")))).estimate is None


def test_defaults_are_not_shared_between_records() -> None:
    one, other = Evidence(), Evidence()
    one.detail["x"] = 1.0
    assert other.detail == {}


def test_versions_that_must_stay_loaded_are_named_once_champion_first() -> None:
    routing = msgspec.structs.replace(ROUTING, challenger="new", previous="base")
    assert routing.versions == ("old", "new", "base")


def test_the_default_plan_climbs_from_replay_to_all() -> None:
    assert RolloutSpec().ladder[0] == "replay"
    assert RolloutSpec().ladder[-1] == 1.0
    assert GateSpec().alpha == 0.05


@pytest.mark.parametrize(
    ("text", "expected"), [("90s", 90), ("15m", 900), ("12h", 43200), ("1d", 86400), ("2w", 1209600), (" 1.5h ", 5400)]
)
def test_a_duration_is_a_number_and_a_unit(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "1", "d", "-1d", "0s", "1 d", "1y", "1d12h", "1e3s", "nan s"])
def test_anything_else_is_no_duration_and_the_error_shows_how(text: str) -> None:
    with pytest.raises(ConfigError, match=r"is not a duration\. Write a number and a unit"):
        seconds(text)
