"""`lockgate rollback MODEL --drill`: the way back rehearsed on the running server's workers, or on workers of its own.

The drill has a routing of its own on the board, under a name that no caller asks for. The real workers take it up as they
take up any, with the versions that they hold already, and answer the drill's own calls by it; the model's routing stays as it
is. Nothing of the drill's calls is logged.
"""

from __future__ import annotations

import os
import random
import secrets
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from lockgate.errors import Conflict, SpecError
from lockgate.records import Routing
from lockgate.records.drill import Drill, drill_name
from lockgate.release.controller import Controller
from lockgate.release.drill import Seen, Way, routings, ruled, way_back
from lockgate.server import tokens
from lockgate.server.drill_load import Address, Line, Load, close, lines, unusable
from lockgate.server.drill_rows import rows_of
from lockgate.server.drill_workers import own_workers
from lockgate.server.supervisor import STATE
from lockgate.store.ports import RoutingBoard
from lockgate.store.routing_file import RoutingFiles
from lockgate.workspace.wire import Wiring
from lockgate.workspace.workspace import Workspace

REPETITIONS = 20
LONGEST_S = 10.0  # a worker that did not follow by then does not follow
FIRST_S = 30.0  # own workers have just been started when the first routing comes
LEASE_S = 60.0
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - asked for where it listens everywhere


@dataclass(frozen=True)
class Progress:
    """How far a drill is: repetitions done of those wanted, and how long the last way back took."""

    done: int
    of: int
    took_ms: float


class _Place(NamedTuple):
    """Whose workers answer, and where they look for routings."""

    on: Literal["server", "own"]
    address: Address
    board: RoutingBoard
    pids: Callable[[], Sequence[int]]


def drill(
    workspace: Workspace,
    model: str,
    *,
    to: str | None = None,
    repetitions: int = REPETITIONS,
    by: str,
    tell: Callable[[Progress], None] = lambda _: None,
) -> Drill:
    """The way back of a model, rehearsed; the record of it is kept.

    Raises SpecError where there is no way back, Conflict where another drill of the model is under way.
    """
    if repetitions < 1:
        raise SpecError(f"A drill of {repetitions} repetitions shows nothing.", cure="Ask for 1 at least.")
    wiring = workspace.wiring
    workspace.model(model)
    routing = Controller(model, wiring.records, wiring.board).routing
    way = way_back(routing, None if to is None else workspace.version(to).id)
    with _alone(wiring, model) as go_on, _place(wiring, routing) as place:
        found = lines(place.address, place.pids)
        try:
            seen = _rehearsed(wiring, routing, way, place, found, repetitions, tell, go_on)
        finally:
            close(found)
    event_s = workspace.event_s(model)
    told = ruled(model, way, seen, on=place.on, workers=len(found), event_s=event_s, now_s=wiring.clock(), by=by)
    wiring.records.write(told)
    return told


def _rehearsed(
    wiring: Wiring,
    routing: Routing,
    way: Way,
    place: _Place,
    found: dict[int, list[Line]],
    repetitions: int,
    tell: Callable[[Progress], None],
    go_on: Callable[[], None],
) -> Seen:
    missing = unusable(found, way)
    if missing is not None:
        return Seen(missing=missing)
    revision, rows = _latest(place.board, routing.model), rows_of(wiring, way)
    path = f"/predict/{drill_name(routing.model)}"
    try:
        before, _ = routings(routing, way, revision + 1)
        place.board.publish(before)
        _await(found, before)
        with Load(path, found, rows, way, f"drill-{secrets.token_hex(4)}") as load:
            back, there, missing = _gone(load, place.board, routing, way, revision + 1, repetitions, tell, go_on)
    finally:
        place.board.withdraw(drill_name(routing.model))
    return Seen(
        tuple(1000 * took for took in back),
        tuple(1000 * took for took in there),
        load.calls,
        load.refused,
        load.cut,
        load.astray,
        load.fell_back,
        missing,
        load.first or "",
    )


def _gone(
    load: Load,
    board: RoutingBoard,
    routing: Routing,
    way: Way,
    revision: int,
    repetitions: int,
    tell: Callable[[Progress], None],
    go_on: Callable[[], None],
) -> tuple[list[float], list[float], str | None]:
    """There and back, again and again; a first way there is not counted, for it finds the drill's routing as it is."""
    back: list[float] = []
    there: list[float] = []
    for number in range(repetitions):
        go_on()
        before, after = routings(routing, way, revision + 2 * number)
        for own, next_ in ((back, after), (there, replace(before, revision=after.revision + 1))):
            time.sleep(random.uniform(0.0, 0.25))  # so that workers look at any moment of their turn
            took = load.move(next_.champion, partial(board.publish, next_), LONGEST_S)
            if load.is_broken:
                return back, there, None
            if took is None:
                return back, there, f"A worker did not answer by the new routing within {LONGEST_S:g} s."
            own.append(took)
        tell(Progress(number + 1, repetitions, 1000 * back[-1]))
    return back, there, None


def _latest(board: RoutingBoard, model: str) -> int:
    """The revision of a drill that was killed and left its routing; 0 where none did."""
    left = board.read(drill_name(model))
    return 0 if left is None else left.revision


def _await(found: dict[int, list[Line]], routing: Routing) -> None:
    """Until every worker holds the drill's routing: before the first call, and not measured."""
    give_up = time.monotonic() + FIRST_S
    for own in found.values():
        while own[0].ready().drills.get(routing.model) != routing.revision and time.monotonic() < give_up:
            time.sleep(0.02)


@contextmanager
def _alone(wiring: Wiring, model: str) -> Generator[Callable[[], None]]:
    """One drill of a model at a time. Gives what says that it goes on."""
    name, holder = f"drill {model}", f"{os.getpid()}-{secrets.token_hex(4)}"

    def go_on() -> None:
        if not wiring.lease.acquire(name, holder, now_s=wiring.clock(), for_s=LEASE_S):
            raise Conflict(f"Another drill of {model} is under way.", cure="Wait for it.")

    go_on()
    try:
        yield go_on
    finally:
        wiring.lease.release(name, holder)


@contextmanager
def _place(wiring: Wiring, routing: Routing) -> Generator[_Place]:
    """The running server's workers; where none runs, workers of the drill's own over a copy of the routing."""
    running = _running(wiring.home)
    if running is not None:
        host, token = running.host, tokens.first(os.environ)
        address = Address(
            _ANYWHERE.get(host, host), running.port, {"Authorization": f"Bearer {token}"} if token else {}
        )
        yield _Place("server", address, RoutingFiles(wiring.home / "routing"), lambda: _workers(wiring.home))
        return
    with own_workers(wiring.home, routing, wiring.spec.server.workers) as (home, port):
        board = RoutingFiles(home / "routing")
        yield _Place("own", Address("127.0.0.1", port, {}), board, lambda: _workers(home))


class _Running(msgspec.Struct):
    """What a drill must know of a running server, of all that its supervisor writes down."""

    pid: int
    host: str
    port: int
    workers: list[int]


def _running(home: Path) -> _Running | None:
    """What the supervisor of a running server says of itself; None where none runs."""
    try:
        state = msgspec.json.decode((home / STATE).read_bytes(), type=_Running)
        os.kill(state.pid, 0)
    except (OSError, msgspec.MsgspecError):
        return None
    return state


def _workers(home: Path) -> list[int]:
    state = _running(home)
    return [] if state is None else state.workers
