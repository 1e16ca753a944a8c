"""Notices leave from a thread of their own: a channel that hangs holds up no judgement."""

from __future__ import annotations

import logging
import threading

from lockgate.errors import LockgateError
from lockgate.workspace.noticing import Notices
from lockgate.workspace.wire import Wiring

EVERY_S = 0.5
WAIT_S = 1.0
"""So long a turn waits for its channels; a silent one is told on, and the others are told again meanwhile."""
_log = logging.getLogger("lockgate.notices")


def begin(wiring: Wiring, stop: threading.Event) -> threading.Thread:
    """Started before the loop's first turn, so that a new channel misses none of its moves."""
    notices = Notices(wiring)
    told = threading.Thread(target=_keep_telling, args=(notices, stop), name="notices", daemon=True)
    told.start()
    return told


def _keep_telling(notices: Notices, stop: threading.Event) -> None:
    while not stop.wait(EVERY_S):
        try:
            notices.turn(wait_s=WAIT_S)
        except LockgateError as error:
            _log.error("Notices wait: %s", error)
        except Exception:  # noqa: BLE001 - a bug of ours must not end the telling
            _log.exception("Notices wait.")
