"""A server as its processes: started, asked until it answers, weighed, stopped."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MARK = "SERVING_BENCHMARK"  # in the environment of every process of one server, however it detached itself
READY_S, STOP_S = 150.0, 15.0
TICKS = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class Failed(Exception):
    """A server that does not start, or answers wrongly: the others are measured all the same."""


class Running:
    """One server. ready_s: from its start to its first answer, set by `until_answered`."""

    def __init__(self, argv: list[str], port: int, folder: Path, env: dict[str, str]) -> None:
        self.port, self._mark, self.ready_s = port, uuid.uuid4().hex, float("nan")
        self._log = folder / "server.log"
        self._began = time.monotonic()
        with self._log.open("wb") as said:
            self._process = subprocess.Popen(
                argv, cwd=folder, env=env | {MARK: self._mark}, stdout=said, stderr=said, start_new_session=True
            )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, path: str, body: Any) -> Any:
        """One answer. Raises OSError where nobody answers, ValueError (with what was said) where it is no 200."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            said = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise ValueError(f"{answer.status}: {said[:300]!r}")
        return json.loads(said)

    def until_answered(self, ask: Callable[[], Any]) -> None:
        """Ask until it answers. Raises Failed with the server's own words where it never does."""
        last = ""
        while time.monotonic() - self._began < READY_S and self._process.poll() is None:
            try:
                ask()
            except (OSError, ValueError, http.client.HTTPException) as error:
                last = str(error)
                time.sleep(0.02)
            else:
                self.ready_s = time.monotonic() - self._began
                return
        raise Failed(f"No answer ({last}); the server said:\n{self._log.read_text()[-3000:]}")

    def pids(self) -> list[int]:
        mark = f"{MARK}={self._mark}".encode()
        return [pid for pid in _pids() if mark in _read(pid, "environ")]

    def cpu_s(self) -> float:
        """CPU spent so far by its processes, and by children of theirs that have ended."""
        return sum(sum(map(int, _read(pid, "stat").rpartition(b")")[2].split()[11:15])) / TICKS for pid in self.pids())

    def memory_mb(self) -> dict[str, float]:
        """Proportional set size (memory shared by n processes counts 1/n in each) by process: what it is, and its id."""
        return {f"{_what(pid)} {pid}": _pss_mb(pid) for pid in self.pids()}

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stopped where it stands, so that what it does behind its answers is no burden to whoever is measured now."""
        pids = self.pids()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def stop(self) -> None:
        """Politely, then whatever of it is left, by id."""
        if self._process.poll() is None:
            self._process.terminate()
        give_up = time.monotonic() + STOP_S
        while self.pids() and time.monotonic() < give_up:
            self._process.poll()
            time.sleep(0.1)
        for pid in self.pids():
            os.kill(pid, signal.SIGKILL)
        self._process.wait()


@contextmanager
def running(argv: list[str], port: int, folder: Path, env: dict[str, str]) -> Iterator[Running]:
    folder.mkdir(parents=True, exist_ok=True)
    server = Running(argv, port, folder, env)
    try:
        yield server
    finally:
        server.stop()


def _pids() -> list[int]:
    return [int(place.name) for place in Path("/proc").iterdir() if place.name.isdigit()]


def _read(pid: int, file: str) -> bytes:
    """Empty for a process that has ended: a zombie weighs nothing."""
    try:
        return Path(f"/proc/{pid}/{file}").read_bytes()
    except OSError:
        return b""


def _pss_mb(pid: int) -> float:
    lines = _read(pid, "smaps_rollup").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(b"Pss:")) / 1024


def _what(pid: int) -> str:
    """The module or the program that it runs; some write a title of their own there, with paths in it."""
    words = [
        Path(word).name for line in _read(pid, "cmdline").split(b"\0") for word in line.decode(errors="replace").split()
    ]
    if "-m" in words[:-1]:
        return words[words.index("-m") + 1]
    return " ".join(words[:3])
