"""Threads that read a kind of record at once, and are the first to do so in their process, each get it."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys, threading
sys.setswitchinterval(1e-6)  # threads change between any two lines
from lockgate.runtime import folder
from lockgate.records import Contract, Manifest, decode
from lockgate.errors import StoreError

together = threading.Barrier(4)

def read():
    for kind in (Manifest, Contract):
        together.wait()
        try:
            decode(kind, "{}")
        except StoreError:
            pass

threads = [threading.Thread(target=read) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_a_process_outlives_two_threads_that_meet_a_kind_at_once() -> None:
    for _ in range(3):
        ran = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", SCRIPT], capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stderr
