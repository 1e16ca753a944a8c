"""The tokens that open the door: from `LOCKGATE_TOKEN`, or a file that `LOCKGATE_TOKEN_FILE` names; never from a command
line, which every user of the machine can read. Several, one a line, so that one can be replaced while both are good.
"""

from __future__ import annotations

import hmac
import ipaddress
import logging
import re
import socket
import time
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from lockgate.errors import ConfigError

TOKEN = "LOCKGATE_TOKEN"
TOKEN_FILE = "LOCKGATE_TOKEN_FILE"
SHORTEST = 16
LOOK_S = 2.0
MAKE_ONE = "Make one with: openssl rand -hex 32"
_FORM = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # what a Bearer header can carry (RFC 6750)
_log = logging.getLogger("lockgate.server")


class Tokens:
    """Those that are good now. A file is looked at again every two seconds, so a token is replaced without a restart;
    one that can no longer be read leaves the last good tokens in force, and says so in the log.
    """

    def __init__(self, good: tuple[bytes, ...], file: Path | None = None) -> None:
        self._good = good
        self._file = file
        self._stamp = _stamp(file)
        self._look_at = time.monotonic() + LOOK_S

    def hold(self, shown: bytes) -> bool:
        """Is it one of them? Every one is compared, each in a time that does not depend on where they differ."""
        if self._file is not None and time.monotonic() >= self._look_at:
            self._look_again(self._file)
        held = False
        for token in self._good:
            held |= hmac.compare_digest(token, shown)
        return held

    def _look_again(self, file: Path) -> None:
        self._look_at = time.monotonic() + LOOK_S
        stamp = _stamp(file)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._good = _of_file(file)
        except ConfigError as error:
            _log.error("The tokens stay as they were: %s", error)


def read(environment: Mapping[str, str]) -> Tokens | None:
    """The tokens that the environment names, None where it names none. Raises ConfigError with the cure."""
    text, name = environment.get(TOKEN), environment.get(TOKEN_FILE)
    if text is not None and name is not None:
        raise ConfigError(f"Both {TOKEN} and {TOKEN_FILE} are set.", cure="Leave one of them out.")
    if name is not None:
        return Tokens(_of_file(Path(name)), Path(name))
    return None if text is None else Tokens(_of_text(text, TOKEN))


def take(environment: MutableMapping[str, str]) -> Tokens | None:
    """`read`, and the token is gone from the environment: the processes that a server starts run other people's models."""
    found = read(environment)
    environment.pop(TOKEN, None)
    return found


def refuse_open_house(host: str, found: Tokens | None) -> None:
    """Beyond this machine nobody is let in unasked. Raises ConfigError with the cure."""
    if found is None and not is_loopback(host):
        raise ConfigError(
            f"Listening on {host} lets in whoever reaches this machine, and there is no token to ask for.",
            cure=f"{MAKE_ONE}; set it as {TOKEN}, or its file as {TOKEN_FILE}. Or listen on 127.0.0.1.",
        )


def is_loopback(host: str) -> bool:
    """Does everything that the name stands for stay on this machine?"""
    try:
        found = {info[4][0] for info in socket.getaddrinfo(host or "0.0.0.0", None)}  # noqa: S104 - asked, not listened on
        return bool(found) and all(ipaddress.ip_address(str(one).partition("%")[0]).is_loopback for one in found)
    except (OSError, ValueError):
        return False


def first(environment: Mapping[str, str]) -> str | None:
    """The token that a client shows: the first of them. Raises ConfigError."""
    text, name = environment.get(TOKEN), environment.get(TOKEN_FILE)
    found = _of_file(Path(name)) if name is not None else None if text is None else _of_text(text, TOKEN)
    return found[0].decode() if found else None


def checked(token: str, place: str) -> str:
    """The token as it is. Raises ConfigError, which never repeats it, where it is short or no header can carry it."""
    if not _FORM.fullmatch(token):
        raise ConfigError(f"{place} holds what no token can: letters, digits and -._~+/ alone.", cure=f"{MAKE_ONE}.")
    if len(token) < SHORTEST:
        raise ConfigError(f"{place} has {len(token)} characters; {SHORTEST} is the least.", cure=f"{MAKE_ONE}.")
    return token


def _of_file(file: Path) -> tuple[bytes, ...]:
    try:
        return _of_text(file.read_text(), str(file))
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError(f"{TOKEN_FILE} names {file}, which cannot be read: {said}.") from error


def _of_text(text: str, place: str) -> tuple[bytes, ...]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise ConfigError(f"{place} holds no token.", cure=f"{MAKE_ONE}; one a line.")
    return tuple(checked(line, place).encode() for line in lines)


def _stamp(file: Path | None) -> tuple[int, int, int] | None:
    """What changes when the file does, also where a secret's folder is swapped whole by a link."""
    if file is None:
        return None
    try:
        said = file.stat()
    except OSError:
        return None
    return said.st_mtime_ns, said.st_ino, said.st_size
