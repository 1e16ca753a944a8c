"""Tokens: where they come from, what is none, and how one is replaced while the server runs."""

from __future__ import annotations

import pytest

from lockgate.errors import ConfigError
from lockgate.server import tokens

GOOD, OTHER = "g" * 32, "o" * 32


def test_no_variable_is_no_token():
    assert tokens.read({"PATH": "/bin"}) is None
    assert tokens.first({}) is None


def test_each_line_of_the_variable_or_the_file_is_a_token(tmp_path):
    file = tmp_path / "token"
    file.write_text(f"{GOOD}\n\n  {OTHER}\n")
    for environment in ({"LOCKGATE_TOKEN": f"{GOOD}\n{OTHER}"}, {"LOCKGATE_TOKEN_FILE": str(file)}):
        held = tokens.read(environment)
        assert held is not None
        assert held.hold(GOOD.encode())
        assert held.hold(OTHER.encode())
        assert not held.hold(b"")
        assert not held.hold(f"{GOOD}\n{OTHER}".encode())
        assert not held.hold(GOOD[:-1].encode())
        assert tokens.first(environment) == GOOD


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no token"),
        (" \n\n", "holds no token"),
        ("short", "has 5 characters; 16 is the least"),
        (f"{GOOD}\nshort", "has 5 characters"),
        (f"{GOOD} {OTHER}", "holds what no token can"),
        ("schön" * 8, "holds what no token can"),
    ],
)
def test_what_is_no_token_is_refused_with_the_cure_and_never_repeated(text, said):
    with pytest.raises(ConfigError) as caught:
        tokens.read({"LOCKGATE_TOKEN": text})
    assert "LOCKGATE_TOKEN" in str(caught.value)
    assert said in str(caught.value)
    assert "openssl rand -hex 32" in str(caught.value)
    assert not text.strip() or text.split()[0] not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"LOCKGATE_TOKEN_FILE names .*gone.* No such file"):
        tokens.read({"LOCKGATE_TOKEN_FILE": str(tmp_path / "gone")})


def test_two_places_are_one_too_many(tmp_path):
    with pytest.raises(ConfigError, match="Both"):
        tokens.read({"LOCKGATE_TOKEN": GOOD, "LOCKGATE_TOKEN_FILE": str(tmp_path / "token")})


def test_what_was_taken_is_gone_from_the_environment():
    environment = {"LOCKGATE_TOKEN": GOOD, "LOCKGATE_PROJECT": "."}
    held = tokens.take(environment)
    assert held is not None
    assert held.hold(GOOD.encode())
    assert environment == {"LOCKGATE_PROJECT": "."}


def test_a_file_is_read_again_when_it_changes_and_a_broken_one_changes_nothing(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(tokens, "LOOK_S", 0.0)
    file = tmp_path / "token"
    file.write_text(GOOD)
    held = tokens.read({"LOCKGATE_TOKEN_FILE": str(file)})
    assert held is not None
    assert held.hold(GOOD.encode())
    swapped = tmp_path / "new"
    swapped.write_text(f"{OTHER}\n")
    swapped.replace(file)  # as a secret's folder is swapped
    assert held.hold(OTHER.encode())
    assert not held.hold(GOOD.encode())
    file.write_text("short")
    assert held.hold(OTHER.encode())
    assert "stay as they were" in caplog.text
    file.unlink()
    assert held.hold(OTHER.encode())


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "localhost", "::1"])
def test_this_machine_alone_needs_no_token(host):
    tokens.refuse_open_house(host, None)


@pytest.mark.parametrize("host", ["0.0.0.0", "", "::", "192.0.2.7", "no such host"])
def test_beyond_this_machine_a_token_is_asked_for(host):
    with pytest.raises(ConfigError, match=r"no token to ask for.*openssl rand -hex 32.*LOCKGATE_TOKEN_FILE"):
        tokens.refuse_open_house(host, None)
    tokens.refuse_open_house(host, tokens.read({"LOCKGATE_TOKEN": GOOD}))
