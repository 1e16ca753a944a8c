"""Plain requests that came in the same turn of the event loop, answered together: one run of the graph, one write to the
log.

There is no timer: a turn takes what has arrived, and a lone request goes alone. Each keeps its own answer; one that spoils
the batch is found, and goes the long way by itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import NamedTuple

from lockgate.features.request import Plain
from lockgate.records import Prediction
from lockgate.serve.call import Caller

MOST_ROWS = 256  # at once: the loop must not be held up for long
_log = logging.getLogger("lockgate.server")
Done = Callable[[list[Prediction] | None], None]


class _Waiting(NamedTuple):
    asked: Plain
    done: Done


class Together:
    """The plain requests of one event loop; used from its thread alone."""

    def __init__(self) -> None:
        self._waiting: dict[Caller, list[_Waiting]] = {}

    def ask(self, caller: Caller, asked: Plain, done: Done) -> None:
        """done: gets the predictions, in this turn of the loop or soon after; None where the long way has to find out."""
        waiting = self._waiting.get(caller)
        if waiting is None:
            waiting = self._waiting[caller] = []
            # Behind all that this turn has still to read.
            asyncio.get_running_loop().call_soon(self._answer, caller)
        waiting.append(_Waiting(asked, done))

    def _answer(self, caller: Caller) -> None:
        waiting = self._waiting.pop(caller)
        most, rows = 0, 0
        for one in waiting:
            rows += len(one.asked.rows)
            if most and rows > MOST_ROWS:
                break
            most += 1
        if most < len(waiting):  # in the next turn, so that others are heard in between
            self._waiting[caller] = waiting[most:]
            asyncio.get_running_loop().call_soon(self._answer, caller)
        _answered(caller, waiting[:most])


def _answered(caller: Caller, batch: list[_Waiting]) -> None:
    found: list[list[Prediction] | None]
    try:
        found = caller.answer_plain([waiting.asked for waiting in batch])
    except Exception:  # noqa: BLE001 - the long way tells the callers, in words
        _log.exception("The quick way failed.")
        found = [None] * len(batch)
    for waiting, predictions in zip(batch, found, strict=True):
        try:
            waiting.done(predictions)
        except Exception:  # noqa: BLE001 - one caller's connection must not cost the others their answers
            _log.exception("An answer could not be given.")
