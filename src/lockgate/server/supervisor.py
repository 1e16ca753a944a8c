"""The parent: owns the listening socket, starts the workers and their companions, and replaces whichever dies."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from lockgate.errors import Conflict, InvariantBroken
from lockgate.server import grpc_port as grpc_ports
from lockgate.server import shares, tokens
from lockgate.telemetry import logs

LOOK_S = 0.1
SHORTEST_LIFE_S = 0.8  # what dies at once is not started again faster than this
DRAIN_S = 12.0
STATE = "server.json"
PARENT = "LOCKGATE_SUPERVISOR"  # a child that starts slowly may ask for its parent when that is gone already
_log = logging.getLogger("lockgate.supervisor")
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What a supervisor that goes on as another program hands itself: its open sockets, by number, and what it starts."""

    host: str
    socket: int
    grpc: int | None
    fds: tuple[int, ...]
    workers: int
    companions: list[list[str]]
    pages_port: int | None
    worker_options: list[str]


class Supervisor:
    """Workers on one socket. home: the workspace's `.lockgate` folder; companions: further processes, as their argv;
    fds: sockets that they inherit; grpc_port: where the workers speak gRPC too, nowhere where it is None; worker_options:
    more words for each worker's argv.
    """

    def __init__(
        self,
        home: Path,
        *,
        host: str,
        port: int,
        workers: int,
        companions: Sequence[Sequence[str]] = (),
        fds: Sequence[int] = (),
        pages_port: int | None = None,
        grpc_port: int | None = None,
        worker_options: Sequence[str] = (),
    ) -> None:
        self._home = home
        self._host, self._port = host, port
        self._socket: socket.socket | None = None
        self._wanted: list[list[str]] = []
        self._worker_count = workers
        self._companions = [list(argv) for argv in companions]
        self._fds = tuple(fds)
        self._pages_port = pages_port
        self._grpc_port = grpc_port
        self._grpc: socket.socket | None = None
        self._worker_options = list(worker_options)
        self._running: list[subprocess.Popen[bytes]] = []
        self._born: list[float] = []
        self._is_stopping = False

    @property
    def port(self) -> int:
        """The port listened on; asked for as 0, the one that was given."""
        return int(self._listening.getsockname()[1])

    @property
    def grpc_port(self) -> int | None:
        """The same for gRPC, None where it is not spoken."""
        return None if self._grpc is None else int(self._grpc.getsockname()[1])

    def bind(self) -> None:
        """Raises Conflict where a port is taken, SpecError where gRPC is asked for and cannot be spoken, ConfigError where
        the port is open to all and no token is asked for.
        """
        tokens.refuse_open_house(self._host, tokens.read(os.environ))
        self._socket = bound(self._host, self._port, "--port")
        if self._grpc_port is not None:
            self._grpc = grpc_ports.held(self._host, self._grpc_port)

    def start(self) -> None:
        """Every process, once."""
        if self._socket is None:
            self.bind()
        worker = [sys.executable, "-m", "lockgate.server.worker", "--fd", str(self._listening.fileno())]
        if self._grpc is not None:
            worker += ["--grpc", grpc_ports.address(self._host, self._grpc)]
        worker += ["--home", str(self._home), *self._worker_options]
        shares.lay_out(self._home, self._worker_count)
        workers = [[*worker, "--place", str(place)] for place in range(self._worker_count)]
        self._wanted = workers + self._companions
        self._running = [self._spawn(argv) for argv in self._wanted]
        self._born = [time.monotonic()] * len(self._running)
        self._write_state()

    def run(self) -> None:
        """Start, replace what dies, and stop at SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask_to_stop)
        logs.set_up()
        self.start()
        while not self._is_stopping:
            self.replace_dead()
            time.sleep(LOOK_S)
        self.stop()

    def become(self) -> None:
        """Go on in this very process as a program that holds nothing but a supervisor: what a command line had to load would
        stay in memory for as long as the server runs. Returns where a system cannot, once it has run and stopped.
        """
        if os.name != "posix":
            self.run()
            return
        held = Held(
            host=self._host,
            socket=self._listening.fileno(),
            grpc=None if self._grpc is None else self._grpc.fileno(),
            fds=self._fds,
            workers=self._worker_count,
            companions=self._companions,
            pages_port=self._pages_port,
            worker_options=self._worker_options,
        )
        for descriptor in (held.socket, held.grpc, *held.fds):
            if descriptor is not None:
                os.set_inheritable(descriptor, True)
        words = [
            "-m",
            "lockgate.server.supervisor",
            "--home",
            str(self._home),
            "--held",
            msgspec.json.encode(held).decode(),
        ]
        os.execv(sys.executable, [sys.executable, *words])  # noqa: S606 - this very program, and no shell

    @classmethod
    def again(cls, home: Path, held: Held) -> Supervisor:
        """The supervisor that handed itself over."""
        made = cls(
            home,
            host=held.host,
            port=0,
            workers=held.workers,
            companions=held.companions,
            fds=held.fds,
            pages_port=held.pages_port,
            worker_options=held.worker_options,
        )
        made._socket = socket.socket(fileno=held.socket)
        made._grpc = None if held.grpc is None else socket.socket(fileno=held.grpc)
        return made

    def replace_dead(self) -> None:
        for place, process in enumerate(self._running):
            if process.poll() is not None and time.monotonic() - self._born[place] > SHORTEST_LIFE_S:
                _log.warning("The process %s ended with %s; another takes its place.", process.pid, process.returncode)
                if place < self._worker_count:
                    shares.clear(self._home, place)
                self._running[place] = self._spawn(self._wanted[place])
                self._born[place] = time.monotonic()
                self._write_state()

    def stop(self) -> None:
        """Ask all to finish what they hold, then insist. The socket stays open until the workers are done."""
        for process in self._running:
            if process.poll() is None:
                process.terminate()
        give_up = time.monotonic() + DRAIN_S
        for process in self._running:
            try:
                process.wait(max(0.1, give_up - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for held in (self._socket, self._grpc):
            if held is not None:
                held.close()
        for name in (STATE, shares.FILE):
            (self._home / name).unlink(missing_ok=True)

    @property
    def _listening(self) -> socket.socket:
        if self._socket is None:
            raise InvariantBroken("The supervisor has not bound its port yet.")
        return self._socket

    def _ask_to_stop(self, _number: int, _frame: object) -> None:
        self._is_stopping = True

    def _spawn(self, argv: list[str]) -> subprocess.Popen[bytes]:
        environment = os.environ | dict.fromkeys(ONE_THREAD, "1") | {PARENT: str(os.getpid())}
        # A Ctrl-C at the terminal reaches the parent alone, which then drains the children in order.
        return subprocess.Popen(
            argv, pass_fds=(self._listening.fileno(), *self._fds), env=environment, start_new_session=True
        )

    def _write_state(self) -> None:
        pids = [process.pid for process in self._running]
        state = {
            "pid": os.getpid(),
            "host": self._host,
            "port": self.port,
            "pages_port": self._pages_port,
            "grpc_port": self.grpc_port,
            "workers": pids[: self._worker_count],
            "companions": pids[self._worker_count :],
        }
        self._home.mkdir(parents=True, exist_ok=True)
        fresh = self._home / f".{STATE}.{os.getpid()}"
        fresh.write_text(json.dumps(state))
        fresh.replace(self._home / STATE)


def bound(host: str, port: int, option: str) -> socket.socket:
    """A listening socket that children may inherit. Raises Conflict naming the port, and the option that moves it."""
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise Conflict(
            f"Port {port} on {host} cannot be listened on: {error.strerror}.",
            cure=f"Stop whoever holds it, or choose another with {option}.",
        ) from error
    listening.listen(2048)
    listening.set_inheritable(True)
    return listening


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--grpc-port", type=int)
    parser.add_argument("--limits", default="[]")
    parser.add_argument("--held", type=lambda told: msgspec.json.decode(told, type=Held))
    arguments = parser.parse_args()
    if arguments.held is not None:
        Supervisor.again(arguments.home, arguments.held).run()
        sys.exit()
    Supervisor(
        arguments.home,
        host=arguments.host,
        port=arguments.port,
        workers=arguments.workers,
        grpc_port=arguments.grpc_port,
        worker_options=["--limits", arguments.limits],
    ).run()
