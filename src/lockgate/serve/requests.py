"""Request ids that were seen: the same one again is answered alike, logged once, and shadowed once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from lockgate.records import Contract, Prediction

REMEMBERED = 20_000  # rows, not requests: a request may hold thousands


T = TypeVar("T")


@dataclass(slots=True)
class Asked(Generic[T]):
    """One request: what it was answered with, once it is, whether the other arm has scored it, and the contract that its rows
    were read by.
    """

    rows: int
    answered: Future[T] = field(default_factory=Future[T])
    is_shadowed: bool = False
    contract: Contract | None = None


class Recent(Generic[T]):
    """The newest requests of one model, with what answers them; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._recent: OrderedDict[str, Asked[T]] = OrderedDict()
        self._rows = 0

    def __contains__(self, request: str) -> bool:
        return request in self._recent

    def claim(self, request: str, rows: int) -> tuple[Asked[T], bool]:
        """What whoever came first with this id is answered with, and whether that is the caller."""
        with self._lock:
            known = self._recent.get(request)
            if known is not None:
                self._recent.move_to_end(request)
                return known, False
            own = self._recent[request] = Asked(rows)
            self._rows += rows
            while self._rows > REMEMBERED and len(self._recent) > 1:
                self._rows -= self._recent.popitem(last=False)[1].rows
            return own, True

    def claim_shadow(self, request: str | None) -> bool:
        with self._lock:
            asked = None if request is None else self._recent.get(request)
            if asked is None:
                return True
            is_first, asked.is_shadowed = not asked.is_shadowed, True
            return is_first

    def forget(self, request: str) -> None:
        """For one that could not be answered: it may be tried again."""
        with self._lock:
            gone = self._recent.pop(request, None)
            self._rows -= gone.rows if gone else 0


Requests = Recent[list[Prediction]]
