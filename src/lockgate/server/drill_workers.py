"""Workers of a drill's own, where no server runs: over a copy of the routing, so that they touch nothing that others read."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from lockgate.errors import StoreError
from lockgate.records import Routing
from lockgate.server import cores
from lockgate.server.supervisor import STATE
from lockgate.server.tokens import TOKEN, TOKEN_FILE
from lockgate.store.event_store import FILE as EVENTS
from lockgate.store.routing_file import RoutingFiles
from lockgate.store.serving_file import FILE as SERVING
from lockgate.store.serving_file import SOURCES

START_S = 60.0
STOP_S = 15.0


@contextmanager
def own_workers(home: Path, routing: Routing, workers: int | None) -> Generator[tuple[Path, int]]:
    """Started on a free port, ready and with every version of the routing loaded. Gives their home and the port.

    Raises StoreError where they do not get there.
    """
    _clear_left(home)
    # Beside the workspace's own home: a version's own modules are found from the project that holds it.
    own = home.with_name(f"{home.name}.drill-{os.getpid()}")
    try:
        _copy(home, own)
        RoutingFiles(own / "routing").publish(routing)
        process = _started(own, workers or cores.workers())
        try:
            yield own, _port(process, own)
        finally:
            _stop(process)
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _copy(home: Path, own: Path) -> None:
    """Small files as copies; what is large and only read is pointed at."""
    try:
        own.mkdir()
        for name in (SERVING, SOURCES):
            if (home / name).exists():
                shutil.copyfile(home / name, own / name)
        for name in ("versions", EVENTS):
            if (home / name).exists():
                (own / name).symlink_to((home / name).resolve())
    except OSError as error:
        raise StoreError(f"{own} cannot be made: {error.strerror}.", cure="Free some room there.") from error


def _started(own: Path, workers: int) -> subprocess.Popen[bytes]:
    words = ["-m", "lockgate.server.supervisor", "--home", str(own), "--workers", str(workers)]
    environment = {name: value for name, value in os.environ.items() if name not in (TOKEN, TOKEN_FILE)}
    with (own / "stderr").open("wb") as said:
        return subprocess.Popen([sys.executable, *words], env=environment, stderr=said, start_new_session=True)


def _port(process: subprocess.Popen[bytes], own: Path) -> int:
    """Once there is one. Whether the workers are ready shows at their door."""
    give_up = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < give_up:
        with suppress(OSError, ValueError, KeyError):
            return int(json.loads((own / STATE).read_bytes())["port"])
        time.sleep(0.05)
    said = (own / "stderr").read_text(errors="replace").strip().splitlines()[-1:]
    raise StoreError(f"The drill's own workers did not start: {' '.join(said) or 'nothing was said'}.")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _clear_left(home: Path) -> None:
    """What drills that were killed left behind."""
    for left in home.parent.glob(f"{home.name}.drill-*"):
        pid = left.name.rpartition("-")[2]
        if pid.isdigit() and not _lives(int(pid)):
            shutil.rmtree(left, ignore_errors=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
