"""A ledger outside its workspace: JSON Lines, an entry a line, the first one first."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from lockgate.errors import NotFound, SpecError, StoreError
from lockgate.records import Entry, encode


def export(entries: Iterable[Entry], file: Path) -> int:
    """Write them; the file is there whole or not at all. Returns how many. Raises StoreError where it cannot be written."""
    fresh = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    count = 0
    try:
        with fresh.open("wb") as out:
            for entry in entries:
                out.write(encode(entry) + b"\n")
                count += 1
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(file)
    except OSError as error:
        raise StoreError(f"{file} cannot be written: {error.strerror}.", cure="Free some room there.") from error
    finally:
        fresh.unlink(missing_ok=True)
    return count


def read(file: Path) -> Iterator[Entry]:
    """The entries of an exported ledger, one after the other. Raises NotFound, or SpecError naming the line that is none."""
    decoder = msgspec.json.Decoder(Entry)
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    yield decoder.decode(line)
                except msgspec.DecodeError as error:
                    raise SpecError(
                        f"Line {number} of {file} is no entry of a ledger: {error}.",
                        cure="Export it again: lockgate why --export FILE.jsonl",
                    ) from error
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {file}.", cure="Make one: lockgate why --export FILE.jsonl") from error
    except OSError as error:
        raise StoreError(f"{file} cannot be read: {error.strerror}.") from error
