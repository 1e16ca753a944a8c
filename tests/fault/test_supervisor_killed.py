"""`lockgate serve` killed without a word: neither workers nor the loop outlive it, however early it comes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except FileNotFoundError:
        return False
    return state != "Z"  # dead, and waiting for whoever adopted it


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc here")
@pytest.mark.parametrize("is_early", [True, False])
def test_no_child_outlives_a_killed_supervisor(workshop, until, is_early):
    """Early: while the children still import, so that they never saw their parent alive."""
    if not is_early:
        with workshop.serving() as server:
            children = [*server.state["workers"], *server.state["companions"]]
            assert all(map(is_alive, children))
            server.process.kill()
            server.process.wait(10)
            until(lambda: not any(map(is_alive, children)), "the children's end", within_s=15)
        return
    state = workshop.home / "server.json"
    argv = [sys.executable, "-m", "lockgate", "serve", "-C", str(workshop.root), "--port", "0", "--pages-port", "0"]
    with subprocess.Popen(argv, start_new_session=True, stdout=subprocess.DEVNULL) as process:
        until(state.exists, "the supervisor's state", within_s=30)
        told = json.loads(state.read_text())
        process.kill()
        process.wait(10)
    children = [*told["workers"], *told["companions"]]
    try:
        until(lambda: not any(map(is_alive, children)), "the children's end", within_s=25)
    finally:
        for pid in filter(is_alive, children):
            os.kill(pid, 9)
