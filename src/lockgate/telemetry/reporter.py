"""One process's numbers, laid on the shelf once a second, and all processes' numbers for whoever asks."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path

from lockgate.errors import StoreError
from lockgate.telemetry import process
from lockgate.telemetry.families import FAMILIES
from lockgate.telemetry.series import Series
from lockgate.telemetry.shelf import FORGOTTEN_AFTER_S, Place, Shelf
from lockgate.telemetry.totals import ByName, Labels, Totals

EVERY_S = 1.0
FOLD_EVERY_S = 60.0
FOLDER = "series"
Sample = tuple[str, Labels, float]
_log = logging.getLogger("lockgate.series")


class Reporter:
    """The series of one process: `series` counts, `measure` gives what is read anew each time, gauges and counters alike.

    home: the workspace's `.lockgate` folder; kind: "worker" or "control". routed: the versions that may get calls. A disk
    that refuses is said once and costs no call: what was counted is told once it takes something again.
    """

    def __init__(
        self,
        home: Path,
        kind: str,
        series: Series,
        *,
        measure: Callable[[], Collection[Sample]],
        routed: Callable[[], Collection[str]],
    ) -> None:
        self._shelf = Shelf(home / FOLDER)
        self._kind = kind
        self._series = series
        self._measure = measure
        self._routed = routed
        self._unrouted_s: dict[str, float] = {}
        self._place: Place | None = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_telling, name="series", daemon=True)
        self._is_refused = False
        self._fold_at = 0.0

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Tell the last of it; from then on others take the counts for those of a process that has ended."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        self.tell()
        if self._place is not None:
            self._place.close()

    def tell(self) -> None:
        """Write what there is now. Never raises: telling must not end where one number cannot be told."""
        try:
            with self._lock:
                self._write()
        except (OSError, StoreError) as error:
            if not self._is_refused:
                _log.warning("The series cannot be written, and are behind until they can: %s", error)
            self._is_refused = True
        except Exception:  # noqa: BLE001 - a bug of ours; said at each try
            _log.exception("The series cannot be told.")
        else:
            self._is_refused = False

    def all(self) -> ByName:
        """Every process's numbers, this one's as they are now. What is told is what is on the shelf: were it more, the
        counts would go back if this process were killed.

        Raises StoreError where the disk refuses to be read.
        """
        self.tell()
        return self._shelf.gather(self._routed())

    def _write(self) -> None:
        if self._place is not None and not self._place.is_there:
            self._place.close()
            self._place = None
        if self._place is None:
            self._place = self._shelf.place(self._kind)
        measured = [*self._measure(), *process.measured(self._kind)]  # first: measuring may count something
        counted, gauges = self._series.totals(), Totals()
        self._forget_unrouted(counted)
        now = Totals(counted.rows())
        for name, labels, value in measured:
            (now if FAMILIES[name].kind == "counter" else gauges).add(name, labels, [value])
        self._place.write(now.rows(), gauges.rows())

    def _forget_unrouted(self, counted: Totals) -> None:
        now = time.monotonic()
        unrouted = counted.versions() - set(self._routed())
        self._unrouted_s = {version: self._unrouted_s.get(version, now) for version in unrouted}
        self._series.forget([v for v, since in self._unrouted_s.items() if now - since > FORGOTTEN_AFTER_S])

    def _keep_telling(self) -> None:
        while not self._stop.is_set():
            self.tell()
            if time.monotonic() >= self._fold_at:
                self._fold_at = time.monotonic() + FOLD_EVERY_S
                self._fold()
            self._stop.wait(EVERY_S)

    def _fold(self) -> None:
        """Also where nobody ever asks, what the dead left must not pile up."""
        try:
            self._shelf.gather(self._routed())
        except StoreError as error:
            _log.warning("%s", error)
        except Exception:  # noqa: BLE001 - as in `tell`
            _log.exception("The series of processes that have ended cannot be folded.")
