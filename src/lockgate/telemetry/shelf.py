"""Where the processes of one workspace lay their counts: a small file each, written whole, and one for all that have ended.

A process holds a lock on a file beside its own for as long as it lives; the kernel lets go of it however it ends, also where
a number of a process comes again in another container. Files of the dead are added to one and taken away by whoever comes
by. Everything that looks at more than its own file holds the shelf's lock, so that no count is seen twice or missed.
"""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections.abc import Collection, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TypeVar

import msgspec

from lockgate.errors import StoreError
from lockgate.telemetry.families import FAMILIES, Merge
from lockgate.telemetry.totals import ByName, Labels, Past, Rows, Told, Totals

HIDDEN_AFTER_S = 3600.0
"""A version without traffic is told for an hour more: its last counts are what somebody asks for after a rollback."""
FORGOTTEN_AFTER_S = 2 * HIDDEN_AFTER_S
"""Later than hidden, so that no process forgets what another still tells: the sum would go down under Prometheus's eyes."""
DOOR_S = 5.0
AGE = "lockgate_series_age_seconds"
_FOLDED = "ended.msgpack"
_DOOR = "door.lock"
_SUFFIX = ".msgpack"
_log = logging.getLogger("lockgate.series")

T = TypeVar("T", Told, Past)


class Shelf:
    """The folder of one workspace. What it does raises StoreError where locks of files are not to be had."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def place(self, process: str) -> Place:
        """A file of one's own, held until the process ends. process: a word for what it does."""
        with self._door():
            name = f"{process}-{os.getpid()}-{secrets.token_hex(4)}"
            lock = (self._folder / f"{name}.lock").open("wb")
            _flock(lock)
            return Place(process, self._folder / f"{name}{_SUFFIX}", lock)

    def gather(self, routed: Collection[str]) -> ByName:
        """Counters of all processes that ever were and gauges of the living; what the dead left is folded.

        routed: versions that may get calls. Raises StoreError where the disk refuses.
        """
        try:
            with self._door():
                return self._gather(set(routed))
        except OSError as error:
            raise StoreError(
                f"The series in {self._folder} cannot be read: {error}.", cure="Free some room."
            ) from error

    def _gather(self, routed: set[str]) -> ByName:
        past = _read(Past, self._folder / _FOLDED) or Past()
        living, is_changed = self._fold(past)
        totals = Totals(past.counted)
        for told in living:
            totals.take(told.counted)
        now_s = time.time()
        is_changed |= _retire(past, totals.versions() - routed, now_s)
        gone = {version for version, since_s in past.retired.items() if now_s - since_s > FORGOTTEN_AFTER_S}
        if is_changed or gone:
            kept = Totals(past.counted)
            kept.drop(gone)
            past.counted = kept.rows()
            _write(self._folder / _FOLDED, past)
            self._take_away(past)
        totals.drop({version for version, since_s in past.retired.items() if now_s - since_s > HIDDEN_AFTER_S})
        return totals.by_name | merged_gauges(living) | {AGE: _ages(living, now_s)}

    def _fold(self, past: Past) -> tuple[list[Told], bool]:
        """What the living tell; what the dead told goes into `past`."""
        there = {path.stem: path for path in self._folder.glob(f"*{_SUFFIX}") if path.name != _FOLDED}
        folded = [name for name in past.folded if name in there]
        living: list[Told] = []
        totals, fresh = Totals(past.counted), list[str]()
        for name, path in there.items():
            if name in folded:
                continue
            is_living = _is_held(path.with_suffix(".lock"))
            told = _read(Told, path)
            if is_living:
                living += [told] if told else []
            else:
                totals.take(told.counted if told else {})
                fresh.append(name)
        is_changed = folded + fresh != past.folded
        past.counted, past.folded = totals.rows(), folded + fresh
        return living, is_changed

    def _take_away(self, past: Past) -> None:
        """After `past` was written: a crash in between leaves files that it names, and they are not added twice."""
        for name in past.folded:
            with suppress(FileNotFoundError):
                (self._folder / f"{name}{_SUFFIX}").unlink()
            with suppress(FileNotFoundError):
                (self._folder / f"{name}.lock").unlink()
        named = {path.stem for path in self._folder.glob(f"*{_SUFFIX}")}
        for lock in self._folder.glob("*.lock"):  # of a process that ended before it told anything
            if lock.name != _DOOR and lock.stem not in named and not _is_held(lock):
                lock.unlink(missing_ok=True)

    @contextmanager
    def _door(self) -> Generator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / _DOOR).open("ab") as door:
            give_up = time.monotonic() + DOOR_S
            while not _flock(door):
                if time.monotonic() > give_up:
                    raise StoreError(
                        f"Somebody holds {door.name}.", cure="A process that was stopped, perhaps: end it."
                    )
                time.sleep(0.005)
            yield  # closing lets go


class Place:
    """One process's file."""

    def __init__(self, process: str, path: Path, lock: IO[bytes]) -> None:
        self._process = process
        self._path = path
        self._lock = lock  # kept open: what holds it is that it is open

    @property
    def is_there(self) -> bool:
        """Whether others still take this process for a living one: somebody may have cleared the folder."""
        return self._path.with_suffix(".lock").exists()

    def write(self, counted: Rows, gauges: Rows) -> None:
        """Replace what was told before. Raises OSError where the disk refuses."""
        _write(self._path, Told(process=self._process, at_s=time.time(), counted=counted, gauges=gauges))

    def close(self) -> None:
        self._lock.close()


def merged_gauges(living: Collection[Told]) -> ByName:
    """One number of each gauge, from all that tell it; those who wrote last come last."""
    found: ByName = {}
    for told in sorted(living, key=lambda told: told.at_s):
        for name, rows in told.gauges.items():
            family = FAMILIES.get(name)
            for labels, (value, *_) in rows if family is not None else ():
                found.setdefault(name, {}).setdefault(labels, []).append(value)
    return {
        name: {labels: [_together(FAMILIES[name].merge, values)] for labels, values in cells.items()}
        for name, cells in found.items()
    }


def _together(merge: Merge, values: list[float]) -> float:
    match merge:
        case "sum":
            return sum(values)
        case "min":
            return min(values)
        case "max":
            return max(values)
        case "newest":
            return values[-1]


def _ages(living: Collection[Told], now_s: float) -> dict[Labels, list[float]]:
    """How long ago the quietest living process of each sort told anything."""
    at_s: dict[str, float] = {}
    for told in living:
        at_s[told.process] = min(told.at_s, at_s.get(told.process, told.at_s))
    return {(process,): [max(0.0, now_s - oldest_s)] for process, oldest_s in at_s.items()}


def _retire(past: Past, unrouted: set[str], now_s: float) -> bool:
    """Note when versions were first seen without traffic; whether anything is new."""
    retired = {version: past.retired.get(version, now_s) for version in unrouted}
    is_changed = retired.keys() != past.retired.keys()
    past.retired = retired
    return is_changed


def _is_held(lock: Path) -> bool:
    try:
        with lock.open("rb") as file:
            return not _flock(file)
    except FileNotFoundError:
        return False


def _flock(file: IO[bytes]) -> bool:
    """Take the lock; false where somebody holds it."""
    try:
        import fcntl
    except ImportError as error:  # Windows
        raise StoreError("Series of several processes need flock.", cure="Serve on Linux or macOS.") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(kind: type[T], path: Path) -> T | None:
    """None where it is not there, or damaged, or of another release: what it counted starts anew."""
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        _log.warning("%s cannot be read, and what it counted starts anew: %s.", path, error)
        return None


def _write(path: Path, told: Told | Past) -> None:
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        fresh.write_bytes(msgspec.msgpack.encode(told))
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
