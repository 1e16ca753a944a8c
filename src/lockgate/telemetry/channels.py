"""Where notices go: a file, a webhook, or whatever apprise knows. One class each; a new one is named in `channel`.

Alertmanager is told what is open, not what happened, and has a file of its own (`telemetry.alertmanager`).
"""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from lockgate.errors import ConfigError, SpecError
from lockgate.records import Notice, encode

TIMEOUT_S = 5.0
ANSWER = 1 << 12  # bytes of an answer that are read
ALERTMANAGER = "alertmanager:"
TAIL = 1 << 18  # bytes of a file in which a notice that was written already is looked for
_LATER = (408, 425, 429)  # a refusal that another time may not meet


class Undelivered(Exception):
    """is_down: the channel itself does not answer; else it refused this one notice."""

    def __init__(self, message: str, *, is_down: bool) -> None:
        super().__init__(message)
        self.is_down = is_down


class Channel(Protocol):
    """name: as people know it, without what is secret in its address."""

    name: str

    def send(self, notice: Notice) -> None:
        """Once it returns the notice is there. Raises Undelivered."""
        ...


def refuse_unknown(word: str) -> None:
    """Raises ConfigError for what is no channel. Nothing is imported, and nothing asked."""
    if word.startswith(ALERTMANAGER):
        parts = urlsplit(word.removeprefix(ALERTMANAGER))
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"alerts.channels names {word!r}.", cure='Write "alertmanager:http://HOST:9093".')
        return
    if not (word.startswith("file:") and word != "file:") and "://" not in word:
        raise ConfigError(
            f"alerts.channels names {word!r}.",
            cure=(
                'Write "file:alerts.jsonl", the https:// address of a webhook, "alertmanager:http://HOST:9093", or an '
                "address that apprise knows."
            ),
        )


def channel(word: str, project: Path) -> Channel:
    """The channel of a word of `alerts.channels`. Raises ConfigError for an unknown one, SpecError where apprise is missing
    or does not know the address.
    """
    refuse_unknown(word)
    if word.startswith("file:"):
        return FileChannel(project / word.removeprefix("file:"))
    if urlsplit(word).scheme in ("http", "https"):
        return Webhook(word)
    return AppriseChannel(word)


class FileChannel:
    """A JSON line a notice, on the disk before it counts."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.name = f"file:{file.name}"

    def send(self, notice: Notice) -> None:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a+b") as held:
                if self._holds(held, notice):
                    return
                held.write(encode(notice) + b"\n")
                held.flush()
                os.fsync(held.fileno())
        except OSError as error:
            raise Undelivered(f"{self._file} cannot be written: {error.strerror}", is_down=True) from error

    def _holds(self, held: Any, notice: Notice) -> bool:
        """Whether the end of the file has it: whoever wrote it may have died before saying so. A torn line is closed."""
        size = held.seek(0, os.SEEK_END)
        held.seek(max(0, size - TAIL))
        tail: bytes = held.read()
        if tail and not tail.endswith(b"\n"):
            held.write(b"\n")
        return encode(notice) in tail.splitlines()


class Webhook:
    """The notice as JSON, by POST; `Idempotency-Key` is its id, by which a receiver knows one that comes again."""

    def __init__(self, url: str) -> None:
        self._url = url
        parts = urlsplit(url)
        self.name = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}"

    def send(self, notice: Notice) -> None:
        sent(self._url, encode(notice), headers={"Idempotency-Key": notice.id})


def sent(url: str, body: bytes | None, *, headers: Mapping[str, str] | None = None, method: str = "POST") -> bytes:
    """JSON, sent over http(s); the start of what was answered. Raises Undelivered."""
    known = {"Content-Type": "application/json", "User-Agent": "lockgate", **(headers or {})}
    request = urllib.request.Request(url, data=body, headers=known, method=method)  # noqa: S310 - http(s) alone comes here
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=TIMEOUT_S) as answer:
            return bytes(answer.read(ANSWER))
    except urllib.error.HTTPError as error:
        is_refused = 300 <= error.code < 500 and error.code not in _LATER
        raise Undelivered(f"it answered {error.code}", is_down=not is_refused) from error
    except (OSError, ValueError, HTTPException) as error:
        raise Undelivered(f"it does not answer: {getattr(error, 'reason', error)}", is_down=True) from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A notice sent on to another address as a GET would be lost and counted as told."""

    def redirect_request(self, *_given: Any, **_more: Any) -> None:
        return None


class AppriseChannel:
    """Mail, chat, pagers: whatever apprise has an address for. Imported when it is used."""

    def __init__(self, url: str) -> None:
        try:
            apprise: Any = import_module("apprise")  # untyped, and not there where nobody needs it
        except ImportError as error:
            raise SpecError(
                f"alerts.channels names {urlsplit(url).scheme}://..., which apprise sends.",
                cure="Install it: pip install 'lockgate[alerts]'",
            ) from error
        self.name = f"{urlsplit(url).scheme}://{urlsplit(url).hostname or ''}"
        self._to: Any = apprise.Apprise()
        if not self._to.add(url):
            raise SpecError(f"apprise does not know the address {self.name}.", cure="See: apprise --details")

    def send(self, notice: Notice) -> None:
        title = f"Lockgate, {notice.model}: {notice.severity}"
        try:
            is_sent = self._to.notify(title=title, body=f"{notice.sentence}\nNext: {notice.next}\n({notice.id})")
        except Exception as error:  # apprise's plugins raise what their libraries do
            raise Undelivered(f"apprise raised {error!r}", is_down=True) from error
        if not is_sent:
            raise Undelivered("apprise could not send it", is_down=True)
