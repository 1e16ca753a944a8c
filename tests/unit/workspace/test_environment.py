"""Settings from the environment: one precedence, every key, and no name that silently does nothing."""

from __future__ import annotations

import msgspec
import pytest

from lockgate.errors import ConfigError, SpecError
from lockgate.records.spec import ServerSpec
from lockgate.workspace import environment

TOLD = {
    "host": ("::1", "::1"),
    "port": ("9000", 9000),
    "pages_port": ("0", 0),
    "grpc_port": ("9092", 9092),
    "workers": ("3", 3),
    "connections": ("50", 50),
    "head_s": ("2.5", 2.5),
    "body_s": ("60", 60.0),
    "idle_s": ("5", 5.0),
}


def test_every_key_has_a_variable():
    assert set(TOLD) == {field.name for field in msgspec.structs.fields(ServerSpec)}


@pytest.mark.parametrize("key", TOLD)
def test_an_option_counts_more_than_a_variable_and_that_more_than_the_file_and_that_more_than_the_default(key):
    text, value = TOLD[key]
    name = f"LOCKGATE_SERVER_{key.upper()}"
    from_file = msgspec.structs.replace(ServerSpec(), **{key: "file" if key == "host" else 7})
    assert getattr(environment.server(ServerSpec(), {}), key) == getattr(ServerSpec(), key)
    assert environment.server(from_file, {}) == from_file
    assert getattr(environment.server(from_file, {name: text}), key) == value
    assert environment.server(from_file, {name: text}, {key: None}) == environment.server(from_file, {name: text})
    option = "option" if key == "host" else 8
    assert getattr(environment.server(from_file, {name: text}, {key: option}), key) == option


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("PORT", "http"),
        ("PORT", "70000"),
        ("PORT", ""),
        ("PORT", "80.5"),
        ("WORKERS", "0"),
        ("WORKERS", "two"),
        ("CONNECTIONS", "-1"),
        ("IDLE_S", "soon"),
        ("HEAD_S", "nan"),
        ("BODY_S", "inf"),
    ],
)
def test_a_bad_value_is_named_with_its_variable(key, text):
    with pytest.raises(ConfigError, match=rf"LOCKGATE_SERVER_{key} is '{text}': "):
        environment.server(ServerSpec(), {f"LOCKGATE_SERVER_{key}": text})


def test_a_bad_option_is_a_spec_error():
    with pytest.raises(SpecError, match=r"server\.port is -1"):
        environment.server(ServerSpec(), {}, {"port": -1})


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("LOCKGATE_SERVER_PROT", "LOCKGATE_SERVER_PORT"),
        ("LOCKGATE_PORT", "LOCKGATE_SERVER_PORT"),
        ("LOCKGATE_TOKENS", "LOCKGATE_TOKEN"),
        ("LOCKGATE_PROJEKT", "LOCKGATE_PROJECT"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(name, near):
    with pytest.raises(ConfigError, match=rf"sets {name}, .* Did you mean {near}\?"):
        environment.refuse_unknown({"PATH": "/bin", name: "1"})


def test_a_name_like_no_other_is_told_what_there_is():
    with pytest.raises(ConfigError, match=r"Known: LOCKGATE_DEBUG, .*LOCKGATE_TOKEN_FILE"):
        environment.refuse_unknown({"LOCKGATE_XQZ": "1"})


def test_known_names_and_others_are_not():
    known = dict.fromkeys([*environment.KEYS, *environment.OTHERS], "1")
    environment.refuse_unknown(known | {"MY_LOCKGATE_THING": "1", "lockgate_x": "1"})


def links(service: str) -> dict[str, str]:
    """What Kubernetes sets in each pod beside a service of that name."""
    return {
        f"{service}_SERVICE_HOST": "10.0.0.7",
        f"{service}_SERVICE_PORT": "8080",
        f"{service}_SERVICE_PORT_HTTP": "8080",
        f"{service}_PORT": "tcp://10.0.0.7:8080",
        f"{service}_PORT_8080_TCP": "tcp://10.0.0.7:8080",
        f"{service}_PORT_8080_TCP_PROTO": "tcp",
        f"{service}_PORT_8080_TCP_PORT": "8080",
        f"{service}_PORT_8080_TCP_ADDR": "10.0.0.7",
    }


@pytest.mark.parametrize("service", ["LOCKGATE", "LOCKGATE_SERVER"])
def test_a_service_of_our_name_beside_the_pod_sets_nothing(service):
    environment.refuse_unknown(links(service))
    assert environment.server(ServerSpec(), links(service)) == ServerSpec()
    asked = links(service) | {"LOCKGATE_SERVER_PORT": "9000"}
    assert environment.server(ServerSpec(), asked).port == 9000, "what a person set counts"
    with pytest.raises(ConfigError):
        environment.refuse_unknown(links(service) | {"LOCKGATE_SERVER_PROT": "1"})
