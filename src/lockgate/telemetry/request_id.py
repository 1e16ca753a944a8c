"""The id of a request, for whoever follows it through logs and spans. It is not the body's `id`: that one makes a retry
count once, and a proxy that stamps headers must not decide so.
"""

from __future__ import annotations

import itertools
import secrets
import string
from collections.abc import Iterable
from contextvars import ContextVar

HEADER = b"x-request-id"
LONGEST = 128
_SAFE = (string.ascii_letters + string.digits + "._:/+=@~-").encode()
_prefix = secrets.token_hex(6)
_numbers = itertools.count(1)

current: ContextVar[str] = ContextVar("request_id", default="")
"""Of the request that this task, or this thread with its task's context, works for; empty outside of one."""


def request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The caller's own where it is safe to write into a log and a header, else a new one.

    headers: as in an ASGI scope, names in lower case. Safe: letters, digits and ._:/+=@~-, at most LONGEST of them.
    """
    for name, value in headers:
        if name == HEADER:
            return taken(value)
    return new_id()


def taken(value: bytes | None) -> str:
    """The same, where the header was looked up already."""
    if value and len(value) <= LONGEST and not value.translate(None, _SAFE):
        return value.decode("ascii")
    return new_id()


def new_id() -> str:
    """Unlike any other of any process; it is no secret, and may be guessed."""
    return f"{_prefix}-{next(_numbers):x}"
