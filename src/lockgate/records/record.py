"""What every record shares: frozen, keyword-only, unknown fields refused, one canonical encoding."""

from __future__ import annotations

import hashlib
from typing import TypeVar

import msgspec

from lockgate.errors import StoreError


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fact written once. A changed meaning is a new record, never a new reading of an old one."""


R = TypeVar("R", bound=msgspec.Struct)

_encoder = msgspec.json.Encoder(order="deterministic")


def encode(record: msgspec.Struct) -> bytes:
    """The canonical bytes of a record: equal records give equal bytes, in every process."""
    return _encoder.encode(record)


def decode(kind: type[R], body: bytes | str) -> R:
    """Read a record back, strictly. Raises StoreError naming the kind when the bytes do not fit it."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise StoreError(
            f"A stored {kind.__name__} cannot be read: {error}.",
            cure="It was written by another version of Lockgate, or damaged; restore it from a backup.",
        ) from error


def ready(*kinds: type[msgspec.Struct]) -> None:
    """To be called where a module is imported, of kinds that several threads read: msgspec 0.22 learns a kind at its first
    reading, and two threads that do so at once can end the process.
    """
    for kind in kinds:
        msgspec.json.Decoder(kind)


def digest(record: msgspec.Struct) -> str:
    """SHA-256 of the canonical bytes, as hex."""
    return hashlib.sha256(encode(record)).hexdigest()
