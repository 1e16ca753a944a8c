"""MLflow's registry follows verdicts and moves, from a process of its own: importing MLflow, or waiting for its server, must
not hold up the loop that may have to roll back.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

from lockgate.workspace.wire import Wiring
from lockgate.workspace.workspace import Workspace

EVERY_S = 30.0
MOST_S = 600.0
_log = logging.getLogger("lockgate.mirror")


def keep_up(wiring: Wiring, stop: threading.Event) -> None:
    """Until `stop`: a turn whenever the ledger has grown, at most every half minute; what fails is tried again."""
    if find_spec("mlflow") is None:
        return
    seen = -1
    while not stop.wait(EVERY_S):
        newest = max((entry.number for entry in wiring.records.entries(max(seen, 0))), default=max(seen, 0))
        if newest > seen and _turn(wiring.project):
            seen = newest


def _turn(project: Path) -> bool:
    command = [sys.executable, "-W", "ignore", "-m", __name__, str(project)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=MOST_S, check=False)
    except subprocess.TimeoutExpired:
        _log.error("MLflow's registry was given up after %s s.", MOST_S)
        return False
    if done.returncode:
        _log.error("MLflow's registry could not be brought up to date: %s", done.stderr.strip()[-500:])
    return done.returncode == 0


if __name__ == "__main__":
    found = Workspace.open(sys.argv[1]).mirror()
    sys.stderr.write("\n".join((*found.could_not, *(p.sentence for p in found.proposals), found.problem or "")))
    sys.exit(1 if found.problem else 0)
