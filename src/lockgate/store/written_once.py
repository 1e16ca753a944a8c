"""Records that are written once and never change, kept decoded: a reader asks for what was added since, and for no more.

So what a turn of the loop costs does not grow with the age of a workspace. It leans on a database whose writers wait for each
other, so that numbers come in the order of the commits; where a lower one may come later, nothing is kept.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable

from lockgate.records import Move, PairBlock, Verdict, decode
from lockgate.store.ports import K, Kept

ONCE: frozenset[type] = frozenset({Move, PairBlock, Verdict})
Behind = Callable[[type[Kept], int], list[tuple[int, str, str]]]
"""Of a kind, the number, model and body of each record behind a number, in order."""


class WrittenOnce:
    """Of each kind that was asked for, all there is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[type, int] = {}
        self._kept: dict[tuple[type, str], list[Kept]] = defaultdict(list)

    def of(self, kind: type[K], model: str, behind: Behind) -> list[K]:
        """A list of the caller's own, oldest first."""
        with self._lock:
            for number, of, body in behind(kind, self._last.get(kind, 0)):
                self._kept[kind, of].append(decode(kind, body))
                self._last[kind] = number
            return [one for one in self._kept[kind, model] if isinstance(one, kind)]
