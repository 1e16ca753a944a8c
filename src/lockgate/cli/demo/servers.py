"""The demo's own `lockgate serve`, as a process of its own, and what it says of itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from lockgate.errors import StoreError

READY_S = 60.0


class Server:
    """`lockgate serve` on free ports of the loopback."""

    def __init__(self, project: Path) -> None:
        self._home = project / ".lockgate"
        log = (self._home / "server.log").open("ab")
        argv = [sys.executable, "-m", "lockgate", "serve", "-C", str(project), "--port", "0", "--pages-port", "0"]
        # A session of its own: a Ctrl-C at the terminal reaches the demo, which stops the server in order.
        # What the environment says of a server is of another one: the demo's has no token, and is asked without.
        told = {name: value for name, value in os.environ.items() if not name.startswith("LOCKGATE_")}
        self._process = subprocess.Popen(argv, stdout=log, stderr=log, env=told, start_new_session=True)
        self._wait_until_ready()

    @property
    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads((self._home / "server.json").read_text())
        return state

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.state['port']}"

    @property
    def pages(self) -> str:
        return f"http://127.0.0.1:{self.state['pages_port']}/"

    def kill_worker(self) -> int:
        """SIGKILL, as the kernel's out-of-memory killer would. Returns its pid."""
        pid = int(self.state["workers"][0])
        os.kill(pid, signal.SIGKILL)
        return pid

    def wait_revision(self, model: str, revision: int, timeout_s: float = 10.0) -> float:
        """Seconds until every worker answers by that routing."""
        began = time.monotonic()
        waiting = set(self.state["workers"])
        while waiting and time.monotonic() - began < timeout_s:
            said = httpx.get(f"{self.url}/readyz", timeout=5.0).json()
            if said["revisions"].get(model, 0) >= revision:
                waiting.discard(said["pid"])
        return time.monotonic() - began

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(timeout=30)

    def _wait_until_ready(self) -> None:
        give_up = time.monotonic() + READY_S
        while time.monotonic() < give_up:
            try:
                if httpx.get(f"{self.url}/readyz", timeout=2.0).status_code == 200:
                    httpx.get(self.pages, timeout=2.0)
                    return
            except (OSError, ValueError, httpx.TransportError):
                pass
            if self._process.poll() is not None:
                break
            time.sleep(0.1)
        said = (self._home / "server.log").read_text()[-500:]
        raise StoreError(f"The server did not come up: {said.strip() or 'it said nothing'}")
