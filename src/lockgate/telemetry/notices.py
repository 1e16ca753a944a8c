"""Notices on their way: each channel remembers on the disk how far in the ledger it is, and what it still owes.

What is sent and not yet marked as sent, because the process died between, is sent again under the same id: a file knows it,
a webhook is told the id. So a notice is never lost, and comes once as far as its channel can tell.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from lockgate.errors import StoreError
from lockgate.records import Entry, Notice
from lockgate.telemetry.channels import Channel, Undelivered

FIRST_S, LONGEST_S = 1.0, 300.0
S = TypeVar("S", bound=msgspec.Struct)
Entries = Callable[[int], Sequence[Entry]]
_log = logging.getLogger("lockgate.notices")


class Owed(msgspec.Struct):
    """One notice that its channel refused `tries` times."""

    notice: Notice
    tries: int = 0
    next_s: float = 0.0


class State(msgspec.Struct):
    """until: the number of the ledger's last entry that was looked at. problem, since_s: why the channel is down and since
    when, None where it is not; tries, next_s: how often it was tried since, and when next.
    """

    name: str
    until: int
    owed: list[Owed] = []
    problem: str | None = None
    since_s: float | None = None
    tries: int = 0
    next_s: float = 0.0


class Outbox:
    """Every channel with its state under `folder`. One process turns it at a time. `now_s` is wall time."""

    def __init__(self, folder: Path, channels: Sequence[tuple[str, Channel]], *, newest: int) -> None:
        """channels: each with the word that names it; newest: the ledger's last entry, where a new channel begins."""
        self._channels = [(place_of(folder, word), channel) for word, channel in channels]
        for place, channel in self._channels:
            if not place.is_file():
                keep(place, State(name=channel.name, until=newest))

    def turn(self, entries: Entries, told_of: Callable[[Entry], Notice | None], *, now_s: float) -> int:
        """Take up what is new in the ledger, and send what is owed and due; how many were sent."""
        sent = 0
        for place, channel in self._channels:
            try:
                state = read(place)
                fresh = entries(state.until)
                if fresh:
                    state.owed += [Owed(found) for found in map(told_of, fresh) if found is not None]
                    state.until = fresh[-1].number
                    keep(place, state)
                if state.owed and now_s >= state.next_s:
                    sent += _send(place, state, channel, now_s)
            except StoreError as error:  # of one channel's own file: the others are told meanwhile
                _log.error("Notices of %s wait: %s", channel.name, error)
        return sent


def read(place: Path) -> State:
    """Raises StoreError where it cannot be."""
    return kept(place, State)


def kept(place: Path, kind: type[S]) -> S:
    """A channel's state. Raises StoreError where it cannot be read."""
    try:
        return msgspec.json.decode(place.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError) as error:
        raise StoreError(f"{place} cannot be read: {error}.", cure="Remove it, and its channel begins anew.") from error


def down(folder: Path, words: Sequence[str]) -> list[State]:
    """Of these channels those that do not take what they are sent, or refused some of it."""
    states = [read(place) for place in (place_of(folder, word) for word in words) if place.is_file()]
    return [state for state in states if state.problem is not None]


def place_of(folder: Path, word: str) -> Path:
    return folder / f"{hashlib.blake2b(word.encode(), digest_size=8).hexdigest()}.json"


def _send(place: Path, state: State, channel: Channel, now_s: float) -> int:
    sent = 0
    for owed in list(state.owed):
        if now_s < owed.next_s:
            continue
        try:
            channel.send(owed.notice)
        except Undelivered as problem:
            _undelivered(state, owed, problem, now_s)
            keep(place, state)
            if problem.is_down:
                break
            continue
        state.owed.remove(owed)
        state.tries, state.next_s = 0, 0.0
        if not any(other.tries for other in state.owed):
            state.problem, state.since_s = None, None
        keep(place, state)
        sent += 1
    return sent


def _undelivered(state: State, owed: Owed, problem: Undelivered, now_s: float) -> None:
    if state.problem is None:
        state.since_s = now_s
        _log.warning("The channel %s cannot be told: %s; tried again.", state.name, problem)
    state.problem = str(problem)
    if problem.is_down:
        state.tries += 1
        state.next_s = now_s + wait_s(state.tries)
        return
    owed.tries += 1
    owed.next_s = now_s + wait_s(owed.tries)


def wait_s(tries: int) -> float:
    return float(min(LONGEST_S, FIRST_S * 2 ** min(tries - 1, 20)))


def keep(place: Path, state: msgspec.Struct) -> None:
    """Whole or not at all, and on the disk."""
    fresh = place.with_suffix(f".{os.getpid()}.new")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("wb") as held:
            held.write(msgspec.json.encode(state))
            held.flush()
            os.fsync(held.fileno())
        fresh.replace(place)
    except OSError as error:
        raise StoreError(f"{place} cannot be written: {error.strerror}.", cure="Free some room.") from error
