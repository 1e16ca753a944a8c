"""A service that forks while it answers, as servers with preloaded apps and process pools do: nobody waits for ever, nobody
writes into another's segment, nothing is lost.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from lockgate.records import Prediction
from lockgate.store.segments import SegmentLog

FORKS, CALLS = 30, 20
SERVICE = f"""
import json, os, threading
import lockgate as lg

@lg.guard("late", fallback=[0.23], task="binary", deadline_ms=5000, challenger=lambda row: 0.9, challenger_version="v2",
          shadow=True)
def predict(row):
    return 0.7

stop, ids = threading.Event(), []

def busy():
    while not stop.is_set():
        ids.append(predict.answer({{}}).id)

threads = [threading.Thread(target=busy) for _ in range(3)]
for thread in threads:
    thread.start()
children = []
for number in range({FORKS}):
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        replies = [predict.answer({{}}) for _ in range({CALLS})]
        os.write(write, json.dumps([reply.id for reply in replies if reply.failure is None]).encode())
        os._exit(0)
    os.close(write)
    children.append((child, read))
told = []
for child, read in children:
    with os.fdopen(read) as file:
        told.append(json.loads(file.read()))
    os.waitpid(child, 0)
stop.set()
for thread in threads:
    thread.join()
print(json.dumps([ids, *told]))
"""


def test_forks_under_load_lose_nothing(tmp_path: Path) -> None:
    (tmp_path / ".lockgate").mkdir()
    argv = [sys.executable, "-W", "ignore", "-c", SERVICE]
    ran = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    parent, *children = json.loads(ran.stdout)
    assert [len(ids) for ids in children] == [CALLS] * FORKS
    read = [entry for entry in SegmentLog(tmp_path / ".lockgate" / "log").read()[0] if isinstance(entry, Prediction)]
    logged = [entry.id for entry in read]
    assert len(logged) == len(set(logged))
    assert set(logged) >= {name for ids in (parent, *children) for name in ids}
    # One process, one writer; the parent's last shadows may come when its log has been closed, and open another.
    writers = {segment.name.split("-")[1] for segment in (tmp_path / ".lockgate" / "log").glob("*.seg")}
    assert len(writers) == FORKS + 1


FORKERS = """
import faulthandler, os, threading
import lockgate as lg

faulthandler.dump_traceback_later(40, exit=True)

@lg.guard("late", fallback=[0.23], task="binary", deadline_ms=None)
def predict(row):
    return 0.7

predict({})

def forks():
    for _ in range(150):
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        predict({})

threads = [threading.Thread(target=forks) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(predict({}))
"""


def test_threads_that_fork_at_once_do_not_wait_for_each_other(tmp_path: Path) -> None:
    (tmp_path / ".lockgate").mkdir()
    argv = [sys.executable, "-W", "ignore", "-c", FORKERS]
    ran = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout.strip()) == (0, "0.7"), ran.stderr
