"""From the control process, beside its loop: how the service does, said in a small file, and metrics for OpenTelemetry."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

from lockgate.errors import StoreError
from lockgate.server.release import RELEASE
from lockgate.store import service_file
from lockgate.telemetry.meters import Meters
from lockgate.telemetry.reporter import Reporter
from lockgate.telemetry.service import ServiceMeter

EVERY_S = 5.0
_log = logging.getLogger("lockgate.control")


class Metering:
    """Begun once the reporter tells; ends with `stop`."""

    def __init__(self, home: Path, reporter: Reporter, stop: threading.Event) -> None:
        self._home, self._reporter, self._stop = home, reporter, stop
        self._meters = Meters.configured(reporter.all, RELEASE)
        self._meter = ServiceMeter()
        self._thread = threading.Thread(target=self._keep_on, name="metering", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """After `stop`, and before the reporter is closed: the last metrics are sent."""
        self._thread.join(timeout=5)
        if self._meters is not None:
            self._meters.close()

    def _keep_on(self) -> None:
        while True:
            try:
                service_file.write(self._home, self._meter.look(self._reporter.all(), time.time()))
            except StoreError as error:
                _log.warning("How the service does is not said: %s", error)
            except Exception:  # noqa: BLE001 - a bug of ours must not end the saying
                _log.exception("How the service does cannot be said.")
            if self._stop.wait(EVERY_S):
                return
