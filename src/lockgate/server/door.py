"""Who may come in: a token where one is asked for; without one, this machine's own callers and no website's.

One layer around an ASGI app, and `Door.admits` for whoever answers without one. What is asked of whom:

- With tokens, `Authorization: Bearer TOKEN`. The pages take HTTP Basic too, with any name and the token as password: a
  browser asks for it by itself and keeps it for this origin alone, so there is no form, no cookie and no state to guard.
  Calls do not take Basic: what a browser adds by itself, another site could use.
- Without tokens the server listens on the loopback alone, where the danger is a browser of this machine that runs somebody
  else's page. Its `Origin` gives away a call from another site; a `Host` that is not ours gives away a name of theirs that
  was made to point here (DNS rebinding). Calls look at Origin, for programs write Host as they like; pages look at both.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lockgate.server import invocations, open_inference
from lockgate.server.statuses import Shape, Told, answer, native
from lockgate.server.tokens import TOKEN, Tokens

# Probes carry no token. /readyz tells more than a stranger should know, so without one it is answered as v2's.
OPEN = frozenset({"/healthz", "/readyz", "/ping", "/health", "/v2/health/live", "/v2/health/ready"})
DETAILED, BARE = "/readyz", "/v2/health/ready"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
GUARDS = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
)


class Door:
    """tokens: None, and callers of this machine come in. host: what is listened on, a name that pages may be asked by.
    is_pages: for people's browsers. `admits(scope)` says whether a request may come in, for whoever answers some requests
    before the app does; it looks at the headers alone.
    """

    def __init__(
        self,
        tokens: Tokens | None,
        *,
        host: str = "127.0.0.1",
        is_pages: bool = False,
    ) -> None:
        self._tokens = tokens
        self._names = LOOPBACK | {host.lower()}
        self._is_pages = is_pages
        self.admits: Callable[[Mapping[str, Any]], bool] = self._has_no_foreign_page if tokens is None else self._shows

    def around(self, app: ASGIApp) -> ASGIApp:
        """The app behind this door."""

        async def behind(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
            elif self.admits(scope):
                await app(scope, receive, _guarding(send) if self._is_pages else send)
            elif scope["path"] in OPEN and not self._is_pages and self._tokens is not None:
                await app({**scope, "path": BARE} if scope["path"] == DETAILED else scope, receive, send)
            else:
                await self._refusal(scope)(scope, receive, send)

        return behind

    def _shows(self, scope: Mapping[str, Any]) -> bool:
        """Exactly one Authorization header, with a good token: of two, a proxy may have checked the other one."""
        shown = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(shown) != 1:
            return False
        scheme, _, secret = shown[0].partition(b" ")
        scheme = scheme.lower()
        if scheme == b"basic" and self._is_pages:
            return self._hold(_password(secret))
        return scheme == b"bearer" and self._hold(secret.strip())

    def _hold(self, secret: bytes) -> bool:
        return self._tokens is not None and self._tokens.hold(secret)

    def _has_no_foreign_page(self, scope: Mapping[str, Any]) -> bool:
        for name, value in scope["headers"]:
            if name == b"origin" and _name_in(value) not in self._names:
                return False
            if name == b"host" and self._is_pages and _name_in(b"//" + value) not in self._names:
                return False
        return True

    def _refusal(self, scope: Scope) -> Response:
        shape = native if self._is_pages else shape_of(scope["path"])
        if self._tokens is None:
            return answer(Told("foreign", _foreign(scope, self._names, is_pages=self._is_pages)), shape)
        said = "This server wants a token: send `Authorization: Bearer TOKEN`"
        said += ", or any name and the token as password." if self._is_pages else "."
        told = answer(Told("unauthorized", said), shape)
        told.headers["WWW-Authenticate"] = 'Basic realm="lockgate"' if self._is_pages else 'Bearer realm="lockgate"'
        return told


def shape_of(path: str) -> Shape:
    """The form in which the protocol of a path words a refusal."""
    first = path.split("/", 2)[1] if path.startswith("/") else ""
    return {"v2": open_inference.worded, "invocations": invocations.worded}.get(first, native)


def _password(secret: bytes) -> bytes:
    try:
        return base64.b64decode(secret.strip(), validate=True).partition(b":")[2]
    except binascii.Error:
        return b""


def _name_in(address: bytes) -> str | None:
    """`localhost` of `http://localhost:8080`; None of what is no address, `null` for one."""
    try:
        return urlsplit(address.decode("ascii")).hostname
    except ValueError:
        return None


def _foreign(scope: Scope, names: frozenset[str], *, is_pages: bool) -> str:
    headers = dict(scope["headers"])
    asked = "Origin" if _name_in(headers.get(b"origin", b"http://localhost")) not in names else "Host"
    known = ", ".join(sorted(names))
    cure = f"Set {TOKEN}, or let the proxy before this server send one of them." if is_pages else f"Set {TOKEN}."
    return f"Without a token only {known} may be asked for here, and the {asked} header names another. {cure}"


def _guarding(send: Send) -> Send:
    """A page is for whoever asked for it: not framed, not kept, not taken for anything else."""

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *GUARDS]}
        await send(message)

    return guarded
