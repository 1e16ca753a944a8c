"""Notices of a workspace: its ledger told to the channels of `[alerts]`, by one process at a time."""

from __future__ import annotations

import os
import secrets

from lockgate.report.notices import notice
from lockgate.telemetry import alertmanager, notices
from lockgate.telemetry.channels import ALERTMANAGER, channel
from lockgate.workspace.wire import Wiring

FOLDER = "alerts"
LEASE, LEASE_S = "notices", 60.0


class Notices:
    """`turn` sends what is owed. A channel that was not there before is told what comes from now on. Raises SpecError for a
    channel that cannot be made.
    """

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._holder = f"{os.getpid()}-{secrets.token_hex(4)}"
        words, newest = wiring.spec.alerts.channels, wiring.records.newest()
        self._outbox = notices.Outbox(
            wiring.home / FOLDER,
            [(word, channel(word, wiring.project)) for word in words if not word.startswith(ALERTMANAGER)],
            newest=newest,
        )
        self._alerts = [
            alertmanager.AlertBox(wiring.home / FOLDER, word, newest=newest)
            for word in words
            if word.startswith(ALERTMANAGER)
        ]

    def turn(self) -> int:
        """How many were sent; none while another process is at it."""
        wiring = self._wiring
        if not wiring.spec.alerts.channels:
            return 0
        if not wiring.lease.acquire(LEASE, self._holder, now_s=wiring.clock(), for_s=LEASE_S):
            return 0
        try:
            sent = self._outbox.turn(wiring.records.entries, notice, now_s=wiring.clock())
            return sent + sum(box.turn(wiring.records.entries, now_s=wiring.clock()) for box in self._alerts)
        finally:
            wiring.lease.release(LEASE, self._holder)


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
