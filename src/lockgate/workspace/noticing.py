"""Notices of a workspace: its ledger told to the channels of `[alerts]`, by one process at a time."""

from __future__ import annotations

import os
import secrets

from lockgate.report.notices import notice
from lockgate.telemetry import notices
from lockgate.telemetry.channels import channel
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
        words = wiring.spec.alerts.channels
        self._outbox = notices.Outbox(
            wiring.home / FOLDER,
            [(word, channel(word, wiring.project)) for word in words],
            newest=wiring.records.newest(),
        )

    def turn(self) -> int:
        """How many were sent; none while another process is at it."""
        wiring = self._wiring
        if not wiring.spec.alerts.channels:
            return 0
        if not wiring.lease.acquire(LEASE, self._holder, now_s=wiring.clock(), for_s=LEASE_S):
            return 0
        try:
            return self._outbox.turn(wiring.records.entries, notice, now_s=wiring.clock())
        finally:
            wiring.lease.release(LEASE, self._holder)


def down(wiring: Wiring) -> list[str]:
    """A sentence for each channel that cannot be told, and how much it is owed."""
    return [
        f"The channel {state.name} is down: {state.problem}; {len(state.owed):,} notices wait for it."
        for state in notices.down(wiring.home / FOLDER, wiring.spec.alerts.channels)
    ]
