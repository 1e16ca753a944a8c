"""What the control process tells: the loop's own turns, and what the records say of evidence, alpha, outcomes and alarms."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from lockgate.errors import StoreError
from lockgate.report import series
from lockgate.report.quality import Quality
from lockgate.server.exposed import BUILD
from lockgate.telemetry.reporter import Reporter, Sample
from lockgate.telemetry.series import Series
from lockgate.workspace.workspace import Workspace

LOOK_EVERY_S = 10.0
_log = logging.getLogger("lockgate.control")


class Watched:
    """The series of one control process."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        wiring = workspace.wiring
        self._quality = Quality(wiring.records, wiring.spec, wiring.profile)
        self._turned_s: float | None = None
        self._failures = 0
        self._look_at = 0.0
        self._seen: list[Sample] = []
        self._versions: frozenset[str] = frozenset()
        self.reporter = Reporter(
            workspace.wiring.home, "control", Series(), measure=self._measured, routed=lambda: self._versions
        )

    def turned(self) -> None:
        """The loop turned without an error."""
        self._turned_s = time.time()

    def failed(self) -> None:
        self._failures += 1

    def _measured(self) -> Collection[Sample]:
        self._look()
        own: list[Sample] = [
            BUILD,
            ("lockgate_loop_failures_total", (), float(self._failures)),
            ("lockgate_log_backlog_bytes", (), backlog_bytes(self._workspace.wiring.home / "log")),
        ]
        if self._turned_s is not None:
            own.append(("lockgate_loop_turned_timestamp_seconds", (), self._turned_s))
        return [*own, *self._seen]

    def _look(self) -> None:
        """The records, every few seconds; what they said last stands where they cannot be read."""
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + LOOK_EVERY_S
        wiring = self._workspace.wiring
        try:
            self._versions = series.routed(wiring.records)
            self._seen = [*series.measured(wiring.records, wiring.spec), *self._quality.measured()]
        except StoreError as error:
            _log.warning("The series of the records are as they were: %s", error)
        except Exception:  # noqa: BLE001 - a series that cannot be told must not end the telling of the others
            _log.exception("The series of the records cannot be told.")


def backlog_bytes(folder: Path) -> float:
    """What lies in the log's segments, open and sealed; the compactor takes them away while we look."""
    found = 0.0
    for path in folder.glob("*"):
        with suppress(FileNotFoundError):
            found += path.stat().st_size
    return found
