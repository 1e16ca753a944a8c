"""Notices of a workspace: its ledger told to the channels of `[alerts]`, by one process at a time."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable

from lockgate.report.notices import notice
from lockgate.telemetry import alertmanager, notices
from lockgate.telemetry.channels import ALERTMANAGER, channel
from lockgate.workspace.wire import Wiring

FOLDER = "alerts"
LEASE, LEASE_S = "notices", 60.0


class _Telling(threading.Thread):
    """One channel being told. sent: how many it took; problem: what the telling ended in. It holds up no exit of its
    process: what was sent and not marked is sent again under the same id.
    """

    def __init__(self, tell: Callable[[], int], place: int) -> None:
        super().__init__(name=f"notices-{place}", daemon=True)
        self._tell = tell
        self.sent = 0
        self.problem: Exception | None = None

    def run(self) -> None:
        try:
            self.sent = self._tell()
        except Exception as problem:  # noqa: BLE001 - raised where the turn was asked for
            self.problem = problem


class Notices:
    """`turn` sends what is owed, to each channel by itself: one that is silent holds up no other. A channel that was not
    there before is told what comes from now on. Raises SpecError for a channel that cannot be made.
    """

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._holder = f"{os.getpid()}-{secrets.token_hex(4)}"
        newest = wiring.records.newest()
        self._tell = [self._telling(word, newest) for word in wiring.spec.alerts.channels]
        self._at_work: dict[int, _Telling] = {}

    def turn(self, *, wait_s: float | None = None) -> int:
        """How many were sent; none while another process is at it. wait_s: who takes longer is told on meanwhile, and counted
        at a later turn; all are waited for where left out. Raises what the telling of a channel raised, the others told.
        """
        wiring = self._wiring
        if not self._tell:
            return 0
        if not wiring.lease.acquire(LEASE, self._holder, now_s=wiring.clock(), for_s=LEASE_S):
            return 0
        for place, tell in enumerate(self._tell):
            if place not in self._at_work:
                self._at_work[place] = _Telling(tell, place)
                self._at_work[place].start()
        ended = self._ended(wait_s)
        if not self._at_work:  # it runs out by itself where somebody is being told still
            wiring.lease.release(LEASE, self._holder)
        problems = [telling.problem for telling in ended if telling.problem is not None]
        if problems:
            raise problems[0]
        return sum(telling.sent for telling in ended)

    def _ended(self, wait_s: float | None) -> list[_Telling]:
        give_up = None if wait_s is None else time.monotonic() + wait_s
        for telling in self._at_work.values():
            telling.join(None if give_up is None else max(0.0, give_up - time.monotonic()))
        places = [place for place, telling in self._at_work.items() if not telling.is_alive()]
        return [self._at_work.pop(place) for place in places]

    def _telling(self, word: str, newest: int) -> Callable[[], int]:
        wiring, folder = self._wiring, self._wiring.home / FOLDER
        entries, clock = wiring.records.entries, wiring.clock
        if word.startswith(ALERTMANAGER):
            alerts = alertmanager.AlertBox(folder, word, newest=newest)
            return lambda: alerts.turn(entries, now_s=clock())
        outbox = notices.Outbox(folder, [(word, channel(word, wiring.project))], newest=newest)
        return lambda: outbox.turn(entries, notice, now_s=clock())


def down(wiring: Wiring) -> list[str]:
    """A sentence for each channel that cannot be told, and how much it is owed."""
    folder, words = wiring.home / FOLDER, wiring.spec.alerts.channels
    plain = [word for word in words if not word.startswith(ALERTMANAGER)]
    found = [(state.name, state.problem, len(state.owed), "notice") for state in notices.down(folder, plain)]
    found += [(state.name, state.problem, state.waiting, "alert") for state in alertmanager.down(folder, words)]
    return [
        f"The channel {name} is down: {problem}; {many:,} {f'{what} waits' if many == 1 else f'{what}s wait'} for it."
        for name, problem, many, what in found
    ]
